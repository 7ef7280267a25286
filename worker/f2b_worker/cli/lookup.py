"""What the ledger holds of one address, in whatever jail, and what of that cannot be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from f2b_worker.domain.jails import DEFAULT_JAIL
from f2b_worker.domain.judge.explanations import Remembered
from f2b_worker.domain.judge.verdicts import UNREADABLE, Offender, OffenderId
from f2b_worker.errors import Unreadable

if TYPE_CHECKING:
    from f2b_worker.domain.addresses import Address
    from f2b_worker.domain.jails import Policy
    from f2b_worker.ports import BanBook


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger holds of one offender, and what of it cannot be read.

    Attributes:
        is_ban_unreadable: Whether that is its place among all bans, which the enforcer goes by.
    """

    remembered: Remembered
    is_ban_unreadable: bool
    unreadable: tuple[Unreadable, ...]


def look_up(
    book: BanBook, policy: Policy, address: Address, jail: str | None, told: list[Unreadable]
) -> list[Known]:
    """Look an address up in one jail, or wherever the ledger knows it; in every jail if it does nowhere.

    Args:
        book: The ledger.
        policy: The jails.
        address: What is looked up.
        jail: The one jail, if it is one.
        told: What the book tells its errors to.
    """
    if jail is not None:
        return [_of_one(book, OffenderId(jail, policy.jail(jail).key(address)), told)]
    everywhere = {OffenderId(name, policy.jail(name).key(address)) for name in (DEFAULT_JAIL, *policy.jails)}
    for key in {who.key for who in everywhere}:
        everywhere.update(each.who for each in book.standing_of(key))
    found = [_of_one(book, who, told) for who in sorted(everywhere)]
    return [each for each in found if each.remembered.anything or each.unreadable] or found


def _of_one(book: BanBook, who: OffenderId, told: list[Unreadable]) -> Known:
    told.clear()
    standing = next((each.ban for each in book.standing_of(who.key) if each.who == who), None)
    # Of the other jails of this key there are other answers.
    named = [
        error for error in told if standing is UNREADABLE and error.item.endswith((f"#{who.jail}", f" {who.jail}"))
    ]
    told.clear()
    try:
        offender, is_unreadable = book.offender(who), False
    except Unreadable:
        # The enforcer does not go by it: the ban stands, if it can be read where all bans are.
        offender, is_unreadable = Offender(ban=None if standing is UNREADABLE else standing), True
    remembered = Remembered(who, offender, tuple(book.history(who)), is_unreadable)
    unreadable = {(error.item, error.attribute): error for error in [*named, *told]}
    return Known(remembered, standing is UNREADABLE, tuple(unreadable.values()))
