"""Bans lifted by hand."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from f2b_worker.acting.acts import Tell, fail_if_all_failed, for_each, new_act, tell_nobody
from f2b_worker.acting.outcomes import Outcome
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.threads import Threads
from f2b_worker.domain.acts.act import Verb
from f2b_worker.domain.acts.lifting import is_running
from f2b_worker.domain.addresses import is_key
from f2b_worker.domain.jails import DEFAULT_JAIL
from f2b_worker.errors import F2bError
from f2b_worker.process.covering import enforced_around, running_inside
from f2b_worker.process.opening import READS_AT_ONCE, open_acts, open_ban_book
from f2b_worker.query.reading import address_in, network_in
from f2b_worker.query.selection import Selection
from f2b_worker.query.wrong import WrongSetting

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from f2b_worker.config.jails_file import Jails
    from f2b_worker.config.operator import OperatorSettings
    from f2b_worker.domain.acts.act import Act
    from f2b_worker.domain.jails import Policy
    from f2b_worker.domain.judge.verdicts import Ban, OffenderId
    from f2b_worker.ports import Acts, BanBook, StandingBan

NOTHING = "nothing"
"""The outcome where there was nothing to lift."""


@dataclass(frozen=True, slots=True)
class LiftWish:
    """What is to be lifted.

    Attributes:
        texts: Addresses and networks as they were written.
        jail: Only in this jail.
        selection: All running bans that it takes, if there are no addresses.
        forget: Whether infractions and the number of bans are forgotten, too.
        reason: Why.
        yes: Whether somebody said that many may be hit.
    """

    texts: Sequence[str] = ()
    jail: str | None = None
    selection: Selection = field(default_factory=Selection)
    forget: bool = False
    reason: str = ""
    yes: bool = False


@dataclass(frozen=True, slots=True)
class Lifted:
    """What became of it.

    Attributes:
        act: As what the audit remembers it; None where nothing was done.
        outcomes: One for each that was asked for, in each jail, and for what is no address.
        bans: What was lifted, as it was before.
        networks: What was asked for, as it is judged; see `what_stays`.
    """

    act: Act | None
    outcomes: Sequence[Outcome]
    bans: Mapping[OffenderId, Ban] = field(default_factory=dict)
    networks: frozenset[str] = frozenset()

    @property
    def blocklists(self) -> dict[str, Sequence[str]]:
        """Name the blocklists that each who was banned is to leave."""
        return {who.key: ban.blocklists for who, ban in self.bans.items() if not ban.observed and is_key(who.key)}


@dataclass(frozen=True, slots=True)
class Staying:
    """What keeps banned whom somebody wants to go free.

    Attributes:
        around: Networks, each with a ban of a network around it.
        inside: How many bans stay inside a network.
    """

    around: Sequence[tuple[str, StandingBan]]
    inside: Mapping[str, int]


def unban(  # noqa: PLR0913 - where, what, who, and how it is told
    settings: OperatorSettings,
    jails: Jails,
    wish: LiftWish,
    *,
    by: str | None = None,
    dry_run: bool = False,
    tell: Tell = tell_nobody,
) -> Lifted:
    """Lift bans by hand.

    Args:
        settings: They say where the ledger is.
        jails: By which an address is judged.
        wish: Whose, and how.
        by: Who does it; None: whoever runs this process.
        dry_run: Whether only to say what would be done.
        tell: See `new_act`.

    Raises:
        WrongSetting: If many would be hit, and nobody said yes; or the reason cannot be.
        F2bError: If nobody's ban could be lifted.
    """
    acts, book, now_ms = open_acts(settings), open_ban_book(settings), SystemClock().now_ms()
    refused, whom = _whom(wish, acts, book, jails.policy, now_ms)
    if not wish.texts and whom and not (wish.yes or dry_run):
        raise WrongSetting(f"that lifts {len(whom):,} ban{'' if len(whom) == 1 else 's'}: say --yes")
    networks = frozenset((*(who.key for who in whom), *_judged(wish.texts, jails.policy)) if wish.texts else ())
    if dry_run or not whom:
        would = [Outcome(who.key, "would be lifted", who.jail) for who in whom]
        return Lifted(None, [*refused, *would], networks=networks)
    keys = [each.key for each in whom]
    how = "and forget the past" if wish.forget else ""
    act = new_act(settings, Verb.UNBAN, keys, jail=wish.jail or "", reason=wish.reason, how=how, by=by, tell=tell)
    outcomes, bans = _lift(acts, act, whom, forget=wish.forget)
    return Lifted(act, [*refused, *outcomes], bans, networks)


def what_stays(settings: OperatorSettings, networks: Collection[str]) -> Staying:
    """Find the bans of networks around addresses, and count those that stay inside networks."""
    if not networks:
        return Staying((), {})
    book = open_ban_book(settings)
    # The time is another than before: what was lifted ended a millisecond before it was.
    now_ms = SystemClock().now_ms()
    return Staying(list(enforced_around(book, networks, now_ms)), running_inside(book, networks, now_ms))


def _whom(
    wish: LiftWish, acts: Acts, book: BanBook, policy: Policy, now_ms: int
) -> tuple[list[Outcome], list[OffenderId]]:
    """Find whose bans are to be lifted, and what is none."""
    if not wish.texts:
        is_asked_for = wish.selection.whose()
        return [], [
            each.who
            for each in book.standing()
            if is_running(each.ban, now_ms)
            and wish.selection.takes(each.ban, now_ms)
            and (not wish.selection.range or is_key(each.who.key))
            and is_asked_for(each.who.jail, each.who.key)
        ]
    outcomes: list[Outcome] = []
    keys: dict[str, list[str]] = {}
    for text in wish.texts:
        try:
            keys[text] = _keys(text, policy)
        except ValueError as error:
            outcomes.append(Outcome(text, "refused", why=str(error), is_no=True))
    jails = _jails_of(acts, dict.fromkeys(key for each in keys.values() for key in each))
    whom: dict[OffenderId, None] = {}
    for text, each in keys.items():
        found = [who for key in each for who in jails[key] if wish.jail in {None, who.jail}]
        whom |= dict.fromkeys(found)
        if not found:
            outcomes.append(Outcome(network_in(text), NOTHING, wish.jail or ""))
    return outcomes, list(whom)


def _jails_of(acts: Acts, keys: Collection[str]) -> dict[str, Sequence[OffenderId]]:
    """Find where anything is remembered of several keys, many at once."""
    threads = Threads(min(READS_AT_ONCE, len(keys)), "jails")
    try:
        return dict(zip(keys, threads.map(acts.jails_of, keys), strict=True))
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


def _judged(texts: Iterable[str], policy: Policy) -> Iterator[str]:
    """Name the networks that were asked for, as they are judged; what is none was refused."""
    for text in texts:
        with suppress(ValueError):
            address = address_in(text)
            yield policy.defaults.key(address) if address else network_in(text)


def _keys(text: str, policy: Policy) -> list[str]:
    """Name what an address is judged as by each jail, and itself; or a network.

    Raises:
        ValueError: If it is neither.
    """
    address = address_in(text)
    keys = {network_in(text)}
    if address:
        keys |= {policy.jail(name).key(address) for name in (DEFAULT_JAIL, *policy.jails)}
    return sorted(keys)


def _lift(
    acts: Acts, act: Act, whom: Sequence[OffenderId], *, forget: bool
) -> tuple[list[Outcome], dict[OffenderId, Ban]]:
    ended = for_each(lambda part: acts.lift(act, part, forget=forget), whom)
    fail_if_all_failed(ended.values())
    outcomes: list[Outcome] = []
    lifted: dict[OffenderId, Ban] = {}
    for who, ban in ended.items():
        if isinstance(ban, F2bError):
            outcomes.append(Outcome.failed(who, ban))
        elif ban is None:
            outcomes.append(
                Outcome(who.key, NOTHING, who.jail, why="no ban ran; its infractions up to now are spent")
            )
        else:
            lifted[who] = ban
            outcomes.append(Outcome(who.key, "lifted", who.jail))
    return outcomes, lifted
