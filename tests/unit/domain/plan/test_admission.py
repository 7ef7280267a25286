"""Which of the wanted entries fit when there is not room for all."""

from __future__ import annotations

import random

from f2b_worker.domain.addresses import number_of
from f2b_worker.domain.plan.admission import Admission

A, B, C = "203.0.113.1/32", "203.0.113.2/32", "203.0.113.3/32"


def test_what_ends_last_fits_and_room_that_appears_is_filled() -> None:
    admission = Admission(1)
    admission.put(A, 10)
    admission.put(B, 20)
    assert (admission.admitted, admission.left_out) == ({B: 20}, {A: 10})
    admission.drop(B)
    assert (admission.admitted, admission.left_out) == ({A: 10}, {})


def test_room_that_vanishes_costs_the_ends_that_come_first() -> None:
    admission = Admission(3)
    for entry, until_ms in ((A, 10), (B, 30), (C, 20)):
        admission.put(entry, until_ms)
    admission.resize(1)
    assert admission.admitted == {B: 30}
    admission.resize(-1)
    assert admission.left_out == {A: 10, B: 30, C: 20}


def test_it_tells_what_moved() -> None:
    admission = Admission(1)
    admission.put(A, 10)
    admission.take_changes()
    admission.put(B, 20)
    assert admission.take_changes() == {A, B}


def test_it_agrees_with_sorting_after_any_changes() -> None:
    dice = random.Random(3)
    entries = [f"203.0.113.{host}/32" for host in range(40)]
    admission, wanted, room = Admission(10), dict[str, int](), 10
    for _ in range(5000):
        entry = dice.choice(entries)
        if dice.random() < 0.6:
            wanted[entry] = dice.randrange(20)
            admission.put(entry, wanted[entry])
        elif dice.random() < 0.8:
            wanted.pop(entry, None)
            admission.drop(entry)
        else:
            room = dice.randrange(25)
            admission.resize(room)
        best = sorted(wanted, key=lambda each: (-wanted[each], number_of(each)))
        assert admission.admitted == {each: wanted[each] for each in best[:room]}
        assert admission.left_out == {each: wanted[each] for each in best[room:]}


def test_thousands_of_changes_do_not_pile_up() -> None:
    admission = Admission(1)
    for until_ms in range(10_000):
        admission.put(A, until_ms)
        admission.put(B, 0)
    assert len(admission._worst or []) + len(admission._best) < 5000


def test_all_at_once_are_admitted_where_there_is_room_for_them_and_nothing_was_before() -> None:
    admission = Admission(2)
    assert not admission.fill({A: 10, B: 20, C: 30})
    assert admission.fill({A: 10, B: 20})
    assert not admission.fill({C: 30})
    admission.put(C, 30)
    assert (admission.admitted, admission.left_out) == ({B: 20, C: 30}, {A: 10})
