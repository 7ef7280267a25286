"""A worker remembers the items that it saw lately, exactly, and no more of them than it is to."""

from __future__ import annotations

import pytest

from f2b_worker.adapters.dynamodb.seen_items import KNOWN_FOR_S, Seen, SeenItems
from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.domain.judge.verdicts import Ban, Hit, Offender, OffenderId
from f2b_worker.testing import FakeClock

WHO = OffenderId("login", "203.0.113.7/32")
HITS = frozenset([Hit(1_795_001_001_000, "k1/0"), Hit(-5, "é:…\n", 7)])
BAN = Ban(5, FOREVER_MS, 3, 600_000, 2, observed=True, blocklists=("block", "captcha"), origin="cli")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def seen(clock: FakeClock) -> SeenItems:
    return SeenItems(clock, most=10)


def numbered(number: int) -> OffenderId:
    return OffenderId("login", f"203.0.113.{number}/32")


@pytest.mark.parametrize(
    "offender",
    [
        Offender(),
        Offender(HITS),
        Offender(frozenset(), BAN, 9),
        Offender(HITS, BAN, 2**52, 1_795_001_001_000),
    ],
)
def test_what_was_seen_is_remembered_as_it_was(seen: SeenItems, offender: Offender) -> None:
    seen.keep(WHO, Seen(7, offender, 12.25))
    assert seen.get(WHO) == Seen(7, offender, 12.25)


def test_the_newest_counts(seen: SeenItems) -> None:
    for version in range(1, 30):
        seen.keep(WHO, Seen(version, Offender(), 0.0))
    found = seen.get(WHO)
    assert found
    assert found.version == 29


def test_of_many_half_as_many_as_may_be_are_remembered_at_least_and_no_more_than_that(seen: SeenItems) -> None:
    for number in range(100):
        seen.keep(numbered(number), Seen(1, Offender(), 0.0))
        known = [each for each in range(number + 1) if seen.get(numbered(each))]
        assert known == list(range(number + 1))[-len(known) :]
        assert min(5, number + 1) <= len(known) <= 10


def test_who_was_forgotten_or_is_no_more_there_is_a_stranger(seen: SeenItems) -> None:
    for number in range(7):
        seen.keep(numbered(number), Seen(1, Offender(), 0.0))
    seen.forget(numbered(1))
    seen.keep(numbered(6), Seen(0, Offender(), 0.0))
    assert [seen.get(numbered(number)) is None for number in (0, 1, 6)] == [False, True, True]


def test_after_a_day_nothing_is_known(seen: SeenItems, clock: FakeClock) -> None:
    seen.keep(WHO, Seen(1, Offender(), clock.monotonic_s()))
    clock.advance(KNOWN_FOR_S)
    assert seen.get(WHO)
    clock.advance(1)
    assert seen.get(WHO) is None
