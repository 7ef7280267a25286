"""Why an address is banned, or is not: what is remembered of it is judged again, with the reasons as data.

The judge himself is asked, so that an explanation cannot contradict a verdict.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from f2b_worker.domain.addresses import around
from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.domain.judge.verdicts import judge, weight_of
from f2b_worker.domain.networks import NEVER_BANNED, Networks

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from f2b_worker.domain.addresses import Address
    from f2b_worker.domain.jails import Jail, Window
    from f2b_worker.domain.judge.verdicts import Ban, Hit, Offender, OffenderId, Verdict


class Status(StrEnum):
    """Where an address stands in a jail: the reason in one word."""

    UNREADABLE = "unreadable"
    BANNED = "banned"
    NEVER_BANNED = "never_banned"
    DUE = "due"
    WATCHED = "watched"
    BAN_ENDED = "ban_ended"
    QUIET = "quiet"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Remembered:
    """What the ledger holds of one offender; *history* was read after *offender*, so it is no older.

    Attributes:
        is_unreadable: Whether the offender is stored and cannot be read; then *offender* is what else tells of it.
    """

    who: OffenderId
    offender: Offender
    history: tuple[Ban, ...]
    is_unreadable: bool = False

    @property
    def anything(self) -> bool:
        """Whether it is anything at all."""
        return bool(self.offender.hits or self.offender.ban or self.history or self.is_unreadable)


@dataclass(frozen=True, slots=True)
class WindowCount:
    """How full one window of the jail is.

    Attributes:
        hits: The infractions in it that no ban has used, in time order.
    """

    window: Window
    hits: tuple[Hit, ...]

    @property
    def counted(self) -> int:
        """For how many infractions the hits count."""
        return weight_of(self.hits)

    @property
    def missing(self) -> int:
        """How many more make a ban."""
        return self.window.maxretry - self.counted

    @property
    def oldest_drops_ms(self) -> int | None:
        """When the oldest of them no longer counts; None if there is none."""
        return min(FOREVER_MS, self.hits[0].at_ms + self.window.findtime_ms) if self.hits else None


_NOBODY = Networks()


@dataclass(frozen=True, slots=True)
class Exemption:
    """The rule by which an address is never banned.

    Attributes:
        rule: `own_range` or `ignoreip`, as the counters name it, or `allowlist`, that of the ledger.
        network: The first entry that holds the address, or another that is judged as one with it.
        lifts: Whether bans that were stored before are no longer enforced: the enforcer knows the defaults'
            ignoreip, the allowlist of the ledger, and no other.
    """

    rule: str
    network: str
    lifts: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why one address is banned in one jail, or is not.

    Attributes:
        ban: The running ban as it was stored, with its evidence.
        due: The running ban that the judge finds and that no worker has stored yet.
        window: Which window the evidence of either of them broke; None if the jail has no such window any more.
        counts: Every window of the jail, with what no ban has used.
        newest: The newest infraction that no ban has used, in a window or not.
        exemption: Why infractions do not count, if they do not.
        earlier: The bans before the running one, oldest first.
        is_unreadable: Whether the ledger holds more that cannot be read.
    """

    who: OffenderId
    ban: Ban | None
    due: Ban | None
    window: Window | None
    counts: tuple[WindowCount, ...]
    newest: Hit | None
    exemption: Exemption | None
    earlier: tuple[Ban, ...]
    is_unreadable: bool = False

    @property
    def status(self) -> Status:
        """How it stands, in one word: the first that applies."""
        lifted = self.exemption and self.exemption.lifts
        reasons = (
            (Status.UNREADABLE, self.is_unreadable),
            (Status.BANNED, self.ban and not lifted),
            (Status.NEVER_BANNED, self.exemption),
            (Status.DUE, self.due),
            (Status.WATCHED, any(count.hits for count in self.counts)),
            (Status.BAN_ENDED, self.earlier),
            (Status.QUIET, self.newest),
        )
        return next((status for status, applies in reasons if applies), Status.UNKNOWN)


def explain(  # noqa: PLR0913
    remembered: Remembered,
    jail: Jail,
    address: Address,
    *,
    allowed: Networks,
    now_ms: int,
    listed: Networks = _NOBODY,
) -> Explanation:
    """Say why *address* is banned at *now_ms*, or is not.

    Args:
        remembered: What the ledger holds of it.
        jail: The policy that it is judged by.
        address: Decides what is exempt.
        allowed: The addresses that no jail may ban: the defaults' ignoreip.
        now_ms: At its end a ban still counts.
        listed: The allowlist of the ledger.
    """
    past = _past(remembered)
    last = past[-1] if past else None
    ban = last if last and last.until_ms >= now_ms else None
    verdict = judge(replace(remembered.offender, ban=last), (), jail, key=remembered.who.key)
    exemption = _exemption(jail, address, allowed, listed)
    due = None if ban or exemption else _due(verdict, now_ms)
    return Explanation(
        who=remembered.who,
        ban=ban,
        due=due,
        window=_broken(ban or due, jail.windows),
        counts=tuple(_count(window, verdict.unused, now_ms) for window in jail.windows),
        newest=verdict.unused[-1] if verdict.unused else None,
        exemption=exemption,
        earlier=past[:-1] if ban else past,
        is_unreadable=remembered.is_unreadable,
    )


def _past(remembered: Remembered) -> tuple[Ban, ...]:
    """Put the bans in order; those in the history carry their evidence."""
    last = remembered.offender.ban
    bans = {last.start_ms: last} if last else {}
    bans.update((ban.start_ms, ban) for ban in remembered.history)
    return tuple(bans[start_ms] for start_ms in sorted(bans))


def _due(verdict: Verdict, now_ms: int) -> Ban | None:
    return next((ban for ban in verdict.changed[-1:] if ban.until_ms >= now_ms), None)


def _count(window: Window, unused: tuple[Hit, ...], now_ms: int) -> WindowCount:
    # Clocks of a fleet differ: a hit may be ahead of this one, and the window that ends with it counts.
    end_ms = max(now_ms, unused[-1].at_ms) if unused else now_ms
    return WindowCount(window, tuple(hit for hit in unused if hit.at_ms > end_ms - window.findtime_ms))


def _exemption(jail: Jail, address: Address, allowed: Networks, listed: Networks) -> Exemption | None:
    key = jail.key(address)
    if listed.touches(key):
        return Exemption("allowlist", _first(listed.entries, key), lifts=True)
    if allowed.touches(key):
        return Exemption("ignoreip", _first(allowed.entries, key), lifts=True)
    rule = jail.ignores(address)
    if rule is None:
        return None
    networks = NEVER_BANNED if rule == "own_range" else jail.ignore
    return Exemption(rule, _first(networks.entries, key), lifts=False)


def _first(entries: Iterable[str], key: str) -> str:
    return next(entry for entry in entries if Networks([entry]).touches(key))


def _broken(ban: Ban | None, windows: Iterable[Window]) -> Window | None:
    if not ban or not ban.evidence:
        return None
    oldest, newest = ban.evidence[0], ban.evidence[-1]
    counted = weight_of(ban.evidence)
    fitting = (
        each
        for each in windows
        # The evidence is as little as was needed: without its oldest hit it would not have been enough.
        if counted - oldest.weight < each.maxretry <= counted and newest.at_ms - oldest.at_ms < each.findtime_ms
    )
    return next(fitting, None)


def entry_over(key: str, entries: Collection[str]) -> str | None:
    """Find the narrowest of an IP set's entries that holds all of the network *key*."""
    return next((entry for entry in around(key) if entry in entries), None)
