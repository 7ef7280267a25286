from __future__ import annotations

from dataclasses import replace

import pytest

from f2b_worker.domain.acts.hand_bans import Order, banned_by_hand
from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.domain.judge.soundness import wrong_in_ban
from f2b_worker.domain.judge.verdicts import BY_HAND, IMPORTED, Ban, Hit, Offender, judge
from tests.property.judging import Law, jail_of

NOW_MS = 10_000
ORDER = Order(20_000)
JUDGED = Ban(9_000, 12_000, 3, 3_000, extended=1, evidence=(Hit(9_000, "a"),))


def ban(offender: Offender, order: Order = ORDER) -> Ban | None:
    found = banned_by_hand(offender, order, NOW_MS)
    assert found is None or wrong_in_ban(found) is None
    return found


def test_a_stranger_is_banned_from_now_until_the_end_that_was_ordered() -> None:
    assert ban(Offender()) == Ban(NOW_MS, 20_000, 1, 10_000, origin=BY_HAND)


def test_a_ban_for_ever_has_the_length_of_one() -> None:
    found = ban(Offender(), Order(blocklists=("captcha",)))
    assert found == Ban(NOW_MS, FOREVER_MS, 1, FOREVER_MS, blocklists=("captcha",), origin=BY_HAND)


def test_after_a_ban_that_is_over_a_new_one_starts_that_counts_one_more() -> None:
    assert ban(Offender(ban=replace(JUDGED, until_ms=9_999))) == Ban(NOW_MS, 20_000, 4, 10_000, origin=BY_HAND)
    assert ban(Offender(ban=replace(JUDGED, until_ms=9_999, count=0))) == Ban(
        NOW_MS, 20_000, 1, 10_000, origin=BY_HAND
    )


@pytest.mark.parametrize("start_ms", [9_999, NOW_MS, 10_500])
def test_a_new_ban_starts_after_the_one_before_so_that_nobody_takes_it_for_that(start_ms: int) -> None:
    observed = Ban(start_ms, 15_000, 1, 5_000, observed=True)
    found = ban(Offender(ban=observed))
    assert found
    assert found.start_ms == max(NOW_MS, start_ms + 1)
    assert not found.observed


def test_of_a_running_ban_and_an_order_the_later_end_holds() -> None:
    assert ban(Offender(ban=JUDGED)) == replace(JUDGED, until_ms=20_000, origin=BY_HAND)
    by_hand = replace(JUDGED, origin=BY_HAND)
    assert ban(Offender(ban=by_hand), Order(11_000)) is None
    assert ban(Offender(ban=by_hand), Order(12_000)) is None
    assert ban(Offender(ban=replace(by_hand, until_ms=FOREVER_MS)), ORDER) is None
    assert ban(Offender(ban=JUDGED), Order(12_000, origin=IMPORTED)) is None


@pytest.mark.parametrize("origin", ["", IMPORTED])
def test_a_running_ban_that_is_ordered_by_hand_for_a_shorter_time_counts_as_by_hand_from_then_on(
    origin: str,
) -> None:
    judged = replace(JUDGED, origin=origin)
    found = ban(Offender(ban=judged), Order(11_000))
    assert found == replace(judged, origin=BY_HAND)
    assert ban(Offender(ban=found), Order(11_000)) is None


def test_a_running_ban_is_enforced_where_it_was_and_where_it_was_ordered() -> None:
    both = ban(Offender(ban=JUDGED), Order(11_000, ("captcha", "block"), IMPORTED))
    assert both == replace(JUDGED, blocklists=("block", "captcha"))


def test_infractions_during_a_ban_by_hand_never_end_it_earlier() -> None:
    jail = jail_of(Law(((3, 10_000),), 3_000))
    for offender in (Offender(), Offender(ban=JUDGED)):
        found = ban(offender)
        hits = [Hit(at_ms, str(at_ms)) for at_ms in range(NOW_MS, 20_001, 500)]
        (longer,) = judge(Offender(ban=found), hits, jail, key="203.0.113.7/32").changed
        assert longer.until_ms > 20_000
        assert longer.origin == BY_HAND
