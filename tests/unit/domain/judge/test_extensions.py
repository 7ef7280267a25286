"""Rule 1: a hit moves the end of its ban to the next step, and nothing else about the hits matters."""

from __future__ import annotations

from itertools import permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from f2b_worker.domain.jails import DAY_MS, FOREVER_MS, MINUTE_MS, Jail, Window
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.verdicts import Ban, Hit, Offender, OffenderId, Verdict, judge
from f2b_worker.testing import MemoryLedger

PROFILE = settings(deadline=None, derandomize=True, database=None)
WHO = OffenderId("login", "203.0.113.7/32")
JAIL = Jail("login", (Window(3, 600_000),), bantime_ms=30 * MINUTE_MS, forget_ms=None)
START_MS = 1_700_000_000_000


def banned(length_ms: int, start_ms: int = START_MS) -> Ban:
    return Ban(start_ms, min(FOREVER_MS, start_ms + length_ms), 1, length_ms)


def during(*after_ms: int, start_ms: int = START_MS) -> list[Hit]:
    return [Hit(start_ms + each, f"{each} ms after the start") for each in after_ms]


def extended(ban: Ban, hits: list[Hit]) -> Ban:
    """Judge infractions that come one message after the other, each by what is stored then."""
    for hit in hits:
        changed = judge(Offender(ban=ban), [hit], JAIL, key=WHO.key).changed
        ban = changed[-1] if changed else ban
    return ban


@pytest.mark.parametrize(
    ("length_ms", "after_ms", "over_ms", "steps"),
    [
        (1_800_000, 1, 180_000, 1),
        (1_800_000, 180_000, 180_000, 1),
        (1_800_000, 180_001, 360_000, 2),
        (1_800_000, 1_800_000, 1_800_000, 10),
        (100 * MINUTE_MS, 1, 10 * MINUTE_MS, 1),
        (DAY_MS, 1, 10 * MINUTE_MS, 1),
        (DAY_MS, DAY_MS, DAY_MS, 144),
        (1999, 1, 199, 1),
        (1999, 1999, 2189, 11),
        (19, 7, 7, 7),
        (10, 7, 7, 7),
        (9, 7, 7, 7),
        (1, 1, 1, 1),
    ],
)
def test_the_end_moves_to_the_first_step_that_is_not_before_the_hit_and_the_length(
    length_ms: int, after_ms: int, over_ms: int, steps: int
) -> None:
    ban = banned(length_ms)
    [longer] = judge(Offender(ban=ban), during(after_ms), JAIL, key=WHO.key).changed
    assert (longer.until_ms, longer.extended) == (ban.until_ms + over_ms, steps)


def test_hits_within_one_step_need_no_second_write() -> None:
    ban = extended(banned(1_800_000), during(1))
    assert judge(Offender(ban=ban), during(2, 60_000, 180_000), JAIL, key=WHO.key) == Verdict((), ())


AFTER_MS = (1, 180_000, 180_001, 1_799_999, 2_100_000)


def test_in_whatever_order_hits_of_a_ban_come_it_ends_the_same() -> None:
    ban = extended(banned(1_800_000), during(*AFTER_MS))
    assert (ban.until_ms, ban.extended) == (START_MS + 1_800_000 + 12 * 180_000, 12)
    for order in permutations(AFTER_MS):
        assert judge(Offender(ban=banned(1_800_000)), during(*order), JAIL, key=WHO.key).changed == (ban,)
    for order in permutations(AFTER_MS[:-1]):  # the last one lies in the ban only once it is longer
        assert extended(banned(1_800_000), during(*order, AFTER_MS[-1])) == ban


def test_the_repetition_of_a_hit_moves_nothing() -> None:
    ban = extended(banned(1_800_000), during(*AFTER_MS))
    for again in AFTER_MS:
        assert judge(Offender(ban=ban), during(again, again), JAIL, key=WHO.key) == Verdict((), ())


@pytest.mark.parametrize("mine", list(product([False, True], repeat=4)))
def test_however_workers_share_the_hits_of_a_ban_it_ends_the_same(mine: tuple[bool, ...]) -> None:
    """Both judge by what they saw first; whoever comes second judges again by what the other one stored."""
    ledger = MemoryLedger()
    seen = ledger.commit({WHO: Decision(Offender(), banned(1_800_000))})[WHO]
    assert isinstance(seen, Offender)
    hits = during(*AFTER_MS[:-1])
    for share in (True, False):
        settle(ledger, seen, [hit for hit, is_mine in zip(hits, mine, strict=True) if is_mine is share])
    [ban] = ledger.history(WHO)
    assert ban == extended(banned(1_800_000), hits)


def settle(ledger: MemoryLedger, seen: Offender, hits: list[Hit]) -> None:
    while changed := judge(seen, hits, JAIL, key=WHO.key).changed:
        answer = ledger.commit({WHO: Decision.on(seen, changed)})[WHO]
        assert isinstance(answer, Offender)
        seen = answer


LENGTHS_MS = st.integers(1, 40) | st.integers(1, 3 * DAY_MS)


@st.composite
def bans_and_hits(draw: st.DrawFn) -> tuple[Ban, list[Hit]]:
    """A ban, and infractions that lie in it before anything extends it."""
    length_ms = draw(LENGTHS_MS)
    return banned(length_ms), during(*draw(st.lists(st.integers(1, length_ms), min_size=1, max_size=6)))


@given(bans_and_hits())
@settings(PROFILE)
def test_nobody_is_free_earlier_than_the_length_of_the_ban_after_the_last_hit(case: tuple[Ban, list[Hit]]) -> None:
    ban, hits = case
    assert extended(ban, hits).until_ms >= max(hits).at_ms + ban.length_ms


@given(bans_and_hits())
@settings(PROFILE)
def test_rounding_adds_less_than_a_tenth_of_the_ban_and_less_than_ten_minutes(case: tuple[Ban, list[Hit]]) -> None:
    ban, hits = case
    rounding_ms = extended(ban, hits).until_ms - max(hits).at_ms - ban.length_ms
    assert rounding_ms == 0 or rounding_ms < min(ban.length_ms / 10, 10 * MINUTE_MS)


@given(bans_and_hits())
@settings(PROFILE)
def test_the_extension_of_many_hits_is_the_furthest_of_any_one_of_them(case: tuple[Ban, list[Hit]]) -> None:
    ban, hits = case
    alone = [extended(ban, [hit]) for hit in hits]
    assert extended(ban, hits) == max(alone, key=lambda each: (each.until_ms, each.extended))


@given(bans_and_hits())
@settings(PROFILE)
def test_an_end_is_always_so_many_steps_after_the_first_one(case: tuple[Ban, list[Hit]]) -> None:
    ban, hits = case
    longer = extended(ban, hits)
    step_ms = max(1, min(ban.length_ms // 10, 10 * MINUTE_MS))
    assert longer.until_ms == ban.until_ms + longer.extended * step_ms


@pytest.mark.parametrize("length_ms", [DAY_MS, 1000, 1])
def test_no_extension_goes_beyond_for_ever_and_its_steps_are_those_that_reach_it(length_ms: int) -> None:
    ban = banned(length_ms, FOREVER_MS - length_ms - 1)
    for order in ((1, length_ms), (length_ms, 1)):
        last = extended(ban, during(*order, start_ms=ban.start_ms))
        assert (last.until_ms, last.extended) == (FOREVER_MS, 1)


def test_a_ban_for_ever_takes_no_steps() -> None:
    assert judge(Offender(ban=banned(FOREVER_MS)), during(1, DAY_MS), JAIL, key=WHO.key) == Verdict((), ())


def test_an_end_that_no_step_leads_to_stays_until_a_hit_needs_a_later_one() -> None:
    odd = Ban(START_MS, START_MS + 1_900_000, 1, 1_800_000, extended=1)  # another writer made it
    assert judge(Offender(ban=odd), during(100_000), JAIL, key=WHO.key) == Verdict((), ())
    [longer] = judge(Offender(ban=odd), during(100_001), JAIL, key=WHO.key).changed
    assert (longer.until_ms, longer.extended) == (START_MS + 1_980_000, 1)
