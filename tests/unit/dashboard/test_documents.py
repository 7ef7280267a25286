"""What programs read, of a real state file: it is of now, or it is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.config.jails_file import read_jails
from f2b_worker.dashboard.documents import documents_of
from f2b_worker.domain.judge.verdicts import OffenderId
from f2b_worker.query.sources import Sources
from f2b_worker.query.status import status_object
from f2b_worker.query.view import View
from f2b_worker.testing import FakeClock
from tests.unit.dashboard.pages.scene import OtherSnapshot, new_fleet
from tests.unit.dashboard.scene import Dashboard

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.dashboard.scene import Answer

DOCUMENTS = ("/status.json", "/bans.json", "/series.json", "/state/infractions")
PROGRAM = {"accept": "application/json"}


class Served:
    """A state file with one ban, and its documents, whose view a test moves on by hand."""

    def __init__(self, folder: Path) -> None:
        self.fleet = new_fleet(folder)
        self.fleet.ban([OffenderId("login", "203.0.113.7/32")])
        clock = FakeClock(SystemClock().now_ms())
        jails = read_jails(self.fleet.settings.config)
        self.view = View(self.fleet.settings, jails, clock)
        self.sources = Sources(self.fleet.settings, jails, self.view, clock)

    def get(self, target: str, sources: Sources | None = None) -> Answer:
        return Dashboard(documents=documents_of(sources or self.sources)).get(target, **PROGRAM)

    def step(self) -> None:
        self.view.touch()
        assert self.view.step() is not None


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path)
    made.step()
    yield made
    made.fleet.state.close()


@pytest.mark.parametrize("path", DOCUMENTS)
def test_a_document_says_what_is_so_now_and_is_refused_while_nobody_knows(served: Served, path: str) -> None:
    known = served.get(path)
    served.fleet.state.path.rename(served.fleet.state.path.with_suffix(".away"))
    served.step()
    refused = served.get(f"{path}?since=7d")  # which was not asked for before

    assert known.status == 200
    assert json.loads(known.text)
    assert refused.status == 503
    assert refused.text.startswith("there is no state file ")
    assert refused.header("retry-after") == "1"


@pytest.mark.parametrize("path", DOCUMENTS)
def test_a_document_is_refused_though_what_was_known_would_do_for_it(served: Served, path: str) -> None:
    other = OtherSnapshot(served.sources, problem="reading the bans: no answer", is_ledger_away=True)
    refused = served.get(path, other)

    assert (refused.status, refused.text) == (503, "reading the bans: no answer\n")


def test_the_status_is_that_of_the_command(served: Served) -> None:
    assert json.loads(served.get("/status.json").text) == json.loads(
        json.dumps(status_object(served.sources.snapshot().status))
    )


def test_the_status_is_refused_where_all_but_the_bans_is_old_and_the_bans_are_told(served: Served) -> None:
    other = OtherSnapshot(served.sources, rest_problem="reading the queue: throttled")
    refused, bans = served.get("/status.json", other), served.get("/bans.json", other)

    assert (refused.status, refused.text) == (503, "reading the queue: throttled\n")
    assert json.loads(bans.text)["total"] == 1


def test_the_status_has_the_problems_of_the_verdict(served: Served) -> None:
    told = json.loads(served.get("/status.json", OtherSnapshot(served.sources, remarks=("no jails",))).text)

    assert told["ok"] is False
    assert told["problems"][-1] == "no jails"


def test_the_series_is_of_the_time_that_the_overview_shows_unless_another_one_is_asked_for(served: Served) -> None:
    usual, day, hour = (
        json.loads(served.get(f"/series.json{query}").text) for query in ("", "?since=24h", "?since=1h")
    )

    assert usual == day
    assert hour["step"] < day["step"]


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("/series.json?since=2h", "since: must be one of 1h, 24h, 7d"),
        ("/bans.json?sort=size", "sort: must be one of "),
        ("/bans.json?page=0x1", "page: must be a number from 1 on"),
    ],
)
def test_what_is_wrong_in_a_query_is_said(served: Served, target: str, told: str) -> None:
    answer = served.get(target)

    assert answer.status == 400
    assert answer.text.startswith(told)
