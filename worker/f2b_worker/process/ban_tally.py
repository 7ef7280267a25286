"""How many bans began and ended, counted by the one process that hears all changes of bans.

What is counted is stored together with the place in the log up to which it counts. Whoever takes over reads both,
and counts what comes after that place: nothing twice, and nothing is left out, whenever the one before him died.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from f2b_worker.domain.acts.hand_bans import MANUAL_JAIL
from f2b_worker.domain.ban_log.events import BanEvents, EventKind
from f2b_worker.domain.tally import BANS, UNKNOWN, BanSheets, Counted, Kind, Sheet, hour_of
from f2b_worker.errors import F2bError
from f2b_worker.ports import StandingBan
from f2b_worker.process.tallying import STORE_EVERY_S, Hours

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from f2b_worker.domain.ban_log.events import BanEvent, Changed
    from f2b_worker.domain.jails import Policy
    from f2b_worker.ports import Clock, Tally

log: structlog.stdlib.BoundLogger = structlog.get_logger()

ENDS_EVERY_S = 5.0
"""So often it is looked which bans have ended."""

_KINDS = {EventKind.BAN: Kind.BANS, EventKind.LIFT: Kind.UNBANS, EventKind.END: Kind.UNBANS}


class BanTally:
    """Hears changes of bans and counts what became of them; one thread at a time. See `ports.BanListener`.

    A failure is told once, and tried again: neither bans nor snapshots depend on it.

    Args:
        tally: Where the numbers are kept.
        clock: Tells the minute.
        name: Under which name a jail is counted.
    """

    def __init__(self, tally: Tally, clock: Clock, name: Callable[[str], str]) -> None:
        self._tally = tally
        self._clock = clock
        self._name = name
        self._by = secrets.token_hex(4)
        self._events = BanEvents()
        self._bans: Callable[[], Iterable[tuple[int, Changed]]] | None = None
        self._epoch, self._number = "", 0
        self._heard_ms = self._ended_ms = 0
        self._silent_upto = 0
        self._hours = Hours(Sheet(0))
        self._stored: BanSheets | None = None
        self._is_ready = self._is_changed = self._is_moved = self._is_failing = False
        self._next_ends_s = self._next_store_s = clock.monotonic_s()

    def begin(self, epoch: str, number: int, bans: Callable[[], Iterable[tuple[int, Changed]]]) -> None:
        """Begin with all bans, as the log had them at a number."""
        self.settle()
        self._epoch, self._number, self._bans = epoch, number, bans
        self._is_ready = False
        self._guarded(self._get_ready)

    def hear(self, number: int, changes: Iterable[Changed]) -> None:
        """Hear all changes up to a number, from the last one that was told."""
        self._number = number
        if not self._is_ready:
            return  # they are among the bans that it begins with
        if number <= self._silent_upto:
            self._events.know(changes, self._ended_ms)
        else:
            self._is_moved = True
            self._count(self._events.take_in(changes))

    def heed(self, complete_ms: float) -> None:
        """Count what has ended, and store what was counted once a minute.

        Args:
            complete_ms: Everything that was logged before this moment was heard.
        """
        self._guarded(lambda: self._heed(complete_ms))

    def settle(self) -> None:
        """Store what was heard: a snapshot is about to take its place."""
        if self._is_ready and (self._is_changed or self._is_moved):
            self._guarded(self._store)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
            self._is_failing = False
        except F2bError as error:
            if not self._is_failing:
                log.warning("tally_failed", reason=str(error))
            self._is_failing = True

    def _heed(self, complete_ms: float) -> None:
        if self._bans is None:
            return
        if not self._is_ready:
            self._get_ready()
        if self._number < self._silent_upto:
            return  # what was counted is not heard again yet: a ban may last longer than is known
        now_ms, now_s = self._clock.now_ms(), self._clock.monotonic_s()
        self._heard_ms = now_ms
        if now_s >= self._next_ends_s:
            self._next_ends_s = now_s + ENDS_EVERY_S
            self._ended_ms = max(now_ms, self._ended_ms)
            self._count(self._events.ended(self._ended_ms))
        if now_s >= self._next_store_s and self._is_changed:
            self._events.forget_ended(complete_ms)
            self._store()

    def _get_ready(self) -> None:
        """Go on where somebody stopped to count, who may be this one."""
        stored = self._tally.bans()
        if stored is None:
            self._begin_anew()
        else:
            self._go_on_from(stored)
        self._is_ready = True

    def _begin_anew(self) -> None:
        """Count from now on: nobody did before."""
        assert self._bans
        now_ms = self._clock.now_ms()
        self._events = BanEvents()
        self._events.know((change for _, change in self._bans()), now_ms)
        self._ended_ms = self._heard_ms = now_ms
        self._silent_upto = self._number
        self._hours, self._stored = Hours(Sheet(hour_of(now_ms))), None
        self._is_changed = True  # the place is to be known

    def _go_on_from(self, stored: BanSheets) -> None:
        assert self._bans
        upto = stored.upto
        is_same = upto.epoch == self._epoch
        self._ended_ms, self._heard_ms = upto.ended_ms, upto.heard_ms
        self._silent_upto = upto.number if is_same else self._number
        self._hours = Hours(stored.sheet, () if stored.before is None else [stored.before])
        self._stored = stored
        self._events = BanEvents()
        later: list[Changed] = []
        self._events.know(_sorted_out(self._bans(), upto.number if is_same else -1, later), upto.ended_ms)
        for change in later:
            before = _before(change, upto.heard_ms)
            self._events.know([before] if before else [], upto.ended_ms)
            self._count(self._events.take_in([change]))

    def _count(self, events: Iterable[BanEvent]) -> None:
        """Count events in this minute, but for those of bans that are only observed."""
        now_ms = self._clock.now_ms()
        self._hours.turn(now_ms)
        for event in events:
            kind = _KINDS.get(event.kind)
            if kind and not event.observed:
                self._hours.sheet.add(kind, self._name(event.who.jail), now_ms)
                self._is_changed = True

    def _store(self) -> None:
        """Store the numbers and the place as one, and then the hours that are over, which change no more."""
        self._next_store_s = self._clock.monotonic_s() + STORE_EVERY_S
        self._count(self._events.ended(self._ended_ms))  # of what was heard since, and had ended by then
        upto = Counted(self._epoch, max(self._number, self._silent_upto), self._heard_ms, self._ended_ms)
        before = self._hours.before[-1] if self._hours.before else None
        version = (self._stored.version if self._stored else 0) + 1
        counted = BanSheets(upto, self._hours.sheet, before, self._by, version)
        is_stored = self._tally.note_bans(counted)
        if not is_stored and self._is_ours(version):
            counted = counted._replace(version=version + 1)
            is_stored = self._tally.note_bans(counted)
        if not is_stored:
            self._is_ready = False  # somebody else counts, or did: go on from what he stored
            return
        self._stored = counted
        self._is_changed = self._is_moved = False
        self._hours.store_before(self._tally, BANS)

    def _is_ours(self, version: int) -> bool:
        """Tell whether this version is there, and of this process: it was stored, and the answer was lost."""
        there = self._tally.bans()
        return there is not None and (there.by, there.version) == (self._by, version)


def _sorted_out(bans: Iterable[tuple[int, Changed]], counted_upto: int, later: list[Changed]) -> Iterable[Changed]:
    """Go through the bans that are counted, and put those aside that changed later."""
    for number, change in bans:
        if number <= counted_upto:
            yield change
        else:
            later.append(change)


def name_of_jail(policy: Policy, jail: str) -> str:
    """Find the name under which a jail is counted: those that nobody configured have one together."""
    return jail if policy.knows(jail) or jail == MANUAL_JAIL else UNKNOWN


def _before(change: Changed, heard_ms: int) -> Changed | None:
    """Tell how a ban was when it was last counted that changed since, as far as its last change shows it.

    It was none if it began later. One that somebody lifted since ran on; of any other it is enough to know it.
    """
    ban = change.ban
    if ban.start_ms > heard_ms:
        return None
    if change.lifted_ms > heard_ms and ban.until_ms == change.lifted_ms - 1:
        return StandingBan(change.who, replace(ban, until_ms=change.lifted_ms))
    return StandingBan(change.who, ban, change.lifted_ms)
