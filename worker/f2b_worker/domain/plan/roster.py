"""From the bans of all jails to which key is wanted in which blocklist until when, by differences."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from f2b_worker.domain.addresses import is_key
from f2b_worker.domain.ban_log.changes import KEPT_AFTER_END_MS
from f2b_worker.domain.jails import FOREVER_MS, MINUTE_MS
from f2b_worker.domain.judge.verdicts import UNREADABLE, OffenderId
from f2b_worker.domain.plan.awaiting import Awaited, Awaiting
from f2b_worker.domain.plan.ends import SPAN_MS, Ends
from f2b_worker.domain.plan.lifted import Lifted
from f2b_worker.domain.plan.running import Running, RunningBans
from f2b_worker.domain.plan.spared import Spared
from f2b_worker.domain.plan.wants import Fresh, Want

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from f2b_worker.domain.judge.verdicts import Ban
    from f2b_worker.domain.networks import Networks

_SLACK = 1000
_FORGET_EVERY_MS = 60_000

_CLOCKS_MS = 5_000
"""So far the clock of who lifts a ban may be ahead of this one: what ended by it is over.

More would hit a ban by hand that is shorter than what a lift spent before: the infractions of a clock ahead.
"""


class Roster:
    """The running bans by key, and what follows from them for the blocklists.

    A key banned in several jails is wanted in the union of their blocklists, in each until the latest end. At its
    end a ban still counts. What touches the allowlist is never wanted: of a range the rest is, in pieces.

    Args:
        blocklists: The blocklists to look after; bans elsewhere are remembered, no more.
        allowed: The allowlist.
        holds: Tells whether an IP set of a blocklist holds a key.
        keeps: Tells whether it does so by an entry of ours.

    Attributes:
        is_heard: Whether somebody takes the changes; else they are not kept.
        is_counted: Whether somebody takes the new bans; else they are not kept.
        unreadable: What stands in the place of a key and is none; such bans are left out.
        undated: The jails of each key whose ban there is stored and cannot be read, with a number that is another
            one each time that is told.
        lifted: Whose ban was lifted, and not made anew.
        held_back: The keys under a running ban that the surge guard keeps out of some blocklist.
        awaiting: The bans that were heard of since somebody takes the changes, and newcomers before: whoever takes
            them from there measures how long they took.
        newcomers: The start of each ban that began at `newcomers_from_ms` or later; by default of none.
    """

    def __init__(
        self,
        blocklists: Iterable[str],
        allowed: Networks,
        holds: Callable[[str, str], bool] = lambda _b, _k: False,
        keeps: Callable[[str, str], bool] = lambda _b, _k: False,
    ) -> None:
        self.wanted: dict[str, dict[str, int]] = {name: {} for name in blocklists}
        self.is_heard = self.is_counted = True
        self.unreadable: set[str] = set()
        self.lifted = Lifted()
        self.held_back: set[str] = set()
        self.awaiting = Awaiting()
        self.undated: dict[str, dict[str, int]] = {}
        self.newcomers: dict[str, int] = {}
        self.newcomers_from_ms = FOREVER_MS
        self._marks = count(1)
        self._changes: list[Want] = []
        self._fresh: list[Fresh] = []
        self._spared = Spared(allowed)
        self._holds = holds
        self._keeps = keeps
        self._held_back_from_ms: int | None = None
        self._running = RunningBans()
        self._known_lists: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._keys = 0
        self._ends = Ends()
        # Until when a set may have had to hold a key for a ban that does not run, or is enforced elsewhere.
        self._until_ms: dict[str, int] = {}
        self._forgot_ms = 0
        self._heard_ms = 0

    @property
    def active(self) -> int:
        """How many keys are under a ban that should be enforced."""
        return self._keys - len(self._spared.out)

    def banned_by_jail(self) -> dict[str, int]:
        """Tell how many keys are under a ban of each jail that should be enforced, allowlisted ones included."""
        return self._running.number_by_jail()

    @property
    def allowlisted(self) -> AbstractSet[str]:
        """The keys under a running ban of which nothing is wanted, since the allowlist has them."""
        return self._spared.out

    @property
    def parted(self) -> Mapping[str, tuple[str, ...]]:
        """The pieces in which ranges are wanted that hold somebody of the allowlist."""
        return self._spared.parted

    def is_running(self, key: str) -> bool:
        """Tell whether a ban of *key* runs in one of the blocklists."""
        return key in self._running

    def attack(self, blocklist: str, key: str) -> tuple[int, int] | None:
        """Tell when *key* attacked last, and for how long it was banned for that; None if no ban of it runs.

        Whom somebody banned by hand is taken to attack now: that ban is to find room before all others.
        """
        bans = (ban for _, ban in self._running.of(key) if blocklist in ban.blocklists)
        return max(((ban.attacked_ms, ban.length_ms) for ban in bans), default=None)

    def explains(self, key: str, since_ms: int) -> bool:
        """Tell whether a ban of *key*, whatever its blocklists, lasted until *since_ms* or longer.

        Bans that ended more than 15 minutes ago are forgotten.
        """
        if key in self.undated or self._until_ms.get(key, -FOREVER_MS) >= since_ms:
            return True
        return any(ban.until_ms >= since_ms for _, ban in self._running.of(key))

    def remembered(self) -> set[str]:
        """Tell which keys have bans that run, or ended lately."""
        return self._running.banned().union(self._until_ms, self.undated)

    def take_changes(self) -> list[Want]:
        """Take what changed since this was last asked, in the order in which it did."""
        changes, self._changes = self._changes, []
        return changes

    def take_fresh(self) -> list[Fresh]:
        """Take the bans that are new since this was last asked."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def look_for_newcomers(self, from_ms: int) -> None:
        """Remember from now on who was banned at *from_ms* or later."""
        self.newcomers, self.newcomers_from_ms = {}, from_ms

    def forget_newcomers(self) -> None:
        """Remember no longer who was banned lately."""
        self.look_for_newcomers(FOREVER_MS)

    def take_in(self, who: OffenderId, ban: Ban, now_ms: int, lifted_ms: int = 0) -> None:
        """Take the last ban of one offender as it is now; *lifted_ms* says when one was last lifted."""
        if ban is UNREADABLE:
            self._hold_on(who)
            return
        if self.undated:
            self._let_go(who)
        if ban.observed:
            # One before it may have been enforced: what of that is left in a set is ours.
            if ban.count > 1:
                self._remember(who.key, ban.start_ms)
            self._end(who.jail, who.key)
            return
        self._heard_ms = now_ms
        blocklists = self._ours(ban.blocklists)
        is_lifted = now_ms + _CLOCKS_MS >= ban.until_ms <= lifted_ms
        # A ban that was over when it was found counts for escalation and is never written.
        if is_lifted or ban.until_ms < now_ms or not blocklists:
            self._remember(who.key, ban.until_ms)
            self._end(who.jail, who.key)
            if is_lifted:
                self.lifted.note(who.key, ban.until_ms)
        else:
            if ban.start_ms >= self.newcomers_from_ms:
                self.newcomers[who.key] = ban.start_ms
            # To the minute, so that there are few lengths, also where each ban has another random one.
            length_ms = -(-ban.length_ms // MINUTE_MS) * MINUTE_MS
            self._start(who, Running(ban.start_ms, ban.until_ms, blocklists, length_ms, ban.origin))

    def _hold_on(self, who: OffenderId) -> None:
        """Leave in the sets what they hold of a ban whose end nobody knows: no ban is lifted early.

        Nothing of it is put in: it may have ended long ago. One that is known to run goes on.
        """
        if not is_key(who.key):
            self.unreadable.add(who.key)
            return
        self.undated.setdefault(who.key, {})[who.jail] = next(self._marks)
        known = self._running.get(*who)
        if known:
            self._start(who, known._replace(until_ms=FOREVER_MS, length_ms=FOREVER_MS))
        else:
            self._spared.note(who.key, is_running=self.is_running(who.key))
            self._resolve(who.key)

    def _let_go(self, who: OffenderId) -> None:
        jails = self.undated.get(who.key)
        if jails and who.jail in jails:
            del jails[who.jail]
            if not jails:
                del self.undated[who.key]
                if not self.is_running(who.key):
                    self._spared.forget(who.key)
            self._resolve(who.key)

    def settle_undated(
        self, key: str, asked: Mapping[str, int], bans: Iterable[tuple[OffenderId, Ban, int]], asked_ms: int
    ) -> None:
        """Take in all that is stored of a key whose ban could not be read: there may be none any more.

        Args:
            key: The key.
            asked: What `undated` held of it when the ledger was asked; what changed since is newer.
            bans: The answer.
            asked_ms: When that was.
        """
        there = self.undated.get(key, {})
        gone = {jail for jail, mark in asked.items() if there.get(jail) == mark}
        for who, ban, lifted_ms in bans:
            if who.jail in gone:
                gone.discard(who.jail)
                self.take_in(who, ban, asked_ms, lifted_ms)
        for jail in gone:
            who = OffenderId(jail, key)
            self._let_go(who)
            self._end(*who)

    def _ours(self, blocklists: tuple[str, ...]) -> tuple[str, ...]:
        ours = self._known_lists.get(blocklists)
        if ours is None:
            # One object for thousands of bans.
            ours = self._known_lists[blocklists] = tuple(name for name in blocklists if name in self.wanted)
        return ours

    def _remember(self, key: str, until_ms: int) -> None:
        self._until_ms[key] = max(until_ms, self._until_ms.get(key, until_ms))

    def replace(self, bans: Iterable[tuple[OffenderId, Ban, int]], now_ms: int) -> int:
        """Take *bans* for all that there are; tell how many these are."""
        # Whoever is not among *bans* was forgotten by the ledger, and would stay until the end that was known.
        gone = self._running.banned_by_jail()
        for key, jails in self.undated.items():
            for jail in jails:
                gone.setdefault(jail, set()).add(key)
        self._until_ms = {}
        self.lifted.clear()
        number = 0
        for who, ban, lifted_ms in bans:
            number += 1
            if who.jail in gone:
                gone[who.jail].discard(who.key)
            self.take_in(who, ban, now_ms, lifted_ms)
        for who in (OffenderId(jail, key) for jail, keys in gone.items() for key in keys):
            self._let_go(who)
            self._end(*who, is_remembered=False)
        return number

    def expire(self, now_ms: int) -> None:
        """End the bans whose end has passed."""
        for key in self._ends.take_due(now_ms):
            for jail, ban in self._running.of(key):
                if ban.until_ms < now_ms:
                    self._end(jail, key)
                elif ban.until_ms // SPAN_MS <= now_ms // SPAN_MS:  # later in this span
                    self._ends.note(key, ban.until_ms)
        if now_ms - self._forgot_ms >= _FORGET_EVERY_MS:
            self._forgot_ms = now_ms
            before_ms = now_ms - KEPT_AFTER_END_MS
            self._until_ms = {key: until_ms for key, until_ms in self._until_ms.items() if until_ms >= before_ms}
            self.lifted.forget(before_ms)

    def allow(self, allowed: Networks) -> None:
        """Use another allowlist."""
        running = self._running.banned()
        for key in self._spared.use(allowed, running | self.undated.keys()):
            self._spared.note(key, is_running=key in running)
            self._resolve(key, is_parted_anew=True)

    def hold_back(self, from_ms: int | None) -> None:
        """Keep bans that start at *from_ms* or later out, unless a set holds the key already; None lets all in."""
        earlier_ms, self._held_back_from_ms = self._held_back_from_ms, from_ms
        concerned = [ms for ms in (earlier_ms, from_ms) if ms is not None]
        if earlier_ms == from_ms:
            return
        for key, ban in self._running:
            if ban.start_ms >= min(concerned) and not ban.is_ordered:
                # What a set holds stays there: to hold back is to let nobody new in; it lifts nothing.
                self._resolve(key, only_held=True)

    def reconsider(self) -> None:
        """Let in what is held back, or undated, although a set turned out to hold it."""
        for key in [*self.held_back, *self.undated]:
            self._resolve(key)

    def is_new(self, ban: Fresh) -> bool:
        """Tell whether a ban would be a new one for WAF: it is to be enforced where no set holds its key yet."""
        if ban.key in self._spared.out:
            return False
        # Asked of every ban at a takeover: `any` takes twice as long.
        for name in ban.blocklists:  # noqa: SIM110
            if not self._in_sets(self._holds, name, ban.key):
                return True
        return False

    def _start(self, who: OffenderId, ban: Running) -> None:
        jail, key = who
        known = self._running.get(jail, key)
        if known == ban:
            return
        is_first = known is None and not self.is_running(key)
        if known is None:
            if not is_key(key):
                self.unreadable.add(key)
                return
            if is_first:
                self._keys += 1
                self._spared.note(key)
                self.lifted.discard(key)
        if (self.is_heard or ban.start_ms >= self.newcomers_from_ms) and _is_another(ban, known):
            self._await(key, ban)
        self._running.put(jail, key, ban)
        # A later end is nothing new for the surge guard: when all bans are extended, nobody new is banned.
        if self.is_counted and _is_fresh(ban, known):
            self._fresh.append(Fresh(ban.start_ms, key, ban.blocklists))
        self._ends.note(key, ban.until_ms)
        # Each extension left an end behind; of hot addresses these would be most of all.
        if known is not None and len(self._ends) > 2 * len(self._running) + _SLACK:
            self._rebuild_ends()
        self._resolve(key, [(jail, ban)] if is_first else None)

    def _await(self, key: str, ban: Running) -> None:
        # What a set holds already is never put in, and would wait for ever.
        if self.is_new(Fresh(ban.start_ms, key, ban.blocklists)):
            self.awaiting.note(key, Awaited(self._heard_ms, None if ban.origin else ban.start_ms))

    def _rebuild_ends(self) -> None:
        self._ends = Ends()
        for key, ban in self._running:
            self._ends.note(key, ban.until_ms)

    def _end(self, jail: str, key: str, *, is_remembered: bool = True) -> None:
        ban = self._running.pop(jail, key)
        if ban is None:
            return
        if is_remembered:
            self._remember(key, ban.until_ms)
        if not self.is_running(key):
            self._keys -= 1
            if key in self.undated:
                self._spared.note(key, is_running=False)
            else:
                self._spared.forget(key)
            self.lifted.discard(key)
            self.newcomers.pop(key, None)
            self.awaiting.forget(key)
        self._resolve(key)

    def _resolve(
        self,
        key: str,
        bans: Iterable[tuple[str, Running]] | None = None,
        *,
        only_held: bool = False,
        is_parted_anew: bool = False,
    ) -> None:
        """Find out in which blocklists *key* is wanted for its bans, and note what changed."""
        new = self._wants(key, self._running.of(key) if bans is None else bans, only_held=only_held)
        for name, wanted in self.wanted.items():
            until_ms = new.get(name)
            if wanted.get(key) != until_ms or (is_parted_anew and until_ms is not None):
                if self.is_heard:
                    self._changes.append(Want(name, key, until_ms, self._spared.pieces_of(key)))
                if until_ms is None:
                    del wanted[key]
                else:
                    wanted[key] = until_ms

    def _wants(self, key: str, bans: Iterable[tuple[str, Running]], *, only_held: bool) -> dict[str, int]:
        """Tell in which blocklists *key* is wanted for *bans* until when, and note whether it is held back."""
        new: dict[str, int] = {}
        is_holding_back = self._held_back_from_ms is not None
        if self.held_back:
            self.held_back.discard(key)
        if self.undated and key in self.undated and not self._spared.is_out(key):
            new = {name: FOREVER_MS for name in self.wanted if self._stays(name, key)}
        if key not in self._spared.out:
            for _, ban in bans:
                for name in ban.blocklists:
                    if is_holding_back and not self._may_enter(ban, name, key, only_held=only_held):
                        self.held_back.add(key)
                    elif ban.until_ms > new.get(name, -FOREVER_MS):
                        new[name] = ban.until_ms
        return new

    def _stays(self, blocklist: str, key: str) -> bool:
        return key in self.wanted[blocklist] or self._in_sets(self._keeps, blocklist, key)

    def _may_enter(self, ban: Running, blocklist: str, key: str, *, only_held: bool) -> bool:
        if self._held_back_from_ms is None or ban.start_ms < self._held_back_from_ms or ban.is_ordered:
            return True
        return (not only_held and key in self.wanted[blocklist]) or self._in_sets(self._holds, blocklist, key)

    def _in_sets(self, is_in: Callable[[str, str], bool], blocklist: str, key: str) -> bool:
        """Tell whether the sets have *key*, as a whole or in pieces."""
        pieces = self._spared.pieces_of(key)
        return is_in(blocklist, key) or (bool(pieces) and all(is_in(blocklist, each) for each in pieces))


def _is_another(ban: Running, known: Running | None) -> bool:
    return known is None or known.start_ms != ban.start_ms


def _is_fresh(ban: Running, known: Running | None) -> bool:
    if ban.is_ordered:
        return False
    return _is_another(ban, known) or not set(ban.blocklists) <= set(known.blocklists if known else ())
