from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from f2b_worker.adapters.sqlite.file import (
    APPLICATION_ID,
    VERSION,
    FileLock,
    SqliteLease,
    make_or_open,
    open_existing,
    open_to_store,
)
from f2b_worker.adapters.sqlite.ledger import PURGED_AT_ONCE, WRITTEN_AT_ONCE, SqliteLedger
from f2b_worker.adapters.sqlite.notebook import SqliteNotebook, notebooks_in
from f2b_worker.adapters.sqlite.state import StateFile
from f2b_worker.adapters.sqlite.writer import Writer
from f2b_worker.domain.jails import DAY_MS
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.verdicts import Ban, Hit, Offender, OffenderId
from f2b_worker.errors import Invalid, Missing, StartError, Unavailable
from f2b_worker.testing import FakeClock

if TYPE_CHECKING:
    from pathlib import Path

WHO = OffenderId("login", "203.0.113.7/32")
CLOCK = FakeClock()
HIT = Hit(CLOCK.now_ms(), "one")
BAN = Ban(CLOCK.now_ms(), CLOCK.now_ms() + 1000, 1, 1000)
KEPT_MS = 2 * DAY_MS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "f2b.db"


def ledger_in(state: StateFile, clock: FakeClock = CLOCK) -> SqliteLedger:
    return SqliteLedger(state, clock, kept_ms=KEPT_MS)


def crowd(number: int) -> list[OffenderId]:
    return [OffenderId("login", f"198.51.{each // 250}.{each % 250}/32") for each in range(number)]


def frames(state: StateFile) -> int:
    """Count the pages in the log."""
    pages: int = state.reader().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1]
    return pages


class TestOpening:
    def test_a_file_that_was_closed_has_forgotten_nothing(self, path: Path) -> None:
        first = StateFile(path)
        ledger_in(first).record({WHO: [HIT]})
        ledger_in(first).commit({OffenderId("ssh", WHO.key): Decision(Offender(), BAN)})
        first.close()

        again = StateFile(path)
        assert ledger_in(again).offender(WHO).hits == {HIT}
        assert [each.ban for each in ledger_in(again).standing()] == [BAN]
        again.close()

    def test_changes_after_a_restart_come_after_those_before_it(self, path: Path) -> None:
        first = StateFile(path)
        ledger_in(first).commit({WHO: Decision(Offender(), BAN)})
        cursor = ledger_in(first).newest_change()
        first.close()

        again = StateFile(path)
        other = OffenderId("ssh", WHO.key)
        ledger_in(again).commit({other: Decision(Offender(), BAN)})
        assert [each.who for each in ledger_in(again).changed_since(cursor)[0]] == [other]
        again.close()

    def test_two_processes_never_work_on_one_file(self, state: StateFile, path: Path) -> None:
        with pytest.raises(StartError, match=f"state file {path} is in use by another f2b-worker"):
            StateFile(path)
        state.close()
        FileLock(path).close()

    def test_whoever_has_the_file_has_the_right_to_enforce(self) -> None:
        lease = SqliteLease()
        lease.release()
        assert lease.hold()

    def test_a_file_of_a_newer_f2b_is_refused_in_one_line_and_left_as_it_is(self, path: Path) -> None:
        with closing(make_or_open(path)) as file:
            file.execute(f"PRAGMA user_version = {VERSION + 1}")
        for opening in (StateFile, open_existing):
            with pytest.raises(
                StartError, match=f"in format {VERSION + 1}; this f2b knows format {VERSION}: update f2b"
            ):
                opening(path)
        FileLock(path).close()  # a refused start holds nothing back

    def test_another_programs_database_is_refused_and_left_as_it_is(self, path: Path) -> None:
        with closing(sqlite3.connect(path)) as file:
            file.execute("CREATE TABLE precious (x)")
        for opening in (make_or_open, open_existing):
            with pytest.raises(StartError, match=f"{path} is not a state file of f2b"):
                opening(path)
        with closing(sqlite3.connect(path)) as file:
            assert file.execute("SELECT name FROM sqlite_master").fetchall() == [("precious",)]

    def test_a_file_that_is_no_database_is_refused(self, path: Path) -> None:
        path.write_text("[defaults]\n" * 100)
        for opening in (make_or_open, open_existing):
            with pytest.raises(StartError, match="file is not a database"):
                opening(path)

    def test_a_folder_that_is_not_there_is_to_be_made(self, tmp_path: Path) -> None:
        with pytest.raises(StartError, match=r"nowhere/f2b\.db-lock: .*; make the folder /.*/nowhere$"):
            StateFile(tmp_path / "nowhere" / "f2b.db")
        with pytest.raises(StartError, match="cannot open state file"):
            make_or_open(tmp_path / "nowhere" / "f2b.db")

    def test_a_command_does_not_make_the_file_that_it_looks_into(self, path: Path) -> None:
        with pytest.raises(Missing, match="f2b-worker --standalone makes it"):
            open_existing(path)
        assert not path.exists()

    def test_a_start_that_was_cut_short_before_the_tables_is_made_good_for(self, path: Path) -> None:
        path.touch()
        with closing(make_or_open(path)) as file:
            assert file.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)

    def test_what_has_no_other_copy_is_on_disk_with_its_commit(self, path: Path) -> None:
        make_or_open(path).close()
        with closing(open_to_store(path)) as file:
            assert file.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
            assert file.execute("PRAGMA journal_mode").fetchone() == ("wal",)


class TestBesideOthers:
    def test_a_command_sees_what_a_worker_has_stored_and_may_not_write(self, state: StateFile, path: Path) -> None:
        ledger_in(state).record({WHO: [HIT]})
        with closing(open_existing(path)) as looking:
            assert looking.execute("SELECT count(*) FROM offenders").fetchone() == (1,)
            with pytest.raises(sqlite3.OperationalError):
                looking.execute("DELETE FROM offenders")

    def test_a_release_by_a_command_reaches_the_worker(self, state: StateFile, path: Path) -> None:
        notebook = SqliteNotebook(state.reader(), state.safe_writer, region="eu-west-1")
        notebook.note_surge(1_000)
        with closing(open_to_store(path)) as command:
            notebooks_in(command)["eu-west-1"].note_release(2_000)
        assert notebook.read().released_ms == 2_000
        assert notebook.read().held_back_from_ms is None

    def test_each_region_has_notes_of_its_own(self, state: StateFile) -> None:
        here, there = (SqliteNotebook(state.reader(), state.safe_writer, region=each) for each in ("eu", "us"))
        here.note_surge(1_000)
        assert there.read().held_back_from_ms is None

    def test_whoever_writes_waits_for_the_other_and_then_writes(self, state: StateFile, path: Path) -> None:
        other = make_or_open(path)
        other.execute("BEGIN IMMEDIATE")
        waiting = threading.Thread(target=ledger_in(state).record, args=({WHO: [HIT]},))
        waiting.start()
        assert ledger_in(state).offender(WHO) == Offender()  # reading waits for nobody
        other.execute("ROLLBACK")
        waiting.join(10)
        other.close()
        assert ledger_in(state).offender(WHO).hits == {HIT}

    def test_whoever_waited_long_enough_hears_that_it_may_be_tried_again(self, path: Path) -> None:
        other = make_or_open(path)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="locked"):
            Writer(open_to_store(path), busy_s=0).do("storing", lambda _: None)
        other.close()


class TestFailing:
    def test_a_full_disk_is_worth_another_try_and_stores_no_half(self, state: StateFile) -> None:
        ledger = ledger_in(state)
        ledger.record({WHO: [HIT]})
        pages = state.writer.do("limiting", lambda file: file.execute("PRAGMA page_count").fetchone()[0])
        state.writer.do("limiting", lambda file: file.execute(f"PRAGMA max_page_count = {pages}").fetchall())
        everybody = crowd(WRITTEN_AT_ONCE)

        answers = ledger.record({who: [HIT] for who in everybody})

        assert {type(answer) for answer in answers.values()} == {Unavailable}
        assert {ledger.offender(who) for who in everybody} == {Offender()}
        assert ledger.offender(WHO).hits == {HIT}
        state.writer.do("limiting", lambda file: file.execute("PRAGMA max_page_count = 100000").fetchall())
        assert set(map(type, ledger.record({who: [HIT] for who in everybody}).values())) == {Offender}

    def test_one_offenders_failure_is_its_own(self, state: StateFile) -> None:
        state.writer.do(
            "refusing",
            lambda file: file.execute(
                "CREATE TRIGGER refusal BEFORE INSERT ON offenders WHEN new.key = '198.51.0.3/32'"
                " BEGIN SELECT RAISE(ABORT, 'refused'); END"
            ),
        )
        answers = ledger_in(state).record({who: [HIT] for who in crowd(10)})
        assert [type(answer).__name__ for answer in answers.values()] == ["Offender"] * 3 + ["Invalid"] + [
            "Offender"
        ] * 6

    def test_a_failure_in_the_middle_of_a_write_leaves_nothing_of_it(self, state: StateFile) -> None:
        def half(file: sqlite3.Connection) -> None:
            file.execute("INSERT INTO inbox (body, sent_at_ms) VALUES ('x', 1)")
            file.execute("INSERT INTO inbox (body, sent_at_ms) VALUES (NULL, 1)")

        with pytest.raises(Invalid, match=r"^storing: "):
            state.writer.do("storing", half)
        assert state.reader().execute("SELECT count(*) FROM inbox").fetchone() == (0,)
        state.writer.do("storing", lambda _: None)


class TestRestartingTheLog:
    def test_what_is_written_afterwards_is_written_over_the_old_log(self, state: StateFile) -> None:
        ledger_in(state).record({who: [HIT] for who in crowd(1000)})
        before = frames(state)
        state.restart_log()
        ledger_in(state).record({WHO: [HIT]})
        assert 0 < frames(state) < before
        assert ledger_in(state).offender(WHO).hits == {HIT}

    def test_somebody_who_reads_or_writes_only_puts_it_off(self, state: StateFile, path: Path) -> None:
        ledger_in(state).record({WHO: [HIT]})
        with closing(open_existing(path, writing=True)) as other:
            for begin in ("BEGIN", "BEGIN IMMEDIATE"):
                other.execute(begin)
                other.execute("SELECT * FROM offenders").fetchall()
                state.restart_log()
                other.execute("ROLLBACK")
        assert ledger_in(state).offender(WHO).hits == {HIT}


class TestPurging:
    def test_what_need_not_be_remembered_goes_and_all_else_stays(self, state: StateFile) -> None:
        clock = FakeClock()
        ledger = ledger_in(state, clock)
        never_banned, banned, banned_long = crowd(3)
        ledger.record({never_banned: [HIT]})
        for_a_week = Ban(clock.now_ms(), clock.now_ms() + 7 * DAY_MS, 1, 7 * DAY_MS)
        ledger.commit({banned: Decision(Offender(), BAN), banned_long: Decision(Offender(), for_a_week)})

        clock.advance(KEPT_MS / 1000)
        assert ledger.purge() == 0
        clock.advance(2 * DAY_MS / 1000)

        assert ledger.purge() == 3  # one offender, and another with its history
        assert ledger.offender(never_banned) == Offender()
        assert ledger.history(banned) == []
        assert [each.who for each in ledger.standing()] == [banned_long]
        assert ledger.history(banned_long) == [for_a_week]

    def test_a_hit_during_a_long_ban_does_not_shorten_its_memory(self, state: StateFile) -> None:
        clock = FakeClock()
        ledger = ledger_in(state, clock)
        ledger.commit({WHO: Decision(Offender(), Ban(clock.now_ms(), clock.now_ms() + 9 * DAY_MS, 1, 1))})
        ledger.record({WHO: [HIT]})
        clock.advance(10 * DAY_MS / 1000)
        assert ledger.purge() == 0

    def test_what_is_written_after_a_reload_stays_for_as_long_as_the_new_jails_ask(self, state: StateFile) -> None:
        clock = FakeClock()
        ledger = ledger_in(state, clock)
        earlier, later = crowd(2)
        ledger.record({earlier: [HIT]})
        ledger.keep_for(10 * KEPT_MS)
        ledger.record({later: [HIT]})
        clock.advance(9 * KEPT_MS / 1000)
        assert ledger.purge() == 1
        assert ledger.offender(later).hits == {HIT}

    def test_much_is_purged_in_parts(self, state: StateFile) -> None:
        clock = FakeClock()
        ledger = ledger_in(state, clock)
        ledger.record({who: [HIT] for who in crowd(PURGED_AT_ONCE + 1)})
        clock.advance(10 * DAY_MS / 1000)
        assert [ledger.purge() for _ in range(3)] == [PURGED_AT_ONCE, 1, 0]

    def test_who_follows_the_bans_misses_none_after_the_newest_was_purged(self, state: StateFile) -> None:
        clock = FakeClock()
        ledger = ledger_in(state, clock)
        ledger.commit({WHO: Decision(Offender(), BAN)})
        cursor = ledger.newest_change()
        clock.advance(10 * DAY_MS / 1000)
        ledger.purge()
        ledger.commit({WHO: Decision(Offender(), BAN)})
        assert [each.who for each in ledger.changed_since(cursor)[0]] == [WHO]
