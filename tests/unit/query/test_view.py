"""The view of a fleet: followed while somebody looks, at rest while nobody does. Its ledger is a state file."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.sqlite.acts import open_acts
from f2b_worker.adapters.sqlite.ban_book import SqliteBanBook, SqliteFollower
from f2b_worker.adapters.sqlite.file import make_or_open
from f2b_worker.adapters.sqlite.ledger import SqliteLedger
from f2b_worker.adapters.sqlite.notebook import SqliteNotebook
from f2b_worker.adapters.sqlite.state import StateFile
from f2b_worker.config.jails_file import read_jails
from f2b_worker.config.operator import OperatorSettings
from f2b_worker.domain.acts.act import Act, Verb
from f2b_worker.domain.jails import DAY_MS, MINUTE_MS
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.enforcement import JUDGED_WITHIN_MS
from f2b_worker.domain.judge.verdicts import Ban, Offender, OffenderId
from f2b_worker.domain.noted_sets import NotedGroup, NotedSet, NotedSets, Progress
from f2b_worker.errors import AccessDenied, F2bError, Missing, StuckError, Throttled
from f2b_worker.process.opening import open_tally
from f2b_worker.query import remembered_sets
from f2b_worker.query.following import LOOKS_EVERY_S, READS_AGAIN_S
from f2b_worker.query.status import Status, look
from f2b_worker.query.view import FOLLOWS_EVERY_S, RESTS_AFTER_S, View
from f2b_worker.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from f2b_worker.query.following import Snapshot

NOW_MS = SystemClock().now_ms()


class Fleet:
    """A state file with its writer, and a view of it that a test moves on by hand."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "f2b.db"
        self.config = folder / "f2b.toml"
        self.config.write_text("[jails.login]\n")
        self.state = StateFile(self.path)
        self.clock = FakeClock(NOW_MS)
        self.ledger = SqliteLedger(self.state, self.clock, kept_ms=DAY_MS)
        self.settings = OperatorSettings(state=str(self.path), config=self.config)
        self.view = View(self.settings, read_jails(self.config), self.clock)

    def ban(self, last: int, *, jail: str = "login", until_ms: int = NOW_MS + DAY_MS) -> None:
        ban = Ban(NOW_MS - MINUTE_MS, until_ms, 1, MINUTE_MS)
        self.ledger.commit({OffenderId(jail, f"203.0.113.{last}/32"): Decision(Offender(), ban)})

    def note(self, known_ms: int, *out: str) -> None:
        """Note how the IP sets are, as an enforcer does."""
        notebook = SqliteNotebook(self.state.reader(), self.state.safe_writer, region="eu-west-1")
        at_ms = self.clock.now_ms()
        group = NotedGroup("block", 4, (NotedSet("f2b-ipv4", 1, at_ms),), out)
        notebook.note_sets(NotedSets(at_ms, known_ms, (group,), Progress(enforced_ms=at_ms)))

    def write(self, statement: str) -> None:
        """Change the file as somebody does by hand."""
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute(statement)
            connection.commit()

    def step(self) -> Snapshot:
        """Look, as a page does; a step later the answer is there."""
        self.view.touch()
        pause_s = self.view.step()
        assert pause_s is not None
        self.clock.advance(pause_s)
        assert self.view.snapshot
        return self.view.snapshot


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(tmp_path)
    yield made
    made.state.close()


def banned(found: Snapshot) -> set[str]:
    return {each.who.key.removesuffix("/32") for each in found.standing}


def test_a_ban_is_seen_a_second_after_it_is_stored(fleet: Fleet) -> None:
    fleet.ban(1)
    assert banned(fleet.step()) == {"203.0.113.1"}
    fleet.ban(2)
    began_s = fleet.clock.monotonic_s()
    found = fleet.step()
    assert banned(found) == {"203.0.113.1", "203.0.113.2"}
    assert found.status.bans == {"login": 2}
    assert fleet.clock.monotonic_s() - began_s == FOLLOWS_EVERY_S


def test_what_somebody_just_did_is_known_a_step_later(fleet: Fleet) -> None:
    fleet.step()
    with closing(open_acts(fleet.path)) as acts:
        acts.pause(Act("1", NOW_MS, "jane@console", Verb.PAUSE, ("*",)), "*", None)
    fleet.view.expect_news()
    assert "*" in fleet.step().status.control.pauses


def test_what_is_new_has_another_generation_and_what_is_not_has_the_same(fleet: Fleet) -> None:
    fleet.ban(1)
    fleet.step()
    seen = fleet.view.generation
    for _ in range(round(3 * LOOKS_EVERY_S)):
        fleet.step()
    assert fleet.view.generation == seen
    fleet.ban(2)
    fleet.step()
    assert fleet.view.generation == seen + 1


@pytest.mark.parametrize(
    ("known_ms", "out", "is_new"),
    [
        (NOW_MS, (), False),
        (NOW_MS, ("203.0.113.1/32",), True),
        (NOW_MS - MINUTE_MS + JUDGED_WITHIN_MS - 1, (), True),
    ],
    ids=["noted again", "another state", "as new as the newest ban"],
)
def test_what_an_enforcer_notes_again_is_not_new_unless_it_says_something_else_of_a_ban(
    fleet: Fleet, known_ms: int, out: tuple[str, ...], is_new: bool
) -> None:
    fleet.ban(1)
    fleet.note(NOW_MS - 1)
    fleet.step()
    seen = fleet.view.generation
    fleet.note(known_ms, *out)
    fleet.clock.advance(LOOKS_EVERY_S)
    fleet.step()
    assert (fleet.view.generation > seen) is is_new


def test_where_nobody_looks_nothing_is_asked(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet.ban(1)
    assert fleet.view.step() is None  # nobody has looked yet
    fleet.step()
    fleet.clock.advance(RESTS_AFTER_S)
    asked: list[str] = []
    monkeypatch.setattr(fleet.view, "_following", asked)  # whatever is asked of it fails
    assert fleet.view.step() is None
    assert fleet.view.rests


def test_who_comes_back_after_a_rest_sees_what_happened_meanwhile(fleet: Fleet) -> None:
    fleet.ban(1)
    fleet.step()
    fleet.clock.advance(10 * RESTS_AFTER_S)
    assert fleet.view.step() is None
    fleet.ban(2, jail="ssh")
    found = fleet.step()
    assert found.status.bans == {"login": 1, "ssh": 1}


def test_a_ban_that_ends_is_counted_no_more(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SystemClock, "now_ms", lambda _: fleet.clock.now_ms())
    fleet.ban(1, until_ms=NOW_MS + 3000)
    fleet.ban(2)
    assert fleet.step().status.bans == {"login": 2}
    fleet.clock.advance(LOOKS_EVERY_S)
    assert fleet.step().status.bans == {"login": 1}


def test_a_failure_keeps_what_was_known_and_says_why_it_is_no_newer(fleet: Fleet) -> None:
    fleet.ban(1)
    known, seen = fleet.step(), fleet.view.generation
    assert known.problem is None
    away = fleet.path.rename(fleet.path.with_suffix(".away"))
    kept = fleet.step()
    assert (kept.standing, kept.at_ms) == (known.standing, known.at_ms)
    assert kept.problem
    assert "there is no state file" in kept.problem
    assert fleet.view.generation == seen + 1
    away.rename(fleet.path)
    assert fleet.step().problem is None


def test_who_looks_while_no_answer_comes_does_not_wait_for_one_unless_he_comes_after_a_rest(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(fleet.view._changed, "wait_for", lambda _, within_s: waits.append(within_s))
    assert not fleet.step().is_ledger_away
    away = fleet.path.rename(fleet.path.with_suffix(".away"))
    assert fleet.step().is_ledger_away
    assert fleet.view.fresh().problem
    assert waits == []
    fleet.clock.advance(RESTS_AFTER_S + 1)
    fleet.view.fresh(7)
    assert waits == [7]
    away.rename(fleet.path)
    assert not fleet.step().is_ledger_away


def test_who_waited_in_vain_sees_that_it_is_old_and_the_next_one_does_not_wait(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    known = fleet.step()
    monkeypatch.setattr(fleet.view._changed, "wait_for", lambda _, within_s: waits.append(within_s))
    shown = [fleet.view.fresh(7) for _ in range(3)]
    assert waits == [7]
    assert {each.problem for each in shown} == {"the ledger has not answered yet: try again"}
    assert shown[0].standing is known.standing
    assert fleet.step().problem is None


def test_while_it_fails_it_is_asked_less_and_less_often(fleet: Fleet) -> None:
    fleet.path.unlink()
    pauses: list[float] = []
    for _ in range(8):
        fleet.view.touch()
        pause_s = fleet.view.step()
        assert pause_s is not None
        pauses.append(pause_s)
        fleet.clock.advance(pause_s)
    assert pauses[0] == FOLLOWS_EVERY_S
    assert pauses[-1] > 2 * FOLLOWS_EVERY_S


def test_another_file_in_the_place_of_the_ledger_is_followed(fleet: Fleet) -> None:
    fleet.ban(1)
    fleet.step()
    copy = fleet.path.with_suffix(".copy")
    with closing(make_or_open(copy)):
        pass
    for ending in ("-wal", "-shm"):
        fleet.path.with_name(fleet.path.name + ending).unlink(missing_ok=True)
    copy.replace(fleet.path)
    fleet.step()
    fleet.clock.advance(LOOKS_EVERY_S)
    assert fleet.step().status.bans == {}


def test_the_jails_file_is_read_again_where_somebody_changed_it(fleet: Fleet) -> None:
    fleet.step()
    assert not fleet.view.jails.policy.knows("ssh")
    fleet.config.write_text("[jails.login]\n\n[jails.ssh]\n")
    fleet.clock.advance(LOOKS_EVERY_S)
    fleet.step()
    assert fleet.view.jails.policy.knows("ssh")


def test_a_jails_file_that_is_wrong_changes_nothing_and_is_named(fleet: Fleet) -> None:
    fleet.step()
    fleet.config.write_text("[jails.login\n")
    fleet.clock.advance(LOOKS_EVERY_S)
    found = fleet.step()
    assert fleet.view.jails.policy.knows("login")
    assert found.problem is None
    assert "f2b.toml" in found.problems[-1]
    fleet.config.write_text("[jails.login]\nmaxretry = 7\n")
    fleet.clock.advance(LOOKS_EVERY_S)
    assert fleet.step().remarks == ()


def test_what_could_not_be_read_is_told_no_more_a_minute_after_somebody_mended_it(fleet: Fleet) -> None:
    fleet.ban(1)
    fleet.ban(2)
    fleet.write("UPDATE offenders SET ban = 'broken' WHERE key = '203.0.113.2/32'")
    assert len(fleet.step().unreadable) == 1
    fleet.write("DELETE FROM offenders WHERE key = '203.0.113.2/32'")
    fleet.clock.advance(READS_AGAIN_S)
    found = fleet.step()
    assert (found.unreadable, banned(found)) == ((), {"203.0.113.1"})


def test_all_bans_are_read_again_only_while_something_cannot_be_read_and_not_at_each_look(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[SqliteBanBook] = []
    follow = SqliteBanBook.follow

    def counted(book: SqliteBanBook) -> SqliteFollower:
        begun.append(book)
        return follow(book)

    monkeypatch.setattr(SqliteBanBook, "follow", counted)
    fleet.ban(1)
    for _ in range(3):
        fleet.step()
        fleet.clock.advance(READS_AGAIN_S)
    assert len(begun) == 1
    fleet.write("UPDATE offenders SET ban = 'broken', changed = changed + 1")
    for _ in range(round(READS_AGAIN_S)):
        fleet.step()
    assert len(begun) == 2


def test_what_can_be_read_no_more_is_shown_a_second_later_though_nobody_can_tell_whose_it_is(fleet: Fleet) -> None:
    fleet.ban(1)
    fleet.ban(2)
    assert fleet.step().unreadable == ()
    seen = fleet.view.generation
    fleet.write("UPDATE offenders SET key = x'ff', changed = changed + 1 WHERE key = '203.0.113.2/32'")
    assert len(fleet.step().unreadable) == 1
    assert fleet.view.generation == seen + 1


class DeniedLook:
    """A queue that says no, as the view asks it beside the bans."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_denied = True
        self.asked = 0
        self._look = look
        monkeypatch.setattr("f2b_worker.query.following.look", self)

    def __call__(self, *given: Any, **named: Any) -> Status:
        self.asked += 1
        if self.is_denied:
            raise Throttled("reading the queue: throttled")
        return self._look(*given, **named)


def test_bans_are_followed_while_the_rest_cannot_be_seen_and_it_is_not_asked_for_at_once_again(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SystemClock, "now_ms", lambda _: fleet.clock.now_ms())
    known = fleet.step()
    queue = DeniedLook(monkeypatch)
    fleet.clock.advance(LOOKS_EVERY_S)
    for last in (1, 2, 3):
        fleet.ban(last)
        found = fleet.step()
        assert len(banned(found)) == found.status.bans["login"] == last
        assert (found.problem, found.rest_problem) == (None, "reading the queue: throttled")
        assert found.at_ms > found.status.now_ms == known.status.now_ms
    assert queue.asked == 1
    queue.is_denied = False
    fleet.clock.advance(LOOKS_EVERY_S)
    found = fleet.step()
    assert found.rest_problem is None
    assert found.status.now_ms > known.status.now_ms


def test_who_comes_first_while_the_rest_cannot_be_seen_sees_the_bans(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = DeniedLook(monkeypatch)
    fleet.ban(1)
    found = fleet.step()
    assert banned(found) == {"203.0.113.1"}
    assert (found.rest_problem, found.is_rest_known) == ("reading the queue: throttled", False)
    queue.is_denied = False
    fleet.clock.advance(LOOKS_EVERY_S)
    found = fleet.step()
    assert (found.rest_problem, found.is_rest_known) == (None, True)


def test_what_was_wrong_with_reading_ip_sets_is_told_no_more_once_an_enforcer_notes_them(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deny(_: object) -> object:
        raise AccessDenied("reading the IP set: not allowed")

    monkeypatch.setattr(remembered_sets, "open_ip_sets", deny)
    fleet.config.write_text('[blocklists.block]\nip_set = "f2b"\n\n[jails.login]\n')
    assert fleet.step().remarks == ("the IP sets cannot be looked into: reading the IP set: not allowed",)
    fleet.note(NOW_MS)
    fleet.clock.advance(LOOKS_EVERY_S)
    assert fleet.step().remarks == ()


class TestThread:
    def test_whoever_looks_first_waits_for_the_first_answer(self, fleet: Fleet) -> None:
        fleet.ban(1)
        view = View(fleet.settings, read_jails(fleet.config))
        view.start()
        try:
            assert banned(view.fresh()) == {"203.0.113.1"}
        finally:
            view.close()
        assert not any(each.name == "view" for each in threading.enumerate())

    def test_where_nothing_is_known_it_is_said_why(self, fleet: Fleet) -> None:
        fleet.path.unlink()
        view = View(fleet.settings, read_jails(fleet.config))
        view.start()
        try:
            with pytest.raises(Missing, match="there is no state file"):
                view.fresh()
        finally:
            view.close()

    def test_it_can_be_closed_where_nobody_ever_looked(self, fleet: Fleet) -> None:
        view = View(fleet.settings, read_jails(fleet.config))
        view.start()
        view.close()
        with pytest.raises(F2bError):
            view.fresh(within_s=0)

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
    def test_a_defect_is_told_to_whoever_waits(self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
        view = View(fleet.settings, read_jails(fleet.config))
        monkeypatch.setattr(view, "_following", None)
        view.start()
        with pytest.raises(StuckError, match="'turn'"):
            view.fresh()
        view.close()


def handles() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_it_keeps_no_connection_open_that_it_needs_no_more(fleet: Fleet) -> None:
    fleet.ban(1)
    fleet.step()
    before = handles()
    for _ in range(10):
        fleet.clock.advance(LOOKS_EVERY_S)
        fleet.step()
    assert handles() <= before


def test_who_did_something_waits_until_it_is_known_and_no_longer_than_was_said(fleet: Fleet) -> None:
    fleet.step()
    before = fleet.view.generation
    fleet.view.wait_beyond(before, 0.0)
    waiting = threading.Thread(target=fleet.view.wait_beyond, args=(before, 60.0), daemon=True)
    waiting.start()
    fleet.ban(1)
    fleet.step()
    waiting.join(20.0)
    assert not waiting.is_alive()
    assert fleet.view.generation == before + 1


def test_the_numbers_over_time_keep_no_connection_open(fleet: Fleet) -> None:
    before = handles()
    for _ in range(10):
        assert open_tally(fleet.settings).read(0, NOW_MS) == []
    assert handles() <= before + 1  # which SQLite keeps for the next one
