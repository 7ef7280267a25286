"""The audit for pages, on a state file: what is new is always there, what is old is read seldom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.sqlite.acts import SqliteActs
from f2b_worker.adapters.sqlite.file import make_or_open
from f2b_worker.config.operator import OperatorSettings
from f2b_worker.domain.acts.act import Act, Verb
from f2b_worker.domain.jails import DAY_MS
from f2b_worker.process.opening import open_acts
from f2b_worker.query import audit_reader
from f2b_worker.query.audit_reader import KEPT_MS, AuditReader
from f2b_worker.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW_MS = SystemClock().now_ms()


class Audited:
    """A state file whose audit a test writes, and pages of three acts."""

    def __init__(self, path: Path) -> None:
        make_or_open(path).close()
        self.settings = OperatorSettings(state=str(path))
        self.clock = FakeClock(NOW_MS)
        self.reader = AuditReader(self.settings, self.clock)

    def act(self, name: str, ago_ms: int) -> None:
        at_ms = self.clock.now_ms() - ago_ms
        open_acts(self.settings).note(Act(name, at_ms, "ann", Verb.RELEASE, ("here",)))

    def page(self, page: int = 1) -> tuple[list[str], bool]:
        found = self.reader.page(page, 3)
        return [each.id for each in found.acts], found.is_last


@pytest.fixture
def audited(tmp_path: Path) -> Audited:
    made = Audited(tmp_path / "f2b.db")
    for days in range(5):
        made.act(f"old-{days}", (days + 2) * DAY_MS)
    return made


def test_old_and_new_acts_are_one_list_the_newest_first(audited: Audited) -> None:
    audited.act("new", 1000)
    assert audited.page() == (["new", "old-0", "old-1"], False)
    assert audited.page(2) == (["old-2", "old-3", "old-4"], True)
    assert audited.page(3) == ([], True)
    assert audited.page(-1) == audited.page()


def test_an_act_is_there_at_once(audited: Audited) -> None:
    assert audited.page()[0] == ["old-0", "old-1", "old-2"]
    audited.act("new", 0)
    assert audited.page()[0] == ["new", "old-0", "old-1"]
    audited.clock.advance(3 * DAY_MS / 1000)
    assert audited.page()[0] == ["new", "old-0", "old-1"]  # by then it is old, and no page has lost it


def heard(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """Hear up to when acts are asked for."""
    asked: list[int | None] = []
    audit = SqliteActs.audit

    def hear(acts: SqliteActs, since_ms: int, until_ms: int | None = None) -> object:
        asked.append(until_ms)
        return audit(acts, since_ms, until_ms)

    monkeypatch.setattr(SqliteActs, "audit", hear)
    return asked


def test_what_is_older_than_a_day_is_read_again_after_ten_minutes_only(
    audited: Audited, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = heard(monkeypatch)
    for _ in range(3):
        audited.page()
    old = [each for each in asked if each is not None]
    assert (len(asked), len(old)) == (4, 1)
    audited.clock.advance(KEPT_MS / 1000)
    audited.page()
    assert len([each for each in asked if each is not None]) == 2


def test_what_is_kept_no_longer_by_these_settings_is_left_out(audited: Audited) -> None:
    audited.act("too-old", 500 * DAY_MS)
    assert "too-old" not in audited.page(2)[0]


def test_pages_reach_so_far_and_no_further_whatever_page_is_asked_for(
    audited: Audited, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_reader, "PAGES_MAX", 2)
    read: list[Act] = []
    audit = SqliteActs.audit

    def counted(acts: SqliteActs, since_ms: int, until_ms: int | None = None) -> Iterator[Act]:
        for each in audit(acts, since_ms, until_ms):
            read.append(each)
            yield each

    for number in range(20):
        audited.act(f"ancient-{number:02}", (10 + number) * DAY_MS)
    monkeypatch.setattr(SqliteActs, "audit", counted)
    for page in (2, 3, 10**9):
        found = audited.reader.page(page, 3)
        assert ([each.id for each in found.acts], found.page) == (["old-3", "old-4", "ancient-00"], 2)
        assert (found.is_last, found.is_cut) == (True, True)
    assert len(read) == 7
    found = audited.reader.page(1, 3)
    assert (found.is_last, found.is_cut) == (False, False)


def test_what_is_old_is_read_once_where_somebody_goes_from_page_to_page_and_on(
    audited: Audited, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = heard(monkeypatch)
    for page in range(1, 30):
        audited.page(page)
    assert len([each for each in asked if each is not None]) == 1
