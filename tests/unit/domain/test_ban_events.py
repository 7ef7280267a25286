"""What is told of bans, beside what tests/property/test_ban_events.py has: odd bans, and the memory of it."""

from __future__ import annotations

from f2b_worker.domain.ban_log.changes import KEPT_AFTER_END_MS, Change
from f2b_worker.domain.ban_log.events import BanEvent, BanEvents, EventKind
from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.domain.judge.verdicts import UNREADABLE, Ban, OffenderId
from tests.memory import bytes_of

WHO = OffenderId("login", "203.0.113.1/32")


def change(until_ms: int = 1000, start_ms: int = 0, *, lifted_ms: int = 0, observed: bool = False) -> Change:
    return Change(WHO, Ban(start_ms, until_ms, 1, 1000, observed=observed), 1, lifted_ms)


def kinds(events: list[BanEvent]) -> list[EventKind]:
    return [event.kind for event in events]


def test_an_event_says_whose_ban_it_is_from_when_to_when_and_has_the_ban_but_for_its_end() -> None:
    events = BanEvents()
    first, longer = change(), change(2000)
    assert events.take_in([first, longer]) == [
        BanEvent(EventKind.BAN, WHO, 0, 1000, observed=False, ban=first.ban),
        BanEvent(EventKind.EXTENSION, WHO, 0, 2000, observed=False, ban=longer.ban),
    ]
    assert events.ended(2000) == []
    assert events.ended(2001) == [BanEvent(EventKind.END, WHO, 0, 2000, observed=False)]
    assert events.ended(FOREVER_MS) == []


def test_a_ban_that_is_known_only_after_its_end_is_one_and_has_an_end() -> None:
    events = BanEvents()
    assert events.ended(5000) == []
    assert kinds(events.take_in([change()])) == [EventKind.BAN]
    assert kinds(events.ended(5000)) == [EventKind.END]


def test_a_lift_by_a_clock_that_is_behind_is_one() -> None:
    events = BanEvents()
    events.take_in([change(start_ms=500, until_ms=1500)])
    assert kinds(events.take_in([change(start_ms=399, until_ms=399, lifted_ms=500)])) == [EventKind.LIFT]
    assert events.ended(5000) == []


def test_a_ban_follows_another_whose_end_was_not_told_or_that_somebody_lifted() -> None:
    events = BanEvents()
    events.take_in([change()])
    second = change(start_ms=2000, until_ms=3000)
    assert kinds(events.take_in([second])) == [EventKind.END, EventKind.BAN]
    third = change(start_ms=2600, until_ms=3600, lifted_ms=2500)
    told = events.take_in([third])
    assert [(each.kind, each.until_ms) for each in told] == [(EventKind.LIFT, 2499), (EventKind.BAN, 3600)]


def test_to_lift_what_has_ended_is_no_event_and_the_next_ban_is_one() -> None:
    events = BanEvents()
    events.take_in([change()])
    events.ended(2000)
    assert events.take_in([change(lifted_ms=2000)]) == []
    assert kinds(events.take_in([change(start_ms=2500, until_ms=3500, lifted_ms=2000)])) == [EventKind.BAN]


def test_observed_bans_are_told_as_such_up_to_their_end() -> None:
    events = BanEvents()
    told = events.take_in([change(observed=True)]) + events.ended(5000)
    assert [each.observed for each in told] == [True, True]


def test_a_ban_that_cannot_be_read_is_none_and_one_without_an_end_never_ends() -> None:
    events = BanEvents()
    assert events.take_in([Change(WHO, UNREADABLE, 7)]) == []
    assert kinds(events.take_in([change(FOREVER_MS)])) == [EventKind.BAN]
    assert events.take_in([Change(WHO, UNREADABLE, 8)]) == []
    assert events.ended(FOREVER_MS) == []


def test_what_ended_15_minutes_before_all_was_known_is_forgotten_and_nothing_else() -> None:
    events = BanEvents()
    events.take_in([change()])
    events.forget_ended(FOREVER_MS)
    assert events.take_in([change()]) == [], "its end was not told yet"
    events.ended(5000)
    events.forget_ended(1000 + KEPT_AFTER_END_MS)
    assert events.take_in([change()]) == []
    events.forget_ended(1001 + KEPT_AFTER_END_MS)
    assert kinds(events.take_in([change()])) == [EventKind.BAN]


def test_a_ban_takes_less_than_100_bytes_beside_its_key() -> None:
    now_ms = 1_764_000_000_000
    changes = [
        Change(OffenderId("login", f"198.18.{n // 250}.{n % 250}/32"), Ban(now_ms, now_ms + 1, 1, 1), n)
        for n in range(10_000)
    ]

    def make() -> BanEvents:
        events = BanEvents()
        for each in changes:
            events.take_in([each])
        return events

    events, size = bytes_of(make)
    assert events.take_in(changes) == []
    assert size / len(changes) < 100


def test_of_jails_that_a_sender_invented_nothing_is_left_once_their_bans_are_forgotten() -> None:
    events = BanEvents()
    ban = change().ban
    events.take_in(Change(OffenderId(f"invented-{number}", "203.0.113.1/32"), ban, 1) for number in range(100))
    events.ended(2000)
    events.forget_ended(1001 + KEPT_AFTER_END_MS)
    assert not events._known
    assert kinds(events.take_in([change()])) == [EventKind.BAN]
