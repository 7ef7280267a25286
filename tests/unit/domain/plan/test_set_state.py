"""One IP set as the enforcer knows it."""

from __future__ import annotations

from f2b_worker.domain.blocklists import SET_CAPACITY
from f2b_worker.domain.plan.set_state import SetState
from tests.memory import bytes_of

A, B, C = (f"203.0.113.{number}/32" for number in (1, 2, 3))


def test_what_is_taken_out_is_neither_held_nor_foreign_nor_in_doubt_nor_due() -> None:
    kept = SetState("id")
    kept.put_in([A, B])
    kept.put_in([B, C])
    kept.foreign.add(A)
    kept.doubted[A] = 1.0
    kept.remove_at(B, 2.0, is_hurried=True)
    assert (set(kept.held), kept.ours) == ({A, B, C}, 1)
    for entry in (A, B, B):
        kept.take_out(entry)
    assert (set(kept.held), kept.foreign, kept.doubted, kept.removals, kept.hurried) == ({C}, set(), {}, {}, set())


def test_a_full_set_takes_less_than_25_bytes_an_entry_beside_the_texts() -> None:
    entries = [f"198.18.{number // 250}.{number % 250}/32" for number in range(SET_CAPACITY)]

    def make() -> SetState:
        kept = SetState("id")
        kept.put_in(frozenset(entries))
        return kept

    kept, size = bytes_of(make)
    assert len(kept.held) == SET_CAPACITY
    assert size / SET_CAPACITY < 25
