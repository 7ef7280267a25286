"""Whose an entry is that turned up in an IP set."""

from __future__ import annotations

import pytest

from f2b_worker.domain.plan.origin import Traces, is_foreign

ENTRY = "203.0.113.1/32"
ONE = frozenset({ENTRY})


@pytest.mark.parametrize("is_explained", [False, True])
def test_in_a_set_that_we_know_what_we_did_not_write_is_foreign_banned_or_not(is_explained: bool) -> None:
    evidence = Traces(frozenset(), is_known=True, networks=ONE, is_explained=lambda _: is_explained)
    assert is_foreign(ENTRY, evidence)


@pytest.mark.parametrize("is_known", [False, True])
def test_what_an_update_without_an_answer_may_have_put_in_is_ours(is_known: bool) -> None:
    assert not is_foreign(ENTRY, Traces(ONE, is_known=is_known, foreign=ONE))


def test_in_a_set_that_we_do_not_know_a_ban_or_a_note_explains_an_entry() -> None:
    assert is_foreign(ENTRY, Traces(frozenset(), is_known=False))
    assert not is_foreign(ENTRY, Traces(frozenset(), is_known=False, networks=ONE))
    assert not is_foreign(ENTRY, Traces(frozenset(), is_known=False, is_explained=lambda _: True))


def test_what_was_noted_as_foreign_stays_foreign_although_it_is_banned_now() -> None:
    assert is_foreign(ENTRY, Traces(frozenset(), is_known=False, foreign=ONE, is_explained=lambda _: True))


def test_if_the_note_of_what_is_foreign_is_lost_a_ban_explains_nothing_and_a_network_of_ours_does() -> None:
    assert is_foreign(ENTRY, Traces(frozenset(), is_known=False, is_lost=True, is_explained=lambda _: True))
    assert not is_foreign(ENTRY, Traces(frozenset(), is_known=False, is_lost=True, networks=ONE))
    assert not is_foreign(ENTRY, Traces(ONE, is_known=False, is_lost=True))
