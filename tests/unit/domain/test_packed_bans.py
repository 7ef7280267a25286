"""What a scribe knows of bans is what `Bans` would know, in a third of the memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from f2b_worker.domain.ban_log.changes import KEPT_AFTER_END_MS, Bans, Change
from f2b_worker.domain.ban_log.packed import PackedBans
from f2b_worker.domain.judge.verdicts import UNREADABLE, Ban, OffenderId
from tests.memory import bytes_of

NOW_MS = 1_764_000_000_000
ONE, OTHER = OffenderId("login", "203.0.113.1/32"), OffenderId("login", "203.0.113.2/32")


def change(who: OffenderId, revision: int, until_ms: int = NOW_MS + 1000) -> Change:
    return Change(who, Ban(NOW_MS, until_ms, 1, 1000), revision)


CHANGES = st.builds(
    Change,
    st.sampled_from([ONE, OTHER, OffenderId("scan", ONE.key)]),
    st.sampled_from(
        [UNREADABLE, Ban(NOW_MS, NOW_MS, 1, 0), Ban(NOW_MS, NOW_MS + 9, 1, 7), Ban(NOW_MS + 1, NOW_MS + 2, 2, 1)]
    ),
    st.integers(1, 3),
    st.sampled_from([0, NOW_MS + 1]),
)


@given(st.lists(CHANGES, max_size=12), st.sampled_from([0, NOW_MS + 5 + KEPT_AFTER_END_MS]))
def test_it_holds_what_the_unpacked_bans_hold(changes: list[Change], complete_ms: int) -> None:
    bans, packed = Bans(), PackedBans()
    for each in changes:
        bans.take_in([each])
        packed.take_in([each], 1)
    assert {each.who: each for each in packed} == bans.newest
    assert [packed.get(who) for who in bans.newest] == [*bans.newest.values()]
    assert sorted(packed.remembered(complete_ms)) == sorted(bans.remembered(complete_ms))
    bans.forget_ended(complete_ms)
    packed.forget_ended(complete_ms)
    assert ({each.who: each for each in packed}, len(packed)) == (bans.newest, len(bans.newest))


def test_what_was_begun_to_be_gone_through_stays_as_it_was() -> None:
    packed = PackedBans()
    packed.take_in([change(ONE, 1)], 1)
    begun = packed.remembered(NOW_MS), packed.above(0), iter(packed)
    packed.take_in([change(ONE, 2), change(OTHER, 1)], 2)
    assert [list(each) for each in begun] == [[change(ONE, 1)]] * 3
    assert list(packed) == [change(ONE, 2), change(OTHER, 1)]


def test_what_was_told_above_a_number_is_found_and_nothing_else() -> None:
    packed = PackedBans()
    packed.take_in([change(ONE, 1)], 5)
    packed.take_in([change(OTHER, 1)], 2**40)
    packed.take_in([change(OTHER, 1)], 2**41)  # nothing new
    assert (list(packed.above(5)), list(packed.above(2**40))) == ([change(OTHER, 1)], [])
    packed.take_in([change(ONE, 2)], 2**41)
    assert (list(packed.above(2**40)), packed.last_number) == ([change(ONE, 2)], 2**41)


def test_a_ban_takes_less_than_100_bytes_beside_its_key() -> None:
    changes = [
        change(OffenderId("login", f"198.18.{number // 250}.{number % 250}/32"), 1) for number in range(10_000)
    ]

    def make() -> PackedBans:
        packed = PackedBans()
        packed.take_in(changes, 2**40)
        return packed

    packed, size = bytes_of(make)
    assert len(packed) == len(changes)
    assert size / len(changes) < 100
