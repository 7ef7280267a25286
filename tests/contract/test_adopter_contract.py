"""What adoption promises to the enforcer, on the ledger in memory and on DynamoDB alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from f2b_worker.domain.jails import Jail, Policy
from f2b_worker.enforcer import ADOPTED_JAIL, LedgerAdopter

if TYPE_CHECKING:
    from f2b_worker.testing import FakeClock
    from tests.contract.ledgers import Book

RANGE, A, B = "198.51.100.0/24", "203.0.113.1/32", "203.0.113.2/32"
JAIL = Jail(ADOPTED_JAIL, bantime_ms=60_000, increment=True)


@pytest.fixture
def adopter(ledger: Book, clock: FakeClock) -> LedgerAdopter:
    return LedgerAdopter(ledger, lambda: Policy(jails={ADOPTED_JAIL: JAIL}), clock)


def test_each_entry_gets_a_normal_ban_from_now_on(ledger: Book, adopter: LedgerAdopter, clock: FakeClock) -> None:
    adopter.adopt([RANGE, A], "captcha")
    for entry in (RANGE, A):
        (standing,) = ledger.standing_of(entry)
        assert standing.who == (ADOPTED_JAIL, entry)
        assert (standing.ban.start_ms, standing.ban.until_ms) == (clock.now_ms(), clock.now_ms() + 60_000)
        assert (standing.ban.count, standing.ban.blocklists) == (1, ("captcha",))


def test_who_is_banned_is_not_banned_again(ledger: Book, adopter: LedgerAdopter, clock: FakeClock) -> None:
    adopter.adopt([A], "block")
    clock.advance(30)
    adopter.adopt([A, B], "block")
    (first,), (second,) = ledger.standing_of(A), ledger.standing_of(B)
    assert second.ban.start_ms - first.ban.start_ms == 30_000
    assert first.ban.count == second.ban.count == 1


def test_an_entry_of_a_second_blocklist_is_banned_in_both(ledger: Book, adopter: LedgerAdopter) -> None:
    adopter.adopt([A], "block")
    adopter.adopt([A], "captcha")
    (standing,) = ledger.standing_of(A)
    assert (standing.ban.count, standing.ban.blocklists) == (1, ("block", "captcha"))


def test_who_comes_back_after_the_end_is_banned_for_longer(
    ledger: Book, adopter: LedgerAdopter, clock: FakeClock
) -> None:
    adopter.adopt([A], "block")
    clock.advance(61)
    adopter.adopt([A], "block")
    (standing,) = ledger.standing_of(A)
    assert (standing.ban.count, standing.ban.length_ms) == (2, 120_000)
