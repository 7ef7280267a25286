"""What the ledger holds of one address, in whatever jail, and what of that cannot be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.domain.acts.lifting import is_running
from f2b_worker.domain.addresses import Address, around, parse_address
from f2b_worker.domain.jails import DEFAULT_JAIL
from f2b_worker.domain.judge.explanations import Remembered
from f2b_worker.domain.judge.verdicts import UNREADABLE, Offender, OffenderId
from f2b_worker.errors import Unreadable
from f2b_worker.process.covering import standing_over
from f2b_worker.query.reading import address_in, network_in

if TYPE_CHECKING:
    from collections.abc import Iterable

    from f2b_worker.domain.jails import Policy
    from f2b_worker.ports import BanBook, StandingBan


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger holds of one offender, and what of it cannot be read.

    Attributes:
        is_ban_unreadable: Whether that is its place among all bans, which the enforcer goes by.
    """

    remembered: Remembered
    is_ban_unreadable: bool
    unreadable: tuple[Unreadable, ...]


class Asked(NamedTuple):
    """An address, or a network, that somebody asks about.

    Attributes:
        address: The address, or the first one of the network.
        network: In canonical form; of one address a network of its own.
        is_judged_as_one: Whether some jail judges it as one, or a part of what it does.
    """

    address: Address
    network: str
    is_judged_as_one: bool


def asked_in(text: str, policy: Policy) -> Asked:
    """Read an address or a network, in any spelling.

    Raises:
        ValueError: If it is neither.
    """
    network = network_in(text)
    address = address_in(text) or parse_address(network.partition("/")[0])
    jails = (policy.defaults, *policy.jails.values())
    widest = min(each.prefix_of(address) for each in jails)
    return Asked(address, network, int(network.rpartition("/")[2]) >= widest)


def look_up(  # noqa: PLR0913
    book: BanBook,
    policy: Policy,
    asked: Asked,
    jail: str | None,
    told: list[Unreadable],
    *,
    now_ms: int,
    standing: Iterable[StandingBan] | None = None,
) -> list[Known]:
    """Look an address up in one jail, or wherever the ledger knows it; in every jail if it does nowhere.

    Args:
        book: The ledger.
        policy: The jails.
        asked: What is looked up.
        jail: The one jail, if it is one.
        told: What the book tells its errors to.
        now_ms: A ban of a network around it counts if it runs then.
        standing: The last bans of all offenders, if they are known; else each network around it is asked for.
    """
    address, network, is_judged_as_one = asked
    if jail is not None:
        everywhere = {OffenderId(jail, policy.jail(jail).key(address) if is_judged_as_one else network)}
    elif is_judged_as_one:
        everywhere = {OffenderId(name, policy.jail(name).key(address)) for name in (DEFAULT_JAIL, *policy.jails)}
    else:  # a network that is banned by hand, or not at all
        everywhere = {OffenderId(DEFAULT_JAIL, network)}
    own = {who.key for who in everywhere}
    wider = set(around(network)) - own
    if standing is None:
        found = standing_over(book, own | wider)
    else:
        found = [*standing_over(book, own), *(each for each in standing if each.who.key in wider)]
    for who, ban, *_ in found:
        # A ban of a network around it covers it as well; one that is over is of no interest.
        if jail in {None, who.jail} and (who.key in own or is_running(ban, now_ms)):
            everywhere.add(who)
    standing_of = {key: _standing_of(book, key, told) for key in {who.key for who in everywhere}}
    known = [_of_one(book, who, *standing_of[who.key], told) for who in sorted(everywhere)]
    return [each for each in known if each.remembered.anything or each.unreadable] or known


def _standing_of(book: BanBook, key: str, told: list[Unreadable]) -> tuple[list[StandingBan], list[Unreadable]]:
    """Read the last bans of a key, once for all of its jails, and what of them cannot be read."""
    told.clear()
    found = list(book.standing_of(key))
    return found, list(told)


def _of_one(
    book: BanBook,
    who: OffenderId,
    bans: list[StandingBan],
    unread: list[Unreadable],
    told: list[Unreadable],
) -> Known:
    standing = next((each.ban for each in bans if each.who == who), None)
    # Of the other jails of this key there are other answers.
    named = [
        error
        for error in unread
        if standing is UNREADABLE and error.item.endswith((f"#{who.jail}", f" {who.jail}"))
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
