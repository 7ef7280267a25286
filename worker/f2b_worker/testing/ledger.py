"""The ledger in memory: offenders, bans, and the enforcer's lease and notebook."""

from __future__ import annotations

import threading
from dataclasses import replace
from itertools import count
from struct import Struct
from typing import TYPE_CHECKING

from f2b_worker.domain.ban_log.changes import KEPT_AFTER_END_MS
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.verdicts import UNREADABLE, Ban, Hit, Offender, OffenderId
from f2b_worker.domain.plan.surge import held_back_from
from f2b_worker.ports import Changes, Notes, StandingBan

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from f2b_worker.domain.noted_sets import NotedSets
    from f2b_worker.errors import F2bError
    from f2b_worker.ports import Answers, Clock, EntryKind

_HIT_HEAD = Struct(">qHH")  # epoch milliseconds, weight, and how many bytes of id follow


class _Shelf:
    """Offenders by jail and key; those without a ban, nearly all of them, as a few dozen bytes."""

    def __init__(self) -> None:
        self._jails: dict[str, dict[str, bytes | Offender]] = {}

    def get(self, who: OffenderId) -> Offender:
        found = self._jails.get(who.jail, {}).get(who.key, b"")
        return found if isinstance(found, Offender) else Offender(frozenset(_unpacked(found)))

    def put(self, who: OffenderId, offender: Offender) -> None:
        small = offender.ban is None and offender.revision == 0
        self._jails.setdefault(who.jail, {})[who.key] = _packed(offender.hits) if small else offender

    def jails_of(self, key: str) -> list[str]:
        return sorted(jail for jail, keys in self._jails.items() if key in keys)


def _packed(hits: Iterable[Hit]) -> bytes:
    encoded = ((hit, hit.id.encode()) for hit in hits)
    return b"".join(_HIT_HEAD.pack(hit.at_ms, hit.weight, len(text)) + text for hit, text in encoded)


def _unpacked(packed: bytes) -> Iterator[Hit]:
    place = 0
    while place < len(packed):
        at_ms, weight, length = _HIT_HEAD.unpack_from(packed, place)
        place += _HIT_HEAD.size + length
        yield Hit(at_ms, packed[place - length : place].decode(), weight)


class MemoryLedger:
    """Offenders and bans in memory, for any number of threads.

    Args:
        clock: Tells whoever begins to follow which bans ended too long ago to be told of; None: all are told.

    Attributes:
        kept_ms: For how long it was last told to remember offenders; it remembers them as long as it lives.
        unreadable: Offenders whose ban those who follow all bans cannot read.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._offenders = _Shelf()
        self._history: dict[OffenderId, dict[int, Ban]] = {}
        self._changed: dict[OffenderId, int] = {}
        self._changes = count(1)
        self._amended: set[OffenderId] = set()
        self.kept_ms: int | None = None
        self.unreadable: set[OffenderId] = set()

    def record(self, hits: Mapping[OffenderId, Sequence[Hit]]) -> Answers:
        """Add hits to what is remembered; answer everything that is remembered then."""
        answers: Answers = {}
        for who, new in hits.items():
            with self._lock:
                seen = self._offenders.get(who)
                known = answers[who] = replace(seen, hits=seen.hits.union(new))
                self._offenders.put(who, known)
        return answers

    def ban_strangers(self, bans: Mapping[OffenderId, Ban]) -> Answers:
        """Store the first bans of those of whom nothing is remembered; answer whom it banned."""
        nothing = Offender()
        answers: Answers = {}
        for who, ban in bans.items():
            with self._lock:
                if self._offenders.get(who) == nothing:
                    answers[who] = self._store(who, nothing, Decision(nothing, ban))
        return answers

    def commit(self, decisions: Mapping[OffenderId, Decision]) -> Answers:
        """Store each offender's bans, all or none; answer what is remembered then."""
        answers: Answers = {}
        for who, decision in decisions.items():
            with self._lock:
                current = self._offenders.get(who)
                if current.revision == decision.seen.revision:
                    current = self._store(who, current, decision)
                answers[who] = current
        return answers

    def _store(self, who: OffenderId, current: Offender, decision: Decision) -> Offender:
        history = self._history.setdefault(who, {})
        ban = decision.last
        evidence = ban.evidence or (history[ban.start_ms].evidence if ban.start_ms in history else ())
        history[ban.start_ms] = replace(ban, evidence=evidence)
        stored = decision.applied(current)
        self._offenders.put(who, stored)
        self._changed[who] = next(self._changes)
        return stored

    def amend(self, who: OffenderId, change: Callable[[Offender], Offender | None]) -> tuple[Offender, Offender]:
        """Change what is remembered of one offender by hand; answer what was before, and what is then.

        Args:
            who: Whose.
            change: Answers what is to be remembered; None: no change.
        """
        with self._lock:
            before = self._offenders.get(who)
            after = change(before)
            if after is None:
                return before, before
            if after.ban:
                self._amend_history(who, before.ban, after.ban)
                self._changed[who] = next(self._changes)
            self._offenders.put(who, after)
            self._amended.add(who)
            return before, after

    def _amend_history(self, who: OffenderId, before: Ban | None, after: Ban) -> None:
        history = self._history.setdefault(who, {})
        # A lifted ban may start earlier than before, and is the same one; a new one starts later.
        same = history.pop(before.start_ms, before) if before and after.start_ms <= before.start_ms else None
        history[after.start_ms] = replace(after, evidence=same.evidence if same else ())

    def jails_of(self, key: str) -> list[OffenderId]:
        """Find in which jails anything is remembered of one address key."""
        with self._lock:
            return [OffenderId(jail, key) for jail in self._offenders.jails_of(key)]

    def keep_for(self, kept_ms: int) -> None:
        """Take note of it."""
        self.kept_ms = kept_ms

    def news(self) -> Mapping[OffenderId, Offender]:
        """Tell what people did by hand since this was last asked: nobody else stores anything."""
        with self._lock:
            amended, self._amended = self._amended, set()
            return {who: replace(self._offenders.get(who), hits=frozenset()) for who in amended}

    @property
    def has_more_news(self) -> bool:
        """Tell no: all are told at once."""
        return False

    def trim(self, who: OffenderId, spent: Iterable[Hit]) -> None:
        """Forget hits that can no longer count."""
        with self._lock:
            seen = self._offenders.get(who)
            self._offenders.put(who, replace(seen, hits=seen.hits.difference(spent)))

    def standing(self) -> list[StandingBan]:
        """Read the last ban of every offender."""
        with self._lock:
            return [self._standing(who) for who in self._changed]

    def follow(self) -> MemoryFollower:
        """Follow the bans from now on."""
        return MemoryFollower(self, self._clock)

    def changed_since(self, cursor: int) -> tuple[list[StandingBan], int]:
        """Read the bans that were stored since *cursor*, and where to go on."""
        with self._lock:
            new = [who for who, number in self._changed.items() if number > cursor]
            return list(map(self._standing, new)), max(self._changed.values(), default=0)

    def publish(self, offenders: Mapping[OffenderId, Offender]) -> Mapping[OffenderId, F2bError]:
        """Do nothing: whoever follows the bans finds what is stored."""
        del offenders
        return {}

    def history(self, who: OffenderId) -> list[Ban]:
        """Read every remembered ban of one offender, oldest first."""
        with self._lock:
            bans = self._history.get(who, {})
            return [bans[start_ms] for start_ms in sorted(bans)]

    def offender(self, who: OffenderId) -> Offender:
        """Read what is remembered of one offender; a stranger is an offender without a past."""
        with self._lock:
            return self._offenders.get(who)

    def last_bans(self, whom: Collection[OffenderId]) -> dict[OffenderId, Ban | F2bError]:
        """Read the last bans of many, with their evidence."""
        with self._lock:
            return {who: bans[max(bans)] for who in whom if (bans := self._history.get(who))}

    def standing_of(self, key: str) -> list[StandingBan]:
        """Read the last ban of one address key in each jail."""
        with self._lock:
            return [self._standing(who) for who in list(self._changed) if who.key == key]

    def _standing(self, who: OffenderId) -> StandingBan:
        ban = UNREADABLE if who in self.unreadable else self._last(who)
        return StandingBan(who, ban, self._offenders.get(who).lifted_ms)

    def _last(self, who: OffenderId) -> Ban:
        bans = self._history[who]
        return replace(bans[max(bans)], evidence=())


class MemoryFollower:
    """Follows the bans of a ledger in memory."""

    def __init__(self, ledger: MemoryLedger, clock: Clock | None) -> None:
        self._ledger = ledger
        self._clock = clock
        self._cursor: int | None = None

    def poll(self) -> Changes:
        """Read what changed; at first everything."""
        bans, cursor = self._ledger.changed_since(self._cursor or 0)
        is_all, self._cursor = self._cursor is None, cursor
        if is_all and self._clock:
            oldest_ms = self._clock.now_ms() - KEPT_AFTER_END_MS
            bans = [each for each in bans if each.ban.until_ms >= oldest_ms or each.ban is UNREADABLE]
        return Changes(bans, is_all=is_all)


class MemoryLease:
    """A lease that one of several enforcers in a test holds, or is to hold next."""

    def __init__(self, *, held: bool = True) -> None:
        self.held = held
        self.is_next = False
        self.released = False

    def hold(self) -> bool:
        """Tell whether the lease is held."""
        return self.held

    def release(self) -> None:
        """Give the lease back."""
        self.released = True


class MemoryNotebook:
    """An enforcer's notes in memory. Set `failure` to make every call raise it.

    Attributes:
        written: How often entries or a surge were noted.
        lost: The notes that cannot be read, by name; what was noted there counts for nothing.
    """

    def __init__(self) -> None:
        self.failure: F2bError | None = None
        self.written = 0
        self.lost: frozenset[str] = frozenset()
        self._entries: dict[EntryKind, dict[str, frozenset[str]]] = {"foreign": {}, "networks": {}}
        self._swept_ms: dict[str, int] = {}
        self._held_back_from_ms: int | None = None
        self._released_ms: int | None = None
        self._sets: NotedSets | None = None

    def read(self) -> Notes:
        """Read everything that was noted."""
        self._fail_if_told()
        from_ms = held_back_from(self._held_back_from_ms, self._released_ms)
        foreign, networks = (
            {each: entries for each, entries in self._entries[kind].items() if f"{kind}#{each}" not in self.lost}
            for kind in ("foreign", "networks")
        )
        swept_ms = dict(self._swept_ms)
        return Notes(foreign, from_ms, self._released_ms, networks, swept_ms, self.lost, self._sets)

    def note_entries(self, kind: EntryKind, ip_set_id: str, entries: frozenset[str]) -> None:
        """Replace what was noted of one kind of entries in one IP set; none remove the note."""
        self._fail_if_told()
        self.written += 1
        self._entries[kind].pop(ip_set_id, None)
        if entries:
            self._entries[kind][ip_set_id] = entries

    def note_swept(self, swept_ms: Mapping[str, int]) -> None:
        """Replace what was noted of when the last ended ban had left each IP set."""
        self._fail_if_told()
        self._swept_ms = dict(swept_ms)

    def note_sets(self, noted: NotedSets) -> None:
        """Replace what was noted of how the IP sets are."""
        self._fail_if_told()
        self._sets = noted

    def note_surge(self, held_back_from_ms: int | None) -> None:
        """Note that bans from *held_back_from_ms* on are held back; None: no more."""
        self._fail_if_told()
        self.written += 1
        self._held_back_from_ms = held_back_from_ms

    def note_release(self, now_ms: int) -> None:
        """Let in all bans that start up to *now_ms*."""
        self._fail_if_told()
        self._released_ms = max(now_ms, self._released_ms or now_ms)

    def _fail_if_told(self) -> None:
        if self.failure:
            raise self.failure
