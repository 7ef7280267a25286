"""The judge: an exact sliding window per jail and address, on the infractions' own times.

The rules are DESIGN.md's "Verdicts"; this docstring says why order and repetition do not matter.
All that is remembered of an offender is the last ban and the hits that no ban has used. An infraction that
comes again is either at or before the last ban's start (and belongs to the past), within the ban (and moves its
end to where it already is), or among the unused hits (which are a set). An infraction that comes late is judged
together with the unused hits around it, in time order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.domain.jails import FOREVER_MS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from f2b_worker.domain.jails import Jail


UNUSED_MAX = 4000
"""Never more unused hits than about 120 KB of an item; DynamoDB takes 400 KB."""


class OffenderId(NamedTuple):
    """Who is under watch: an address key, in one jail."""

    jail: str
    key: str


class Hit(NamedTuple):
    """One infraction of a known offender: when, and which, so that its repetition is recognised."""

    at_ms: int
    id: str


@dataclass(frozen=True, slots=True)
class Ban:
    """One ban of one offender, the *count*-th that is remembered.

    Attributes:
        start_ms: The time of the infraction that was one too many.
        until_ms: The last moment at which the address counts as banned.
        length_ms: How long it was given; every infraction during the ban moves the end to so long after it.
        extended: How often the end moved.
        evidence: The infractions that it is backed by, in time order.
    """

    start_ms: int
    until_ms: int
    count: int
    length_ms: int
    extended: int = 0
    evidence: tuple[Hit, ...] = ()

    def after(self, at_ms: int) -> Ban:
        """Return the ban as it stands after an infraction at *at_ms*, during it."""
        until_ms = min(FOREVER_MS, at_ms + self.length_ms)
        if until_ms <= self.until_ms:
            return self
        return replace(self, until_ms=until_ms, extended=self.extended + 1)


@dataclass(frozen=True, slots=True)
class Offender:
    """What is remembered of one offender: the last ban, and the hits that no ban has used.

    *revision* counts the changes of `ban`, so that of two workers with the same evidence one bans.
    """

    hits: frozenset[Hit] = frozenset()
    ban: Ban | None = None
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the judge found.

    Attributes:
        changed: The bans to store, oldest first: the last one if it was extended, then the new ones.
        started: How many of them are new.
        unused: The hits that no ban has used, in time order.
    """

    changed: tuple[Ban, ...]
    started: int
    unused: tuple[Hit, ...]


def judge(offender: Offender, hits: Iterable[Hit], jail: Jail, *, key: str) -> Judgement:
    """Judge *hits* together with what is remembered, in time order, whatever order they came in."""
    case = _Case(offender.ban, jail, key)
    for hit in sorted(offender.hits.union(hits)):
        case.hear(hit)
    return Judgement(tuple(case.changed), case.started, tuple(case.unused))


def worth_storing(hits: Iterable[Hit], jail: Jail, *, key: str) -> frozenset[Hit]:
    """Choose the hits of a batch that somebody else's verdict may need.

    Of many hits, those that the batch alone makes a ban of are left out, but for the newest: whoever judges the
    batch stores that ban, or finds them covered by an earlier one. So a hot address costs a small write.
    """
    distinct = sorted(set(hits))
    if len(distinct) <= jail.hits_kept:
        return frozenset(distinct)
    return frozenset(distinct[-jail.hits_kept :]).union(judge(Offender(), distinct, jail, key=key).unused)


def forgettable(stored: frozenset[Hit], unused: tuple[Hit, ...], jail: Jail, *, settled_ms: int) -> frozenset[Hit]:
    """Choose the stored hits that can no longer count.

    Args:
        stored: What the ledger holds.
        unused: Those and others that no ban has used, in time order.
        jail: How many of them are kept, whatever their age.
        settled_ms: Before this time nothing new is expected: older hits that no ban has used will find no
            company any more. While infractions come late, they are kept.
    """
    older, newest = unused[: -jail.hits_kept], unused[-jail.hits_kept :]
    unsettled = [hit for hit in older if hit.at_ms >= settled_ms]
    return stored.difference(newest, unsettled[-UNUSED_MAX:])


class _Case:
    """One offender before the judge: hears hits in time order."""

    __slots__ = ("_jail", "_key", "ban", "changed", "started", "unused")

    def __init__(self, ban: Ban | None, jail: Jail, key: str) -> None:
        self.ban = ban
        self.changed: list[Ban] = []
        self.started = 0
        self.unused: list[Hit] = []
        self._jail = jail
        self._key = key

    def hear(self, hit: Hit) -> None:
        ban = self.ban
        if ban is not None and hit.at_ms <= ban.until_ms:
            if hit.at_ms > ban.start_ms:
                self._extend(ban, hit)
            return
        self.unused.append(hit)
        evidence = self._evidence(hit)
        if evidence:
            self._start(hit, evidence)

    def _extend(self, ban: Ban, hit: Hit) -> None:
        longer = ban.after(hit.at_ms)
        if longer is ban:
            return
        if self.changed:
            self.changed[-1] = longer
        else:
            self.changed.append(longer)
        self.ban = longer

    def _evidence(self, hit: Hit) -> tuple[Hit, ...]:
        for window in self._jail.windows:
            newest = self.unused[-window.maxretry :]
            if len(newest) == window.maxretry and newest[0].at_ms > hit.at_ms - window.findtime_ms:
                return tuple(newest)
        return ()

    def _start(self, hit: Hit, evidence: tuple[Hit, ...]) -> None:
        count = self._count(hit.at_ms)
        length_ms = self._jail.ban_length_ms(count, seed=f"{self._key}|{hit.at_ms}")
        until_ms = min(FOREVER_MS, hit.at_ms + length_ms)
        self.ban = Ban(hit.at_ms, until_ms, count, length_ms, evidence=evidence)
        self.changed.append(self.ban)
        self.started += 1
        self.unused.clear()

    def _count(self, at_ms: int) -> int:
        last, forget_ms = self.ban, self._jail.forget_ms
        if last is None or (forget_ms is not None and at_ms - last.until_ms > forget_ms):
            return 1
        return last.count + 1
