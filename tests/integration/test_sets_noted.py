"""`f2b status` and `f2b list` go by what an enforcer noted of its IP sets, and ask WAF only where they must."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.dynamodb.notebook import DynamoNotebook
from f2b_worker.adapters.sqlite.notebook import SqliteNotebook
from f2b_worker.adapters.sqlite.state import StateFile
from f2b_worker.domain.judge.enforcement import JUDGED_WITHIN_MS
from f2b_worker.domain.noted_sets import NOTED_WITHIN_MS, NotedGroup, NotedSet, NotedSets
from tests.integration.acting import IP, ok, place, told
from tests.integration.provisioning import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from f2b_worker.ports import Notebook
    from tests.integration.provisioning import Cloud

__all__ = ["place"]

NAMED = ("--ip-set", "f2b")
REGION = "us-east-1"


@dataclass
class Noting:
    """An enforcer that notes what it likes, beside a WAF whose one IP set holds nothing."""

    notebook: Notebook
    cloud: Cloud

    def note(
        self, *out: str, ago_ms: int = 0, name: str = "f2b", entries: int = 7, is_all_named: bool = True
    ) -> None:
        at_ms = SystemClock().now_ms() - ago_ms
        group = NotedGroup("block", 4, (NotedSet(name, entries, at_ms),), out if is_all_named else None)
        self.notebook.note_sets(NotedSets(at_ms, at_ms + (0 if ago_ms else JUDGED_WITHIN_MS + 5000), (group,)))

    @property
    def waf_calls(self) -> int:
        """The calls to WAF since this was last asked."""
        calls = self.cloud.aws.edge.calls()
        self.cloud.aws.edge.reset_calls()
        return sum(number for name, number in calls.items() if name.startswith("wafv2:"))


@contextmanager
def notebook_of(place: str, cloud: Cloud, folder: Path) -> Iterator[Notebook]:
    if place == "table":
        yield DynamoNotebook(cloud.dynamodb, "f2b", region=REGION)
        return
    state = StateFile(folder / "f2b.db")
    yield SqliteNotebook(state.reader(), state.safe_writer, region=REGION)
    state.close()


@pytest.fixture
def noting(place: str, cloud: Cloud, tmp_path: Path) -> Iterator[Noting]:
    cloud.ip_set("f2b")
    with notebook_of(place, cloud, tmp_path) as notebook:
        cloud.aws.edge.reset_calls()
        yield Noting(notebook, cloud)


def status(*arguments: str) -> Any:
    """Ask for the status; it is not OK where no worker is alive."""
    answer = run("status", *arguments, "--json")
    assert answer.exit_code in {0, 1}, answer.output
    return json.loads(answer.stdout)


def entries(*arguments: str) -> list[int]:
    return [each["entries"] for each in status(*NAMED, *arguments)["sets"]]


def state() -> tuple[str, bool]:
    """The state of the one ban, and whether it is said to be of an earlier time."""
    answer = ok("list", *NAMED, "-o", "csv")
    rows = answer.stdout.splitlines()
    return dict(zip(rows[0].split(","), rows[1].split(","), strict=True))["state"], "as noted" in answer.stderr


def test_status_reads_a_fresh_note_and_asks_waf_nothing(noting: Noting) -> None:
    noting.note()
    assert entries() == [7]
    assert "seen 0ms ago; --live asks WAF" in run("status", *NAMED).stdout
    assert noting.waf_calls == 0


def test_status_asks_waf_where_it_is_told_to_or_there_is_no_fresh_note_of_these_sets(noting: Noting) -> None:
    assert entries() == [0]
    noting.note()
    assert entries("--live") == [0]
    assert "--live" not in run("status", *NAMED, "--live").stdout
    noting.note(ago_ms=NOTED_WITHIN_MS + 1000)
    assert entries() == [0]
    noting.note(name="others")
    assert entries() == [0]
    assert noting.waf_calls > 0


def test_a_full_blocklist_is_a_problem_by_the_note_too(noting: Noting) -> None:
    noting.note(entries=10_000)
    assert any("are full" in each for each in status(*NAMED)["problems"])
    assert noting.waf_calls == 0


def test_list_says_by_the_note_how_far_a_ban_is_enforced(noting: Noting) -> None:
    ok("ban", IP)
    noting.note()
    assert state() == ("enforced", True)
    noting.note(f"{IP}/32")
    assert state() == ("waiting", True)
    noting.note(f"{IP}/32", entries=10_000)
    assert state() == ("left_out", True)
    noting.notebook.note_surge(1)
    assert state() == ("left_out", True)  # nobody holds back what was banned by hand
    assert told("list", *NAMED)["sets_seen"] <= SystemClock().now_ms() / 1000
    assert noting.waf_calls == 0


def test_a_ban_that_the_note_is_too_old_for_waits(noting: Noting) -> None:
    noting.note(ago_ms=1000)
    ok("ban", IP)
    assert state() == ("waiting", True)
    assert noting.waf_calls == 0


def test_list_asks_waf_where_it_is_told_to_or_the_note_does_not_tell(noting: Noting) -> None:
    ok("ban", IP)
    noting.note(is_all_named=False)
    assert state() == ("waiting", False)
    assert noting.waf_calls > 0
    noting.note()
    assert told("list", *NAMED, "--live")["bans"][0]["state"] == "waiting"
    noting.note(ago_ms=NOTED_WITHIN_MS + 1000)
    assert state() == ("waiting", False)


def test_without_ip_sets_nobody_asks_waf(noting: Noting) -> None:
    ok("ban", IP)
    noting.note()
    assert told("list")["sets_seen"] is None
    assert status()["sets"] == []
    assert noting.waf_calls == 0
