"""The allowlist, as somebody changes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from f2b_worker.acting.acts import Tell, end_of, for_each, for_how_long, insistently, new_act, tell_nobody
from f2b_worker.acting.guard import too_wide
from f2b_worker.acting.outcomes import Outcome
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.domain.acts.act import Verb
from f2b_worker.domain.acts.allowlist import AllowEntry
from f2b_worker.domain.acts.pardons import pardoned
from f2b_worker.domain.networks import Networks
from f2b_worker.errors import F2bError
from f2b_worker.process.opening import open_acts, open_ban_book
from f2b_worker.query.reading import network_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from f2b_worker.config.operator import OperatorSettings
    from f2b_worker.domain.acts.act import Act
    from f2b_worker.domain.judge.verdicts import OffenderId
    from f2b_worker.ports import BanBook


@dataclass(frozen=True, slots=True)
class AllowWish:
    """Whom somebody wants to be allowed.

    Attributes:
        texts: Addresses and networks as they were written.
        for_ms: For how long; None for ever.
        comment: Why: the list and the audit keep it.
        yes: Whether somebody said that many may be allowed.
    """

    texts: Sequence[str]
    for_ms: int | None = None
    comment: str = ""
    yes: bool = False


@dataclass(frozen=True, slots=True)
class Changed:
    """What became of it.

    Attributes:
        act: As what the audit remembers it; None where nothing was done.
        outcomes: One for each that was asked for, and for each ban that was lifted.
    """

    act: Act | None
    outcomes: Sequence[Outcome]


def allow(
    settings: OperatorSettings,
    wish: AllowWish,
    *,
    by: str | None = None,
    dry_run: bool = False,
    tell: Tell = tell_nobody,
) -> Changed:
    """Put addresses and networks on the allowlist, and lift the bans that are covered.

    Args:
        settings: They say where the ledger is.
        wish: Whom, and for how long.
        by: Who does it; None: whoever runs this process.
        dry_run: Whether only to say what would be done.
        tell: See `new_act`.

    Raises:
        WrongSetting: If the comment cannot be.
        F2bError: If it cannot be done.
    """
    wrong, asked = _networks(wish.texts, yes=wish.yes)
    book = open_ban_book(settings)
    if dry_run:
        would = [Outcome(who.key, "would be lifted", who.jail) for who in covered(book, asked)]
        return Changed(None, [*wrong, *(Outcome(each, "would be allowed") for each in asked), *would])
    how = for_how_long(wish.for_ms)
    act = new_act(settings, Verb.ALLOW, asked, reason=wish.comment, how=how, by=by, tell=tell)
    until_ms = end_of(act, wish.for_ms)
    acts = open_acts(settings)
    if asked:
        entries = [AllowEntry(each, until_ms, wish.comment, act.by, act.at_ms) for each in asked]
        insistently(lambda: acts.allow(act, entries))
    # Only now: a worker that had not heard of the entry may have banned meanwhile.
    lifted = for_each(lambda part: acts.lift(act, part), covered(book, asked))
    outcomes = [Outcome(each, "allowed", until_ms=until_ms) for each in asked]
    outcomes += [_lifted(who, ban) for who, ban in lifted.items()]
    return Changed(act if asked else None, [*wrong, *outcomes])


def disallow(
    settings: OperatorSettings,
    texts: Iterable[str],
    *,
    reason: str = "",
    by: str | None = None,
    tell: Tell = tell_nobody,
) -> Changed:
    """Take addresses and networks off the allowlist of the ledger.

    Args:
        settings: They say where the ledger is.
        texts: Which, as they were written.
        reason: Why.
        by: Who does it; None: whoever runs this process.
        tell: See `new_act`.

    Raises:
        WrongSetting: If the reason cannot be.
        F2bError: If it cannot be done.
    """
    wrong, asked = _networks(texts, yes=True)
    if not asked:
        return Changed(None, wrong)
    acts = open_acts(settings)
    act = new_act(settings, Verb.DISALLOW, asked, reason=reason, by=by, tell=tell)
    there = insistently(lambda: acts.disallow(act, asked))
    why = "it is not on the list of the ledger"
    outcomes = [
        Outcome(each, "removed") if each in there else Outcome(each, "absent", why=why, is_no=True)
        for each in asked
    ]
    return Changed(act, [*wrong, *outcomes])


def _networks(texts: Iterable[str], *, yes: bool) -> tuple[list[Outcome], list[str]]:
    wrong: list[Outcome] = []
    read: dict[str, None] = {}
    for text in texts:
        try:
            network = network_in(text)
            why = None if yes else too_wide(network)
        except ValueError as error:
            network, why = text, str(error)
        if why:
            wrong.append(Outcome(network, "refused", why=why, is_no=True))
        else:
            read[network] = None
    return wrong, list(read)


def covered(book: BanBook, networks: Sequence[str]) -> list[OffenderId]:
    """Find the running bans of which *networks* leave nothing."""
    bans = ((each.who, each.ban) for each in book.standing())
    return pardoned(bans, Networks(networks), SystemClock().now_ms())


def _lifted(who: OffenderId, ban: object) -> Outcome:
    if isinstance(ban, F2bError):
        return Outcome.failed(who, ban)
    return Outcome(who.key, "lifted", who.jail)
