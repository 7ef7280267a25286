from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from f2b_worker.domain.acts.lifting import lifted
from f2b_worker.domain.ban_log.changes import KEPT_AFTER_END_MS, Bans, Change
from f2b_worker.domain.ban_log.cursor import Cursor
from f2b_worker.domain.ban_log.told import Told
from f2b_worker.domain.judge.verdicts import UNREADABLE, Ban, Offender, OffenderId

if TYPE_CHECKING:
    from collections.abc import Callable

ONE = OffenderId("login", "203.0.113.7/32")
OTHER = OffenderId("login", "203.0.113.8/32")


def change(who: OffenderId, revision: int, until_ms: int = 1000) -> Change:
    return Change(who, Ban(0, until_ms, 1, 1000), revision)


def test_the_greatest_revision_is_known_in_whatever_order_changes_come() -> None:
    bans = Bans()

    bans.take_in([change(ONE, 2), change(ONE, 3), change(ONE, 1), change(OTHER, 1)])

    assert bans.newest == {ONE: change(ONE, 3), OTHER: change(OTHER, 1)}


def told(changes: list[Change]) -> Change:
    """Tell what a follower has told of last."""
    return list(Told().newer(changes))[-1]


def known(changes: list[Change]) -> Change:
    """Tell what a reader knows."""
    bans = Bans()
    bans.take_in(changes)
    return bans.newest[ONE]


def ban(start_ms: int, until_ms: int) -> Ban:
    return Ban(start_ms, until_ms, 1, 1000)


@pytest.mark.parametrize("newest_of", [known, told])
class TestOfTwoChanges:
    """Whoever remembers less must find the same one: readers and followers choose alike."""

    def test_the_one_of_a_later_item_counts_though_revisions_begin_anew(
        self, newest_of: Callable[[list[Change]], Change]
    ) -> None:
        before, after = Change(ONE, ban(1000, 2000), 7, lifted_ms=1500), Change(ONE, ban(5000, 6000), 1)
        assert newest_of([before, after]) == newest_of([after, before]) == after

    def test_a_lift_counts_though_the_ban_of_a_clock_ahead_starts_earlier_after_it(
        self, newest_of: Callable[[list[Change]], Change]
    ) -> None:
        offender = Offender(ban=ban(9000, 99_000), revision=1)
        after = lifted(offender, now_ms=2000)
        assert after
        assert after.ban
        running = Change(ONE, ban(9000, 99_000), 1)
        lift = Change(ONE, after.ban, after.revision, after.lifted_ms)
        assert lift.ban.start_ms < running.ban.start_ms
        assert newest_of([running, lift]) == newest_of([lift, running]) == lift

    def test_a_ban_by_hand_right_after_such_a_lift_counts(
        self, newest_of: Callable[[list[Change]], Change]
    ) -> None:
        lift = Change(ONE, ban(1999, 1999), 2, lifted_ms=9000)
        by_hand = Change(ONE, ban(2001, 50_000), 3, lifted_ms=9000)
        assert newest_of([lift, by_hand]) == newest_of([by_hand, lift]) == by_hand


def test_a_ban_is_forgotten_once_everything_is_known_that_was_logged_long_after_its_end() -> None:
    bans = Bans()
    bans.take_in([change(ONE, 1, until_ms=1000), change(OTHER, 1, until_ms=1001)])

    bans.forget_ended(KEPT_AFTER_END_MS + 1000.5)

    assert list(bans.newest) == [OTHER]


def test_nothing_is_forgotten_by_who_knows_nothing_completely() -> None:
    bans = Bans()
    bans.take_in([change(ONE, 1)])

    bans.forget_ended(float("-inf"))

    assert list(bans.newest) == [ONE]


def test_a_ban_that_cannot_be_read_is_never_forgotten() -> None:
    bans = Bans()
    bans.take_in([Change(ONE, UNREADABLE, 1)])

    bans.forget_ended(1e15)

    assert list(bans.newest) == [ONE]


def test_of_one_revision_the_ban_counts_that_can_be_read_in_whatever_order_they_come() -> None:
    unreadable, readable = Change(ONE, UNREADABLE, 2), change(ONE, 2)
    for order in ([unreadable, readable], [readable, unreadable]):
        bans = Bans()

        newer = bans.take_in(order)

        assert bans.newest == {ONE: readable}
        assert newer == [readable]


def test_a_cursor_stands_before_the_first_number_that_is_missing() -> None:
    cursor = Cursor("e", 10).ask(15, 1.0).take({11, 12, 14, 15}, {13}, 1.0)

    assert cursor.number == 12
    assert list(cursor.wanted()) == [13]
    assert cursor.missing_since_s == {13: 1.0}
    assert cursor.take({13}, (), 2.0).number == 15


def test_a_number_is_missing_since_it_was_first_missed() -> None:
    cursor = Cursor("e", 0).ask(1, 1.0).take((), {1}, 1.0).ask(1, 9.0).take((), {1}, 9.0)

    assert cursor.missed_for(10.0, 11.0) == [1]
    assert cursor.missed_for(10.0, 10.9) == []


def test_everything_is_known_as_of_when_the_number_was_asked_for_that_the_cursor_has_reached() -> None:
    cursor = Cursor("e", 0).ask(2, 1.0).ask(4, 2.0).take({1, 2, 3}, {4}, 2.0)
    assert cursor.complete_s == 1.0

    cursor = cursor.ask(4, 3.0).take({4}, (), 3.0)
    assert cursor.complete_s == 3.0


def test_nothing_new_is_complete_at_once() -> None:
    assert Cursor("e", 4).ask(4, 7.0).complete_s == 7.0


def test_a_stale_answer_of_the_counter_takes_nothing_back() -> None:
    cursor = Cursor("e", 0).ask(4, 1.0).take({1, 2, 3, 4}, (), 1.0).ask(2, 2.0)

    assert (cursor.number, cursor.top, list(cursor.wanted())) == (4, 4, [])


def test_a_jump_to_a_snapshot_forgets_what_was_missing_below_it() -> None:
    cursor = Cursor("e", 0).ask(9, 1.0).take({3, 8}, {1, 2, 9}, 1.0).jump(7)

    assert cursor.number == 8
    assert cursor.missing_since_s == {9: 1.0}
    assert list(cursor.wanted()) == [9]
