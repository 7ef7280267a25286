"""The judge: an exact sliding window per jail and address, on the infractions' own times.

The rules are those of docs/design.md, "Verdicts"; this docstring says why order and repetition do not matter.
All that is remembered of an offender is the last ban and the hits that no ban has used. An infraction that
comes again is either at or before the last ban's start (and belongs to the past), within the ban (whose end is
already where it moves it to, or later), or among the unused hits (which are a set). An infraction that comes
late is judged together with the unused hits around it, in time order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.domain.jails import DEFAULT_BLOCKLIST, FOREVER_MS, MINUTE_MS, UNUSED_MAX
from f2b_worker.domain.judge.infractions import REPORTED_BY, split_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from f2b_worker.domain.jails import Jail


STEPS_A_LENGTH = 10
STEP_MAX_MS = 10 * MINUTE_MS
"""The end of a ban moves by so large steps: of all infractions within one, the first is a write, and no other."""

BY_HAND = "cli"
"""The origin of a ban by hand."""

IMPORTED = "import"
"""The origin of a ban that came from a list."""

ORDERED = frozenset({BY_HAND, IMPORTED})
"""The origins of bans that somebody ordered, and so looked at: no surge guard counts them, or keeps them out."""


class OffenderId(NamedTuple):
    """Who is under watch: an address key, in one jail."""

    jail: str
    key: str


class Hit(NamedTuple):
    """One infraction of a known offender: when, which, so that its repetition is recognised, and for how many.

    What comes again with another weight is the same one: the largest weight counts, in whatever order they come.
    """

    at_ms: int
    id: str
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Ban:
    """One ban of one offender, the *count*-th that is remembered; 0 if somebody had it forgotten.

    Attributes:
        start_ms: The time of the infraction that was one too many.
        until_ms: The last moment at which the address counts as banned.
        length_ms: How long it was given; no infraction during the ban has its end sooner than so long after it.
        extended: By how many steps the end moved.
        evidence: The infractions that it is backed by, in time order.
        observed: Whether it is recorded only and never enforced: its jail was in that mode when it started.
        blocklists: Where it is enforced, as its jail had it when it started.
        origin: Whence it comes; empty for a verdict of the judge, whatever anybody else calls it: `cli`, `import`,
            `adopted`.
    """

    start_ms: int
    until_ms: int
    count: int
    length_ms: int
    extended: int = 0
    evidence: tuple[Hit, ...] = ()
    observed: bool = False
    blocklists: tuple[str, ...] = (DEFAULT_BLOCKLIST,)
    origin: str = ""


_WEIGHT = itemgetter(2)

UNREADABLE = Ban(start_ms=-FOREVER_MS, until_ms=-FOREVER_MS, count=0, length_ms=-1)
"""Stands for a ban that is stored and cannot be read: to whoever does not look it is over, and counts for none."""

_NO_BAN = Ban(start_ms=-FOREVER_MS, until_ms=-FOREVER_MS, count=0, length_ms=0)


@dataclass(frozen=True, slots=True)
class Offender:
    """What is remembered of one offender: the last ban, and the hits that no ban has used.

    *revision* counts the changes of `ban` and the lifts, so that of two workers with the same evidence one bans.
    Infractions up to *lifted_ms* count no more, since somebody lifted a ban then; 0 if nobody did.
    """

    hits: frozenset[Hit] = frozenset()
    ban: Ban | None = None
    revision: int = 0
    lifted_ms: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the judge found.

    Attributes:
        changed: The bans to store, oldest first: the last one if it was extended, then the new ones.
        unused: The hits that no ban has used, in time order.
    """

    changed: tuple[Ban, ...]
    unused: tuple[Hit, ...]


def judge(
    offender: Offender, hits: Iterable[Hit], jail: Jail, *, key: str, elsewhere: Sequence[Ban] = ()
) -> Verdict:
    """Judge *hits* together with what is remembered, in time order, whatever order they came in.

    Args:
        offender: What is remembered.
        hits: Any hits, some of which may be remembered already.
        jail: The policy.
        key: The address key.
        elsewhere: Bans of the key in other jails: each new ban counts one more than the most of any.
    """
    case = Case(offender.ban, jail, key, elsewhere)
    heard: Iterable[Hit] = offender.hits.union(hits)
    if offender.lifted_ms:
        heard = (hit for hit in heard if hit.at_ms > offender.lifted_ms)
    for hit in sorted(heard):
        case.hear(hit)
    return case.close()


def end_after(ban: Ban, at_ms: int) -> int:
    """Tell when *ban* ends once an infraction at *at_ms*, during it, is judged: rule 1 of the verdicts."""
    if at_ms + ban.length_ms <= ban.until_ms:
        return ban.until_ms
    return _extension(ban.start_ms, ban.length_ms, at_ms)[0]


def _extension(start_ms: int, length_ms: int, at_ms: int) -> tuple[int, int]:
    """Round the end up, to whole steps after the first one; answer it, and the number of the steps.

    It looks at nothing but the infraction and at what a ban keeps from its start on. So the latest infraction
    decides, whoever judged which others, in whatever order.
    """
    step_ms = max(1, min(length_ms // STEPS_A_LENGTH, STEP_MAX_MS))
    first_ms = start_ms + length_ms
    steps = -((first_ms - min(FOREVER_MS, at_ms + length_ms)) // step_ms)
    return min(FOREVER_MS, first_ms + steps * step_ms), steps


def worth_storing(hits: Iterable[Hit], jail: Jail, *, key: str) -> frozenset[Hit]:
    """Choose the hits of a batch that somebody else's verdict may need.

    Of many hits, those that the batch alone makes a ban of are left out, but for the newest: whoever judges the
    batch stores that ban, or finds them covered by an earlier one. So a hot address costs a small write.
    """
    all_hits = frozenset(hits)
    if len(all_hits) <= jail.hits_kept:
        return all_hits
    distinct = sorted(all_hits)
    if max(map(_WEIGHT, distinct)) > 1:
        distinct = list({hit[:2]: hit for hit in distinct}.values())  # of each the largest weight
    unused = judge(Offender(), distinct, jail, key=key).unused
    kept = frozenset(distinct[-jail.hits_kept :]).union(unused)
    return kept if len(kept) <= UNUSED_MAX else frozenset(sorted(kept)[-UNUSED_MAX:])


def forgettable(stored: frozenset[Hit], unused: tuple[Hit, ...], jail: Jail, *, settled_ms: int) -> frozenset[Hit]:
    """Choose the stored hits that can no longer count.

    Args:
        stored: What the ledger holds.
        unused: Those and others that no ban has used, in time order.
        jail: How many of them are kept, whatever their age.
        settled_ms: Before this time nothing new is expected: older hits that no ban has used will find no
            company any more. While infractions come late, they are kept.
    """
    older, newest = unused[-UNUSED_MAX : -jail.hits_kept], unused[-jail.hits_kept :]
    unsettled = [hit for hit in older if hit.at_ms >= settled_ms]
    return stored.difference(newest, unsettled)


def next_ban(  # noqa: PLR0913 - what rule 3 looks at
    last: Ban | None,
    jail: Jail,
    at_ms: int,
    *,
    key: str,
    evidence: tuple[Hit, ...] = (),
    elsewhere: Iterable[Ban] = (),
) -> Ban:
    """Make the ban that starts at *at_ms*, one more than the last that is remembered, or the most elsewhere."""
    counted = [last] if last else []
    counted += [ban for ban in elsewhere if ban.start_ms < at_ms]
    count = 1 + max((ban.count for ban in counted if not _is_forgotten(ban, jail, at_ms)), default=0)
    length_ms = jail.ban_length_ms(count, seed=f"{key}|{at_ms}")
    return Ban(
        start_ms=at_ms,
        until_ms=min(FOREVER_MS, at_ms + length_ms),
        count=count,
        length_ms=length_ms,
        evidence=evidence,
        observed=jail.observed,
        blocklists=jail.blocklists_of(count),
    )


def _is_forgotten(ban: Ban, jail: Jail, at_ms: int) -> bool:
    return jail.forget_ms is not None and at_ms - ban.until_ms > jail.forget_ms


def _is_same(one: Hit, other: Hit) -> bool:
    """Tell whether two reports of one moment are the same infraction, whoever reported it."""
    return one.id == other.id or (REPORTED_BY in other.id and split_id(one.id)[0] == split_id(other.id)[0])


def weight_of(hits: Iterable[Hit]) -> int:
    """Tell for how many infractions *hits* count."""
    return sum(hit.weight for hit in hits)


class Case:
    """One offender before the judge, who hears hits in time order.

    Args:
        ban: The last ban that is remembered.
        jail: The policy.
        key: The address key, from which the random part of a ban follows.
        elsewhere: Bans of the key in other jails that count, too; may be replaced while the case is heard.

    Attributes:
        start_ms: When the last ban so far started; long ago if there is none.
    """

    __slots__ = (
        "_ban",
        "_changed",
        "_extended",
        "_heavy",
        "_is_changed",
        "_jail",
        "_key",
        "_length_ms",
        "_until_ms",
        "elsewhere",
        "start_ms",
        "unused",
    )  # fmt: skip

    def __init__(self, ban: Ban | None, jail: Jail, key: str, elsewhere: Sequence[Ban] = ()) -> None:
        self.elsewhere = elsewhere
        self.unused: list[Hit] = []
        self._jail = jail
        self._key = key
        self._changed: list[Ban] = []
        self._is_changed = False
        self._heavy = False  # whether one of the unused hits counts for several
        self._take(ban or _NO_BAN)

    def _take(self, ban: Ban) -> None:
        self._ban = ban
        # What most hits of an attack look at, and what they move.
        self.start_ms = ban.start_ms
        self._length_ms = ban.length_ms
        self._until_ms = ban.until_ms
        self._extended = ban.extended

    def hear(self, hit: Hit) -> None:
        """Judge one hit; it is not earlier than the one before."""
        at_ms = hit.at_ms
        if at_ms > self._until_ms:
            self._hear_outside(hit)
        elif at_ms > self.start_ms and at_ms + self._length_ms > self._until_ms:
            self._extend(at_ms)

    def close(self) -> Verdict:
        """Answer what was found."""
        self._keep_ban()
        return Verdict(tuple(self._changed), tuple(self.unused))

    def _extend(self, at_ms: int) -> None:
        until_ms, steps = _extension(self.start_ms, self._length_ms, at_ms)
        if until_ms > self._until_ms:
            self._until_ms = until_ms
            self._extended = steps
            self._is_changed = True

    def _hear_outside(self, hit: Hit) -> None:
        if self.unused and self.unused[-1].at_ms == hit.at_ms and _is_same(self.unused[-1], hit):
            # In order, so that the same one of a smaller weight comes before.
            if hit.weight <= self.unused[-1].weight:
                return
            self.unused.pop()
        if hit.weight > 1:
            self._heavy = True
        self.unused.append(hit)
        for window in self._jail.windows:
            if self._heavy or len(self.unused) >= window.maxretry:
                newest = self._newest(window.maxretry)
                if newest and newest[0].at_ms > hit.at_ms - window.findtime_ms:
                    self._start(hit.at_ms, tuple(newest))
                    return

    def _newest(self, enough: int) -> list[Hit]:
        """Find the fewest of the newest unused hits that count for *enough*; none if all of them do not."""
        if not self._heavy:
            return self.unused[-enough:]
        weight = 0
        for place in range(len(self.unused) - 1, -1, -1):
            weight += self.unused[place].weight
            if weight >= enough:
                return self.unused[place:]
        return []

    def _start(self, at_ms: int, evidence: tuple[Hit, ...]) -> None:
        self._keep_ban()
        self._take(
            next_ban(self.ban, self._jail, at_ms, key=self._key, evidence=evidence, elsewhere=self.elsewhere)
        )
        self._is_changed = True
        self.unused.clear()
        self._heavy = False

    @property
    def ban(self) -> Ban | None:
        """The last ban so far."""
        if self._ban is _NO_BAN:
            return None
        return replace(self._ban, until_ms=self._until_ms, extended=self._extended)

    def _keep_ban(self) -> None:
        if self._is_changed and (ban := self.ban):
            self._changed.append(ban)
            self._is_changed = False
