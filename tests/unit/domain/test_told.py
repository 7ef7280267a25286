"""What a follower told of: nothing older comes after it, and what ended long ago is forgotten."""

from __future__ import annotations

import pytest

from f2b_worker.domain.ban_log.changes import KEPT_AFTER_END_MS, Change
from f2b_worker.domain.ban_log.told import Told
from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.domain.judge.verdicts import UNREADABLE, Ban, OffenderId
from tests.memory import bytes_of

ONE, OTHER = OffenderId("login", "203.0.113.1/32"), OffenderId("scan", "203.0.113.1/32")


def change(who: OffenderId, revision: int, until_ms: int = 1000) -> Change:
    return Change(who, Ban(0, until_ms, 1, until_ms), revision)


def test_only_what_is_newer_is_told_of_each_offender_by_itself() -> None:
    told = Told()
    changes = [change(ONE, 2), change(ONE, 1), change(OTHER, 1), change(ONE, 2), change(ONE, 3)]
    assert list(told.newer(changes)) == [changes[0], changes[2], changes[4]]
    assert list(told.newer(changes)) == []


def test_a_ban_that_can_be_read_by_now_is_told_at_the_same_revision_and_no_older_one() -> None:
    told = Told()
    unreadable = Change(ONE, UNREADABLE, 2)
    assert list(told.newer([unreadable])) == [unreadable]
    assert list(told.newer([change(ONE, 1)])) == []
    assert list(told.newer([change(ONE, 2)])) == [change(ONE, 2)]


@pytest.mark.parametrize(("complete_ms", "is_forgotten"), [(0, False), (1, True)])
def test_a_ban_is_forgotten_15_minutes_after_its_end_and_no_sooner(
    complete_ms: int, *, is_forgotten: bool
) -> None:
    told = Told()
    list(told.newer([change(ONE, 2), change(OTHER, 2, until_ms=10_000)]))
    told.forget_ended(1000 + KEPT_AFTER_END_MS + complete_ms)
    assert list(told.newer([change(ONE, 1), change(OTHER, 1)])) == ([change(ONE, 1)] if is_forgotten else [])


def test_a_ban_that_cannot_be_read_is_never_forgotten() -> None:
    told = Told()
    list(told.newer([Change(ONE, UNREADABLE, 2)]))
    told.forget_ended(FOREVER_MS)
    assert list(told.newer([change(ONE, 1)])) == []


@pytest.mark.parametrize("until_ms", [-FOREVER_MS, -1, 0, FOREVER_MS])
def test_however_early_or_late_a_ban_ends_the_revision_tells_what_is_newer(until_ms: int) -> None:
    told = Told()
    ban = Ban(-FOREVER_MS, until_ms, 1, 1)
    changes = [Change(ONE, ban, revision) for revision in (7, 6, 7, 8)]
    assert list(told.newer(changes)) == [changes[0], changes[3]]
    told.forget_ended(FOREVER_MS)
    assert list(told.newer(changes)) == ([] if until_ms == FOREVER_MS else [changes[0], changes[3]])


def test_a_ban_takes_less_than_100_bytes_beside_its_key() -> None:
    now_ms = 1_764_000_000_000
    changes = [
        Change(
            OffenderId("login", f"198.18.{number // 250}.{number % 250}/32"), Ban(now_ms, now_ms + 1, 1, 1), 300
        )
        for number in range(10_000)
    ]

    def make() -> Told:
        told = Told()
        for _ in told.newer(changes):
            pass
        return told

    told, size = bytes_of(make)
    assert list(told.newer(changes)) == []
    assert size / len(changes) < 100
