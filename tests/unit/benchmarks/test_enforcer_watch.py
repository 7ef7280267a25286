"""How the enforcer's benchmark sees when a ban is in a set."""

from __future__ import annotations

import time
from typing import Any

import pytest

from benchmarks.enforcer.bench import Row
from benchmarks.enforcer.watch import Watch
from benchmarks.processes import BenchError
from localstack.control import EdgeControl

A, B = "192.0.2.1/32", "192.0.2.2/32"


class Edge(EdgeControl):
    """Answers changes that were made up."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1")
        self.made: list[dict[str, Any]] = []

    def change(self, ip_set: str, *, added: tuple[str, ...] = (), removed: tuple[str, ...] = ()) -> None:
        number = len(self.made) + 1
        lists = {"added": list(added), "removed": list(removed)}
        self.made.append({"number": number, "at_s": float(number), "ip_set": ip_set, **lists})

    def waf_changes(self, account: str, *, after: int = 0) -> list[dict[str, Any]]:
        assert account == "000000000001"
        return self.made[after:]


@pytest.fixture
def edge() -> Edge:
    return Edge()


@pytest.fixture
def watch(edge: Edge) -> Watch:
    return Watch(edge, "000000000001")


def test_the_last_ban_that_came_in_tells_when_all_were_in(edge: Edge, watch: Watch) -> None:
    edge.change("one", added=(A,))
    edge.change("two", added=(B,))
    assert watch.wait_until_in([A, B], 0) == 2.0
    assert (watch.updates, watch.held()) == (2, {A, B})


def test_who_moves_to_another_set_is_never_out(edge: Edge, watch: Watch) -> None:
    edge.change("one", added=(A, B))
    edge.change("two", added=(A,))
    edge.change("one", removed=(A, B))
    watch.look()
    assert watch.left_s == {B: 3.0}
    assert watch.wait_until_out([B], 0) == 3.0


def test_what_does_not_come_true_in_its_time_is_said(watch: Watch) -> None:
    with pytest.raises(BenchError, match="1 bans are in the sets"):
        watch.wait_until_in([A], -1)
    with pytest.raises(BenchError, match="nothing"):
        watch.wait_for_an_update(time.monotonic() - 1, "nothing")


def test_a_row_is_judged_by_its_medians_and_shows_the_spread() -> None:
    row = Row("case", keeps=lambda it: it["s"] <= 2)
    assert (row.verdict(), row.told()) == ("", "")
    row.runs = [{"s": 1.0, "updates": 1}, {"s": 9.0, "updates": 1}, {"s": 2.0, "updates": 1}]
    assert (row.verdict(), row.told()) == ("yes", "s 2 (1 to 9), updates 1")
    row.runs.append({"s": 8.0, "updates": 1})
    assert row.verdict() == "NO"
