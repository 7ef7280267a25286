"""The old service's pages, by what the ledger knows."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.sqlite.ledger import SqliteLedger
from f2b_worker.adapters.sqlite.state import StateFile
from f2b_worker.config.jails_file import read_jails
from f2b_worker.config.operator import OperatorSettings
from f2b_worker.dashboard.old_state import KEPT_S, OldState
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.verdicts import Ban, Hit, Offender, OffenderId
from f2b_worker.query.sources import Sources
from f2b_worker.testing import FakeClock, MemoryLedger
from tests.unit.dashboard.scene import Dashboard, refusals

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_addresses_stand_there_with_how_often_they_were_reported_first_and_last(tmp_path: Path) -> None:
    clock = SystemClock()
    now_ms = clock.now_ms() // 1000 * 1000
    state = StateFile(tmp_path / "f2b.db")
    ledger = SqliteLedger(state, clock, kept_ms=10**9)
    hits = (Hit(now_ms - 60_000, "a", 2), Hit(now_ms - 1_000, "b", 1))
    bans = {
        OffenderId("login", "203.0.113.7/32"): Ban(now_ms, now_ms + 600_000, 1, 600_000, evidence=hits),
        OffenderId("manual", "203.0.113.8/32"): Ban(now_ms, now_ms + 600_000, 1, 600_000, origin="cli"),
        OffenderId("login", "203.0.113.9/32"): Ban(now_ms - 900_000, now_ms - 1, 1, 600_000, evidence=hits),
    }
    ledger.commit({who: Decision(Offender(), ban) for who, ban in bans.items()})
    sources = Sources(OperatorSettings(state=str(tmp_path / "f2b.db")), read_jails(None))
    try:
        found = OldState(sources).document()
    finally:
        sources.close()
        state.close()
    (row,) = found["infractions"]
    assert (row["ip"], row["jail"], row["infractions"]) == ("203.0.113.7", "login", 3)
    assert row["first"] < row["last"] <= "9"
    assert found["bound"] == "The infractions that running bans are backed by; the 1,000 latest bans."


def test_who_asks_again_and_again_has_the_bans_read_once_and_seldom_while_they_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, clock = StateFile(tmp_path / "f2b.db"), FakeClock()
    state.reader()
    sources = Sources(OperatorSettings(state=str(tmp_path / "f2b.db")), read_jails(None))
    books: list[MemoryLedger] = []

    def book(_: object) -> MemoryLedger:
        books.append(MemoryLedger())
        return books[-1]

    monkeypatch.setattr("f2b_worker.dashboard.old_state.open_ban_book", book)
    try:
        known = sources.snapshot()
        old_state = OldState(sources, clock)
        for number in (7, 7, 8):
            monkeypatch.setattr(sources, "snapshot", lambda number=number: replace(known, number=number))
            old_state.document()
        assert len(books) == 1
        clock.advance(KEPT_S)
        old_state.document()
        assert len(books) == 2
    finally:
        sources.close()
        state.close()


def test_programs_get_json_as_before_and_people_the_page_of_today() -> None:
    dashboard = Dashboard(documents={"/state/infractions": lambda _: {"infractions": [], "bound": ""}})
    assert json.loads(dashboard.get("/state/infractions", accept="application/json").text)["infractions"] == []
    page = dashboard.get("/state/infractions")
    assert (page.status, page.header("location")) == (303, "/bans")


def test_who_asks_for_requests_is_told_who_knows_them() -> None:
    before = refusals("not_found")
    answer = Dashboard().get("/state/requests", accept="application/json")
    assert answer.status == 404
    assert answer.text == "Only f2b-shim knows requests: ask for /state/requests at its port.\n"
    assert refusals("not_found") == before + 1
