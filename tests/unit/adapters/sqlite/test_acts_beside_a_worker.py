"""Acts on a state file come from another process than the worker's: neither may lose what the other did."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from f2b_worker.adapters.sqlite import ledger as sqlite_ledger
from f2b_worker.adapters.sqlite.acts import SqliteActs, open_acts
from f2b_worker.adapters.sqlite.ledger import SqliteLedger
from f2b_worker.domain.acts.act import ACTS_KEPT_MS, Act, Verb
from f2b_worker.domain.acts.hand_bans import Order
from f2b_worker.domain.jails import DAY_MS
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.verdicts import Ban, Hit, Offender, OffenderId
from f2b_worker.errors import Unavailable
from f2b_worker.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from f2b_worker.adapters.sqlite.state import StateFile

WHO, OTHER = (OffenderId("login", f"203.0.113.{number}/32") for number in (7, 8))
LENGTH_MS = 600_000


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def ledger(state: StateFile, clock: FakeClock) -> SqliteLedger:
    return SqliteLedger(state, clock, kept_ms=DAY_MS)


@pytest.fixture
def acts(state: StateFile) -> Iterator[SqliteActs]:
    opened = open_acts(state.path)
    yield opened
    opened.close()


def lift(clock: FakeClock, name: str = "a") -> Act:
    return Act(name, clock.now_ms(), "ann", Verb.UNBAN)


def ban(ledger: SqliteLedger, clock: FakeClock, who: OffenderId = WHO) -> Offender:
    now_ms = clock.now_ms()
    answer = ledger.commit({who: Decision(Offender(), Ban(now_ms, now_ms + LENGTH_MS, 1, LENGTH_MS))})[who]
    assert isinstance(answer, Offender)
    return answer


def longer(seen: Offender) -> Decision:
    assert seen.ban
    later = Ban(seen.ban.start_ms, seen.ban.until_ms + 60_000, 1, LENGTH_MS, extended=1)
    return Decision(seen, later)


def after_each_reading(ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch, do: Any) -> None:
    """Do something between the worker's reading and its writing."""
    real = ledger._read

    def read(whom: Any) -> Any:
        found = real(whom)
        do()
        return found

    monkeypatch.setattr(ledger, "_read", read)


def test_a_lift_between_the_workers_reading_and_its_writing_stays(
    ledger: SqliteLedger, acts: SqliteActs, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = ban(ledger, clock)
    clock.advance(1)
    act = lift(clock)
    after_each_reading(ledger, monkeypatch, lambda: acts.lift(act, [WHO]))
    answer = ledger.commit({WHO: longer(seen)})[WHO]
    assert isinstance(answer, Offender)
    assert (answer.lifted_ms, answer.revision) == (act.at_ms, 2)
    assert ledger.offender(WHO) == answer


def test_bans_of_others_are_stored_although_somebody_is_lifted_in_the_same_moment(
    ledger: SqliteLedger, acts: SqliteActs, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ban(ledger, clock)
    act = lift(clock)
    after_each_reading(ledger, monkeypatch, lambda: acts.lift(act, [WHO]))
    assert ban(ledger, clock, OTHER).revision == 1
    assert [each.start_ms for each in ledger.history(OTHER)] == [clock.now_ms()]


def test_who_is_overtaken_each_time_says_so(
    ledger: SqliteLedger, acts: SqliteActs, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = ban(ledger, clock)
    ban(ledger, clock, OTHER)
    names = iter(range(1000))
    after_each_reading(ledger, monkeypatch, lambda: acts.lift(lift(clock, f"a{next(names)}"), [OTHER]))
    assert isinstance(ledger.commit({WHO: longer(seen)})[WHO], Unavailable)


def test_hits_that_are_stored_in_the_same_moment_leave_the_lift(
    ledger: SqliteLedger, acts: SqliteActs, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ban(ledger, clock)
    act = lift(clock)
    after_each_reading(ledger, monkeypatch, lambda: acts.lift(act, [WHO]))
    ledger.record({WHO: [Hit(clock.now_ms(), "a")]})
    monkeypatch.undo()
    assert ledger.offender(WHO).lifted_ms == act.at_ms


def test_changes_are_numbered_in_the_order_of_their_commits_whichever_process_makes_them(
    ledger: SqliteLedger, acts: SqliteActs, clock: FakeClock
) -> None:
    follower = ledger.follow()
    follower.poll()
    told = []
    for number in range(6):
        who = OffenderId("login", f"198.51.100.{number}/32")
        if number % 2:
            acts.ban(Act(f"a{number}", clock.now_ms(), "ann", Verb.BAN), {who: Order()})
        else:
            ban(ledger, clock, who)
        told += [each.who for each in follower.poll().bans]
    assert told == [OffenderId("login", f"198.51.100.{number}/32") for number in range(6)]
    assert ledger.newest_change() == 6


def test_acts_are_kept_as_long_as_it_was_said_and_then_removed(
    ledger: SqliteLedger, acts: SqliteActs, clock: FakeClock
) -> None:
    ban(ledger, clock)
    acts.lift(lift(clock), [WHO])
    clock.advance((ACTS_KEPT_MS - DAY_MS) / 1000)
    ledger.purge()
    assert len([*acts.audit(0)]) == len(acts.acts_on(WHO.key)) == 1
    clock.advance(3 * DAY_MS / 1000)
    ledger.purge()
    assert [*acts.audit(0)] == acts.acts_on(WHO.key) == []


def test_an_older_f2b_reads_acts_that_say_how_and_writes_its_own_beside_them(
    state: StateFile, ledger: SqliteLedger, acts: SqliteActs, clock: FakeClock
) -> None:
    ban(ledger, clock)
    acts.lift(replace(lift(clock), how="and forget the past"), [WHO])
    (of_worker,) = ledger.follow().poll().bans

    old = "INSERT INTO acts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
    row = ("old", clock.now_ms() - 1, "ann", "unban", "[]", "", "", 0, 99_999)
    state.writer.do("testing", lambda connection: connection.execute(old, row))
    read = "SELECT id, at_ms, who, verb, what, jail, reason, number FROM acts ORDER BY at_ms DESC"

    assert of_worker.who == WHO
    assert [each[0] for each in state.reader().execute(read)] == ["a", "old"]
    assert [(each.id, each.how) for each in acts.audit(0)] == [("a", "and forget the past"), ("old", "")]


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        ("INSERT INTO allowed VALUES ('192.0.2.1/33', NULL, '', 'a', 1)", "network"),
        ("INSERT INTO allowed VALUES ('192.0.2.1/32', 'soon', '', 'a', 1)", "until_ms"),
        ("INSERT INTO control VALUES ('pause#block', '{')", "content"),
        ("INSERT INTO control VALUES ('reload', 'x')", "content"),
        ("INSERT INTO control VALUES ('asked', '-1')", "content"),
        ("INSERT INTO acts VALUES ('b', 5, 'a', '?', '[]', '', '', 1, 99999)", "verb"),
    ],
)
def test_what_cannot_be_read_is_named_and_costs_no_other(
    broken: str, what: str, state: StateFile, clock: FakeClock
) -> None:
    asides: list[str] = []
    acts = SqliteActs(state.reader(), state.safe_writer, aside=lambda error: asides.append(error.attribute))
    acts.pause(Act("p", clock.now_ms(), "ann", Verb.PAUSE), "captcha", None)
    state.safe_writer.do("breaking it", lambda connection: connection.execute(broken))
    acts.allowlist()
    assert "captcha" in acts.control().pauses
    assert [each.id for each in acts.audit(0)] == ["p"]
    assert asides == [what]


def test_of_more_acts_than_are_told_at_once_it_is_said_that_more_are_to_come(
    ledger: SqliteLedger, acts: SqliteActs, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_ledger, "NEWS_AT_ONCE", 2)
    whom = [OffenderId("login", f"203.0.113.{number}/32") for number in range(5)]
    for who in whom:
        ban(ledger, clock, who)
    acts.lift(lift(clock), whom)
    told = [(len(ledger.news()), ledger.has_more_news) for _ in range(3)]
    assert told == [(2, True), (2, True), (1, False)]
    assert (ledger.news(), ledger.has_more_news) == ({}, False)
