"""What is wrong in an outcome is said, and nothing else is."""

from __future__ import annotations

import pytest

from tests.servers.events import Outcome

ALL = {"a": 1.0, "b": 2.0, "c": 3.0}


def outcome(
    arrived: set[str], told: dict[str, int], *, unanswered: int = 0, forgiven: frozenset[str] = frozenset()
) -> Outcome:
    return Outcome("uvicorn", "1", "stop", ALL, arrived, told, unanswered, forgiven=set(forgiven))


@pytest.mark.parametrize(
    ("arrived", "told", "may_lose", "wrong"),
    [
        ({"a", "b", "c"}, {}, False, []),
        ({"a", "b", "c", "import"}, {}, False, []),
        ({"a"}, {"7": 2}, False, ["2 lost"]),
        ({"a"}, {"7": 2}, True, []),
        ({"a"}, {"7": 1}, True, ["2 lost, 1 told"]),
        ({"a"}, {"7": 1, "8": 1}, True, []),
        ({"a"}, {"7": 3}, True, ["3 told, 2 lost"]),
    ],
)
def test_what_is_lost_against_the_promise_or_not_told_is_wrong(
    arrived: set[str], told: dict[str, int], may_lose: bool, wrong: list[str]
) -> None:
    judged = outcome(arrived, told)
    judged.judge(may_lose=may_lose)
    assert judged.wrong == wrong


def test_a_request_that_was_cut_off_may_have_been_told_as_lost() -> None:
    judged = outcome({"a"}, {"7": 3}, unanswered=1)
    judged.judge(may_lose=True)
    assert judged.wrong == []


def test_what_a_killed_worker_had_just_answered_is_neither_wrong_nor_told() -> None:
    judged = outcome({"a"}, {}, forgiven=frozenset({"b", "c"}))
    judged.judge(may_lose=False)
    assert judged.wrong == []


def test_a_server_that_answered_nobody_is_wrong() -> None:
    judged = Outcome("uvicorn", "1", "stop", {}, set(), {}, 0)
    judged.judge(may_lose=True)
    assert judged.wrong == ["nobody was answered"]
