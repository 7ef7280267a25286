"""Bans by hand."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from f2b_worker.acting.acts import Tell, fail_if_all_failed, for_each, for_how_long, new_act, tell_nobody
from f2b_worker.acting.guard import Guard
from f2b_worker.acting.outcomes import Outcome
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.domain.acts.act import Verb
from f2b_worker.domain.acts.hand_bans import MANUAL_JAIL, Order
from f2b_worker.domain.jails import DEFAULT_BLOCKLIST, FOREVER_MS, JAIL_NAME, JAIL_NAME_RULE, SECOND_MS
from f2b_worker.domain.judge.verdicts import OffenderId
from f2b_worker.errors import F2bError
from f2b_worker.process.opening import open_acts
from f2b_worker.query.blocklists import checked_blocklists
from f2b_worker.query.reading import address_in, network_in
from f2b_worker.query.wrong import WrongSetting

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from f2b_worker.config.jails_file import Jails
    from f2b_worker.config.operator import OperatorSettings
    from f2b_worker.domain.acts.act import Act
    from f2b_worker.domain.judge.verdicts import Offender


@dataclass(frozen=True, slots=True)
class BanWish:
    """Bans that somebody asks for.

    Attributes:
        texts: Addresses and networks as they were written.
        jail: The jail of the bans.
        for_ms: How long they last; `FOREVER_MS` for ever, None: the jail's bantime.
        blocklists: Where they are enforced; empty: in `block`.
        reason: Why.
        yes: Whether somebody said that many may be hit.
    """

    texts: Sequence[str]
    jail: str = MANUAL_JAIL
    for_ms: int | None = None
    blocklists: tuple[str, ...] = ()
    reason: str = ""
    yes: bool = False


@dataclass(frozen=True, slots=True)
class Banned:
    """What became of it.

    Attributes:
        act: As what the audit remembers it; None where nothing was done.
        outcomes: One for each that was asked for, and for each who was refused.
        stored: What stands of whom now.
    """

    act: Act | None
    outcomes: Sequence[Outcome]
    stored: Mapping[OffenderId, Offender | F2bError] = field(default_factory=dict)

    @property
    def blocklists(self) -> dict[str, Sequence[str]]:
        """Name the blocklists that each who is banned now belongs into."""
        return {
            who.key: each.ban.blocklists
            for who, each in self.stored.items()
            if not isinstance(each, F2bError) and each.ban
        }


def checked_ban(jails: Jails, wish: BanWish) -> BanWish:
    """Fill in what a wish leaves open.

    Raises:
        WrongSetting: If the jail, the length or a blocklist cannot be.
    """
    lists = checked_blocklists(jails, wish.blocklists)
    if not JAIL_NAME.fullmatch(wish.jail):
        raise WrongSetting(f"a name has {JAIL_NAME_RULE}", "jail")
    length_ms = jails.policy.jail(wish.jail).bantime_ms if wish.for_ms is None else wish.for_ms
    if length_ms < SECOND_MS:
        raise WrongSetting("a ban lasts for a second or longer", "for")
    return replace(wish, blocklists=lists, for_ms=length_ms)


def ban(  # noqa: PLR0913 - where, what, who, and how it is told
    settings: OperatorSettings,
    jails: Jails,
    wish: BanWish,
    *,
    by: str | None = None,
    dry_run: bool = False,
    tell: Tell = tell_nobody,
) -> Banned:
    """Ban addresses and networks by hand, but for those who may not be banned.

    Args:
        settings: They say where the ledger is.
        jails: By which an address is judged.
        wish: Whom, where and for how long.
        by: Who does it; None: whoever runs this process.
        dry_run: Whether only to say what would be done.
        tell: See `new_act`.

    Raises:
        WrongSetting: If the jail, the length, a blocklist or the reason cannot be.
        F2bError: If nobody could be banned.
    """
    wish = checked_ban(jails, wish)
    acts = open_acts(settings)
    # Only now: an answer of AWS has told by how much this machine's clock is off.
    now_ms = SystemClock().now_ms()
    order = Order(min(FOREVER_MS, now_ms + (wish.for_ms or 0)), wish.blocklists)
    guard = Guard(jails, wish.jail, acts.allowlist(), yes=wish.yes, now_ms=now_ms)
    refused, whom = _sorted_out(wish, jails, guard)
    act: Act | None = None
    stored: Mapping[OffenderId, Offender | F2bError] = {}
    if whom and not dry_run:
        keys = [each.key for each in whom]
        act = begun = new_act(
            settings, Verb.BAN, keys, jail=wish.jail, reason=wish.reason, how=_how(wish), by=by, tell=tell
        )
        stored = for_each(lambda part: acts.ban(begun, dict.fromkeys(part, order)), whom)
        fail_if_all_failed(stored.values())
    return Banned(act, [*refused, *(_outcome(who, stored.get(who), order) for who in whom)], stored)


def _how(wish: BanWish) -> str:
    where = "" if wish.blocklists == (DEFAULT_BLOCKLIST,) else f" into {', '.join(wish.blocklists)}"
    return for_how_long(wish.for_ms) + where


def _sorted_out(wish: BanWish, jails: Jails, guard: Guard) -> tuple[list[Outcome], list[OffenderId]]:
    """Tell those who may not be banned from those who are to be."""
    refused: list[Outcome] = []
    whom: dict[OffenderId, None] = {}
    for text in dict.fromkeys(wish.texts):
        try:
            address = address_in(text)
            network = jails.policy.jail(wish.jail).key(address) if address else network_in(text)
        except ValueError as error:
            refused.append(Outcome(text, "refused", wish.jail, why=str(error), is_no=True))
            continue
        why = guard.refusal(network)
        if why:
            refused.append(Outcome(network, "refused", wish.jail, why=why, is_no=True))
        else:
            whom[OffenderId(wish.jail, network)] = None
    return refused, list(whom)


def _outcome(who: OffenderId, stored: Offender | F2bError | None, order: Order) -> Outcome:
    if stored is None:
        return Outcome(who.key, "would be banned", who.jail, order.until_ms)
    if isinstance(stored, F2bError) or stored.ban is None:
        return Outcome.failed(who, stored)
    return Outcome(who.key, "banned", who.jail, stored.ban.until_ms)
