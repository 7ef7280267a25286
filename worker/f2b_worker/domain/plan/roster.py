"""From the bans of all jails to which key is wanted in which blocklist until when, by differences."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.domain.addresses import canonical
from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.domain.judge.verdicts import UNREADABLE, OffenderId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from f2b_worker.domain.judge.verdicts import Ban
    from f2b_worker.domain.networks import Networks

_SLACK = 1000


class Want(NamedTuple):
    """One change of what is wanted: *key* in *blocklist* until then; None for no longer.

    *at_once* says that the key must not wait for its removal: it is on the allowlist.
    """

    blocklist: str
    key: str
    until_ms: int | None
    at_once: bool = False


class Fresh(NamedTuple):
    """A ban that was not known before: the surge guard counts it."""

    start_ms: int
    key: str
    blocklists: tuple[str, ...]


class _Running(NamedTuple):
    start_ms: int
    until_ms: int
    blocklists: tuple[str, ...]


class Roster:
    """The running bans by key, and what follows from them for the blocklists.

    A key banned in several jails is wanted in the union of their blocklists, in each until the latest end. At its
    end a ban still counts. A key that touches the allowlist is never wanted.

    Args:
        blocklists: The blocklists to look after; bans elsewhere are remembered, no more.
        allowed: The allowlist.
        holds: Tells whether an IP set of a blocklist holds a key.
        keeps: Tells whether it does so by an entry of ours.

    Attributes:
        ours: Every key that was ever banned and is still remembered, whatever the blocklist, and until when a
            set may have had to hold it, in epoch milliseconds.
        unreadable: What stands in the place of a key and is none; such bans are left out.
        undated: The jails of each key whose ban there is stored and cannot be read.
        allowlisted: The keys under a running ban that are not wanted since they touch the allowlist.
        held_back: The keys under a running ban that the surge guard keeps out of some blocklist.
    """

    def __init__(
        self,
        blocklists: Iterable[str],
        allowed: Networks,
        holds: Callable[[str, str], bool] = lambda _b, _k: False,
        keeps: Callable[[str, str], bool] = lambda _b, _k: False,
    ) -> None:
        self.wanted: dict[str, dict[str, int]] = {name: {} for name in blocklists}
        self.ours: dict[str, int] = {}
        self.unreadable: set[str] = set()
        self.allowlisted: set[str] = set()
        self.held_back: set[str] = set()
        self.undated: dict[str, set[str]] = {}
        self._changes: list[Want] = []
        self._fresh: list[Fresh] = []
        self._allowed = allowed
        self._holds = holds
        self._keeps = keeps
        self._held_back_from_ms: int | None = None
        self._running: dict[str, dict[str, _Running]] = {}
        self._ends: list[tuple[int, str, str]] = []
        self._bans = 0

    @property
    def active(self) -> int:
        """How many keys are under a ban that should be enforced."""
        return len(self._running) - len(self.allowlisted)

    def is_running(self, key: str) -> bool:
        """Tell whether a ban of *key* runs in one of the blocklists."""
        return key in self._running

    def take_changes(self) -> list[Want]:
        """Take what changed since this was last asked, in the order in which it did."""
        changes, self._changes = self._changes, []
        return changes

    def take_fresh(self) -> list[Fresh]:
        """Take the bans that are new since this was last asked."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def take_in(self, who: OffenderId, ban: Ban, now_ms: int) -> None:
        """Take the last ban of one offender as it is now."""
        if ban is UNREADABLE:
            self._hold_on(who)
            return
        self._let_go(who)
        if ban.observed:
            # One before it may have been enforced: what of that is left in a set is ours.
            if ban.count > 1:
                self._remember(who.key, ban.start_ms)
            self._end(who.jail, who.key)
            return
        self._remember(who.key, ban.until_ms)
        blocklists = tuple(name for name in ban.blocklists if name in self.wanted)
        # A ban that was over when it was found counts for escalation and is never written.
        if ban.until_ms < now_ms or not blocklists:
            self._end(who.jail, who.key)
        else:
            self._start(who, _Running(ban.start_ms, ban.until_ms, blocklists))

    def _hold_on(self, who: OffenderId) -> None:
        """Leave in the sets what they hold of a ban whose end nobody knows: no ban is lifted early.

        Nothing of it is put in: it may have ended long ago. One that is known to run goes on.
        """
        if not _is_readable(who.key):
            self.unreadable.add(who.key)
            return
        self._remember(who.key, FOREVER_MS)
        self.undated.setdefault(who.key, set()).add(who.jail)
        known = self._running.get(who.key, {}).get(who.jail)
        if known:
            self._start(who, known._replace(until_ms=FOREVER_MS))
        else:
            self._resolve(who.key)

    def _let_go(self, who: OffenderId) -> None:
        jails = self.undated.get(who.key)
        if jails and who.jail in jails:
            jails.discard(who.jail)
            if not jails:
                del self.undated[who.key]
            self._resolve(who.key)

    def _remember(self, key: str, until_ms: int) -> None:
        self.ours[key] = max(until_ms, self.ours.get(key, until_ms))

    def replace(self, bans: Iterable[tuple[OffenderId, Ban]], now_ms: int) -> None:
        """Take *bans* for all that there are."""
        # Whoever is not among *bans* was forgotten by the ledger, and would stay until the end that was known.
        gone = {(key, jail) for key, running in self._running.items() for jail in running}
        gone.update((key, jail) for key, jails in self.undated.items() for jail in jails)
        self.ours = {}
        for who, ban in bans:
            gone.discard((who.key, who.jail))
            self.take_in(who, ban, now_ms)
        for key, jail in gone:
            self._let_go(OffenderId(jail, key))
            self._end(jail, key)

    def expire(self, now_ms: int) -> None:
        """End the bans whose end has passed."""
        while self._ends and self._ends[0][0] < now_ms:
            until_ms, key, jail = heappop(self._ends)
            running = self._running.get(key, {}).get(jail)
            # An extension leaves the earlier end in the heap.
            if running and running.until_ms == until_ms:
                self._end(jail, key)

    def allow(self, allowed: Networks) -> None:
        """Use another allowlist."""
        self._allowed = allowed
        for key in self._running:
            self._note_allowlisted(key)
        for key in self._running.keys() | self.undated.keys():
            self._resolve(key, at_once=allowed.touches(key))

    def hold_back(self, from_ms: int | None) -> None:
        """Keep bans that start at *from_ms* or later out, unless a set holds the key already; None lets all in."""
        earlier_ms, self._held_back_from_ms = self._held_back_from_ms, from_ms
        concerned = [ms for ms in (earlier_ms, from_ms) if ms is not None]
        if earlier_ms == from_ms:
            return
        for key, running in self._running.items():
            if any(each.start_ms >= min(concerned) for each in running.values()):
                # What a set holds stays there: to hold back is to let nobody new in; it lifts nothing.
                self._resolve(key, only_held=True)

    def reconsider(self) -> None:
        """Let in what is held back, or undated, although a set turned out to hold it."""
        for key in [*self.held_back, *self.undated]:
            self._resolve(key)

    def is_new(self, ban: Fresh) -> bool:
        """Tell whether a ban would be a new one for WAF: it is to be enforced where no set holds its key yet."""
        return ban.key not in self.allowlisted and not all(self._holds(name, ban.key) for name in ban.blocklists)

    def _start(self, who: OffenderId, ban: _Running) -> None:
        running = self._running.get(who.key)
        if running is None:
            if not _is_readable(who.key):
                self.unreadable.add(who.key)
                return
            running = self._running[who.key] = {}
            self._note_allowlisted(who.key)
        known = running.get(who.jail)
        if known == ban:
            return
        running[who.jail] = ban
        self._bans += known is None
        # A later end is nothing new for the surge guard: when all bans are extended, nobody new is banned.
        if known is None or known.start_ms != ban.start_ms or set(ban.blocklists) - set(known.blocklists):
            self._fresh.append(Fresh(ban.start_ms, who.key, ban.blocklists))
        heappush(self._ends, (ban.until_ms, who.key, who.jail))
        # Each extension left an end behind; of hot addresses these would be most of the heap.
        if len(self._ends) > 2 * self._bans + _SLACK:
            self._rebuild_ends()
        self._resolve(who.key)

    def _rebuild_ends(self) -> None:
        self._ends = [
            (ban.until_ms, key, jail) for key, bans in self._running.items() for jail, ban in bans.items()
        ]
        heapify(self._ends)

    def _end(self, jail: str, key: str) -> None:
        running = self._running.get(key)
        if running is None or running.pop(jail, None) is None:
            return
        self._bans -= 1
        if not running:
            del self._running[key]
            self.allowlisted.discard(key)
        self._resolve(key)

    def _note_allowlisted(self, key: str) -> None:
        if self._allowed.touches(key):
            self.allowlisted.add(key)
        else:
            self.allowlisted.discard(key)

    def _resolve(self, key: str, *, only_held: bool = False, at_once: bool = False) -> None:
        """Find out in which blocklists *key* is wanted, and note what changed."""
        new: dict[str, int] = {}
        self.held_back.discard(key)
        if key in self.undated and not self._allowed.touches(key):
            new = {name: FOREVER_MS for name in self.wanted if self._stays(name, key)}
        if key not in self.allowlisted:
            for ban in self._running.get(key, {}).values():
                for name in ban.blocklists:
                    if self._may_enter(ban, name, key, only_held=only_held):
                        new[name] = max(ban.until_ms, new.get(name, ban.until_ms))
                    else:
                        self.held_back.add(key)
        for name, wanted in self.wanted.items():
            until_ms = new.get(name)
            if wanted.get(key) != until_ms:
                self._changes.append(Want(name, key, until_ms, at_once))
                if until_ms is None:
                    del wanted[key]
                else:
                    wanted[key] = until_ms

    def _stays(self, blocklist: str, key: str) -> bool:
        return key in self.wanted[blocklist] or self._keeps(blocklist, key)

    def _may_enter(self, ban: _Running, blocklist: str, key: str, *, only_held: bool) -> bool:
        if self._held_back_from_ms is None or ban.start_ms < self._held_back_from_ms:
            return True
        return (not only_held and key in self.wanted[blocklist]) or self._holds(blocklist, key)


def _is_readable(key: str) -> bool:
    try:
        return canonical(key) == key
    except ValueError:
        return False
