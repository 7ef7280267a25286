"""Whose an entry is that turned up in an IP set."""

from __future__ import annotations

from dataclasses import replace

import pytest

from f2b_worker.domain.judge.verdicts import UNREADABLE, Ban
from f2b_worker.domain.plan.origin import Origin, Traces, whose, whose_by_bans

ENTRY = "203.0.113.1/32"
ONE = frozenset({ENTRY})
SINCE_MS, FOUND_MS, RUNS_MS = 500, 1000, 9000


def ban(start_ms: int, until_ms: int, count: int = 1, *, observed: bool = False) -> Ban:
    return Ban(start_ms, until_ms, count, until_ms - start_ms, observed=observed)


def asked(*bans: Ban) -> Origin:
    return whose_by_bans(
        bans, found_ms=FOUND_MS, since_ms=SINCE_MS, is_unknown=lambda each: each.until_ms >= RUNS_MS
    )


@pytest.mark.parametrize("is_explained", [False, True])
def test_in_a_set_that_we_know_what_we_did_not_write_is_foreign_banned_or_not(is_explained: bool) -> None:
    evidence = Traces(frozenset(), is_known=True, networks=ONE, is_explained=lambda _: is_explained)
    assert whose(ENTRY, evidence) is Origin.FOREIGN


@pytest.mark.parametrize("is_known", [False, True])
def test_what_an_update_without_an_answer_may_have_put_in_is_ours(is_known: bool) -> None:
    assert whose(ENTRY, Traces(ONE, is_known=is_known, foreign=ONE)) is Origin.OURS


def test_in_a_set_that_we_do_not_know_a_ban_or_a_note_explains_an_entry() -> None:
    assert whose(ENTRY, Traces(frozenset(), is_known=False, networks=ONE)) is Origin.OURS
    assert whose(ENTRY, Traces(frozenset(), is_known=False, is_explained=lambda _: True)) is Origin.OURS


def test_what_nothing_explains_is_in_doubt_until_the_ledger_was_asked_for_it() -> None:
    assert whose(ENTRY, Traces(frozenset(), is_known=False)) is Origin.DOUBTED


def test_what_was_noted_as_foreign_stays_foreign_although_it_is_banned_now() -> None:
    traces = Traces(frozenset(), is_known=False, foreign=ONE, is_explained=lambda _: True)
    assert whose(ENTRY, traces) is Origin.FOREIGN


def test_if_the_note_of_what_is_foreign_is_lost_a_ban_explains_nothing_and_a_network_of_ours_does() -> None:
    lost = Traces(frozenset(), is_known=False, is_lost=True, is_explained=lambda _: True)
    assert whose(ENTRY, lost) is Origin.FOREIGN
    assert whose(ENTRY, replace(lost, networks=ONE)) is Origin.OURS
    assert whose(ENTRY, replace(lost, tried=ONE)) is Origin.OURS


class TestTheItemsOfAnAddress:
    @pytest.mark.parametrize(
        ("bans", "expected"),
        [
            ([], Origin.FOREIGN),
            ([ban(0, 500)], Origin.OURS),
            ([ban(0, 499)], Origin.FOREIGN),
            ([ban(0, 499), ban(100, 600)], Origin.OURS),
            ([UNREADABLE], Origin.DOUBTED),
            ([ban(0, 500), UNREADABLE], Origin.DOUBTED),
            ([ban(0, RUNS_MS)], Origin.DOUBTED),
        ],
    )
    def test_explain_what_a_ban_that_ended_late_enough_left_and_nothing_that_cannot_be_read(
        self, bans: list[Ban], expected: Origin
    ) -> None:
        assert asked(*bans) is expected

    def test_leave_to_others_what_was_found_before_the_first_ban_began(self) -> None:
        assert asked(ban(FOUND_MS + 1, 2000)) is Origin.FOREIGN

    def test_tell_of_a_ban_before_the_one_that_began_later_or_is_observed_only(self) -> None:
        assert asked(ban(FOUND_MS + 1, 2000, count=2)) is Origin.OURS
        assert asked(ban(700, 2000, count=2, observed=True)) is Origin.OURS
        assert asked(ban(700, 2000, observed=True)) is Origin.FOREIGN
