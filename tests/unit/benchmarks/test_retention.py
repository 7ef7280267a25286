"""Which hits are stored, and which are forgotten."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from f2b_worker.domain.jails import FOREVER_MS, UNUSED_MAX, Jail, Window
from f2b_worker.domain.judge.verdicts import Ban, Hit, Offender, forgettable, judge, worth_storing

JAIL = Jail(windows=(Window(3, 600_000),), bantime_ms=1_800_000, forget_ms=None)
KEPT = JAIL.hits_kept


def hits_at(*times_ms: int) -> list[Hit]:
    return [Hit(at_ms, f"i{number}") for number, at_ms in enumerate(times_ms)]


def sparse(number: int) -> tuple[Hit, ...]:
    """Hits too far apart for a ban."""
    return tuple(hits_at(*range(0, number * 600_000, 600_000)))


def test_a_small_batch_is_stored_whole() -> None:
    batch = hits_at(*range(KEPT))

    assert worth_storing(batch, JAIL, key="k") == frozenset(batch)


def test_of_a_flood_only_the_newest_hits_are_stored() -> None:
    batch = hits_at(*range(10_000))

    assert worth_storing(batch, JAIL, key="k") == frozenset(batch[-KEPT:])


def test_of_many_hits_those_that_no_ban_uses_are_all_stored() -> None:
    batch = sparse(200)

    assert worth_storing(batch, JAIL, key="k") == frozenset(batch)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(
    st.lists(st.integers(0, 40_000), min_size=KEPT + 1, max_size=80),
    st.integers(0, 40_000),
    st.integers(0, 20_000),
)
def test_whatever_was_known_before_what_is_still_unused_after_a_batch_is_stored(
    times_s: list[int], start_s: int, running_s: int
) -> None:
    batch = hits_at(*(at_s * 1000 for at_s in times_s))
    ban = Ban(start_s * 1000, start_s * 1000 + JAIL.bantime_ms + running_s * 1000, 1, JAIL.bantime_ms)

    unused = judge(Offender(ban=ban), batch, JAIL, key="k").unused

    assert worth_storing(batch, JAIL, key="k") >= set(unused)


def test_used_and_past_hits_are_forgotten() -> None:
    stored = frozenset(hits_at(1, 2, 3))

    assert forgettable(stored, (), JAIL, settled_ms=0) == stored


def test_settled_hits_are_forgotten_but_for_the_newest() -> None:
    unused = sparse(100)

    assert forgettable(frozenset(unused), unused, JAIL, settled_ms=FOREVER_MS) == frozenset(unused[:-KEPT])


def test_while_infractions_come_late_unused_hits_are_kept() -> None:
    unused = sparse(100)

    assert forgettable(frozenset(unused), unused, JAIL, settled_ms=unused[40].at_ms) == frozenset(unused[:40])


def test_there_is_an_end_to_what_is_kept() -> None:
    unused = sparse(UNUSED_MAX + 5)

    assert forgettable(frozenset(unused), unused, JAIL, settled_ms=0) == frozenset(unused[:5])
