"""In-memory twins of the adapters, for tests and trials: each passes the contract suite of its port."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from dataclasses import replace
from itertools import count
from struct import Struct
from typing import TYPE_CHECKING

from f2b_worker.domain.addresses import canonical
from f2b_worker.domain.verdicts import Ban, Hit, Offender, OffenderId
from f2b_worker.errors import BadEntry, F2bError, LockLost
from f2b_worker.ports import Changes, IpSetContents, Message, StandingBan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from f2b_worker.domain.docket import Infraction
    from f2b_worker.ports import DeadLetter, Sentence


class FakeClock:
    """A clock that moves only when it is told to; waiting moves it."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._start_ms = now_ms
        self._passed_s = 0.0

    def now_ms(self) -> int:
        """Tell the virtual wall-clock time in epoch milliseconds."""
        return self._start_ms + round(self._passed_s * 1000)

    def monotonic_s(self) -> float:
        """Tell the virtual time in seconds since the clock was made."""
        return self._passed_s

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Let *timeout_s* pass at once, unless *event* is set."""
        if not event.is_set():
            self.advance(max(0.0, timeout_s))
        return event.is_set()

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass."""
        self._passed_s += seconds


class MemoryInbox:
    """A queue in memory. Set `failure` to make every call raise it."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self.waiting: deque[Message] = deque()
        self.in_flight: dict[str, Message] = {}
        self.dead: list[DeadLetter] = []
        self.kept = 0
        self.visibility_s = 60.0
        self.failure: F2bError | None = None
        self._now_ms = now_ms
        self._numbers = count(1)

    def put(self, body: str, *, sent_at_ms: int | None = None) -> str:
        """Send one message; answer its id."""
        message_id = f"message-{next(self._numbers)}"
        at_ms = self._now_ms if sent_at_ms is None else sent_at_ms
        self.waiting.append(Message(message_id, f"receipt-{message_id}", body, at_ms, deliveries=0))
        return message_id

    def receive(self, *, wait_s: float) -> list[Message]:
        """Receive up to ten messages; never waits."""
        del wait_s
        self._fail_if_told()
        received: list[Message] = []
        while self.waiting and len(received) < 10:
            message = self.waiting.popleft()
            message = replace(message, deliveries=message.deliveries + 1)
            self.in_flight[message.id] = message
            received.append(message)
        return received

    def delete(self, messages: Sequence[Message]) -> None:
        """Delete messages for good; deleting twice is no error."""
        self._fail_if_told()
        for message in messages:
            self.in_flight.pop(message.id, None)

    def keep(self, messages: Sequence[Message]) -> None:
        """Count how often messages were kept; they never become visible by themselves."""
        self._fail_if_told()
        self.kept += len(messages)

    def release(self, messages: Sequence[Message]) -> None:
        """Make messages visible again, at once."""
        self._fail_if_told()
        for message in messages:
            released = self.in_flight.pop(message.id, None)
            if released:
                self.waiting.append(released)

    def bury(self, letter: DeadLetter) -> None:
        """Keep *letter* among the dead ones."""
        self._fail_if_told()
        self.dead.append(letter)

    def _fail_if_told(self) -> None:
        if self.failure:
            raise self.failure


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
    """Offenders and bans in memory, for any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._offenders = _Shelf()
        self._history: dict[OffenderId, dict[int, Ban]] = {}
        self._changed: dict[OffenderId, int] = {}
        self._changes = count(1)

    def record(self, hits: Mapping[OffenderId, Sequence[Hit]]) -> dict[OffenderId, Offender | Exception]:
        """Add hits to what is remembered; answer everything that is remembered then."""
        answers: dict[OffenderId, Offender | Exception] = {}
        for who, new in hits.items():
            with self._lock:
                seen = self._offenders.get(who)
                known = answers[who] = replace(seen, hits=seen.hits.union(new))
                self._offenders.put(who, known)
        return answers

    def commit(self, sentences: Mapping[OffenderId, Sentence]) -> dict[OffenderId, Offender | Exception]:
        """Store each offender's bans, all or none; answer what is remembered then."""
        answers: dict[OffenderId, Offender | Exception] = {}
        for who, sentence in sentences.items():
            with self._lock:
                current = self._offenders.get(who)
                if current.revision == sentence.seen.revision:
                    current = self._store(who, current, sentence)
                answers[who] = current
        return answers

    def _store(self, who: OffenderId, current: Offender, sentence: Sentence) -> Offender:
        last = sentence.changed[-1]
        spent = {hit for hit in sentence.seen.hits if hit.at_ms <= last.until_ms}
        history = self._history.setdefault(who, {})
        for ban in sentence.changed:
            evidence = ban.evidence or (history[ban.start_ms].evidence if ban.start_ms in history else ())
            history[ban.start_ms] = replace(ban, evidence=evidence)
        stored = Offender(current.hits - spent, replace(last, evidence=()), current.revision + 1)
        self._offenders.put(who, stored)
        self._changed[who] = next(self._changes)
        return stored

    def trim(self, who: OffenderId, spent: Iterable[Hit]) -> None:
        """Forget hits that can no longer count."""
        with self._lock:
            seen = self._offenders.get(who)
            self._offenders.put(who, replace(seen, hits=seen.hits.difference(spent)))

    def standing(self) -> Iterator[StandingBan]:
        """Read the last ban of every offender."""
        with self._lock:
            return iter([StandingBan(who, self._last(who)) for who in self._changed])

    def changes(self, cursor: int) -> Changes:
        """Read the bans that were stored since *cursor*; 0 reads all."""
        with self._lock:
            new = [who for who, number in self._changed.items() if number > cursor]
            newest = max(self._changed.values(), default=0)
            return Changes(tuple(StandingBan(who, self._last(who)) for who in new), newest)

    def history(self, who: OffenderId) -> list[Ban]:
        """Read every remembered ban of one offender, oldest first."""
        with self._lock:
            bans = self._history.get(who, {})
            return [bans[start_ms] for start_ms in sorted(bans)]

    def offender(self, who: OffenderId) -> Offender:
        """Read what is remembered of one offender; a stranger is an offender without a past."""
        with self._lock:
            return self._offenders.get(who)

    def standing_of(self, key: str) -> list[StandingBan]:
        """Read the last ban of one address key in each jail."""
        return [each for each in self.standing() if each.who.key == key]

    def _last(self, who: OffenderId) -> Ban:
        bans = self._history[who]
        return replace(bans[max(bans)], evidence=())


class MemoryIpSet:
    """An IP set in memory that counts its calls.

    Attributes:
        refuses: Entries that WAF would not take.
        failure: Raised by every call while it is set.
    """

    def __init__(self, family: int = 4, entries: Iterable[str] = (), name: str = "") -> None:
        self.held = frozenset(map(canonical, entries))
        self.refuses: set[str] = set()
        self.failure: F2bError | None = None
        self.reads = 0
        self.writes = 0
        self._family = family
        self._name = name or f"memory-ipv{family}"
        self._version = 1

    @property
    def name(self) -> str:
        """The name by which people know it."""
        return self._name

    @property
    def family(self) -> int:
        """The family, 4 or 6, of everything that it holds."""
        return self._family

    def read(self) -> IpSetContents:
        """Read the whole set."""
        self._fail_if_told()
        self.reads += 1
        return IpSetContents(self.held, str(self._version))

    def write(self, entries: Iterable[str], token: str) -> str:
        """Replace the whole set; answer the token for the next update."""
        self._fail_if_told()
        if token != str(self._version):
            raise LockLost(f"updating IP set {self._name}: the token is stale")
        wanted = frozenset(entries)
        for entry in sorted(wanted & self.refuses):
            raise BadEntry(f"updating IP set {self._name}: {entry} is refused", entry)
        self.edit(wanted)
        self.writes += 1
        return str(self._version)

    def edit(self, entries: Iterable[str]) -> None:
        """Change the set as somebody else would, in the console or by Terraform."""
        self.held = frozenset(entries)
        self._version += 1

    def _fail_if_told(self) -> None:
        if self.failure:
            raise self.failure


class MemoryLease:
    """A lease that one of several enforcers in a test holds."""

    def __init__(self, *, held: bool = True) -> None:
        self.held = held
        self.released = False

    def hold(self) -> bool:
        """Tell whether the lease is held."""
        return self.held

    def release(self) -> None:
        """Give the lease back."""
        self.released = True


class MemoryOutbox:
    """An outbox in memory. Set `failure` to make every call raise it, clear `open` to make `store` wait."""

    def __init__(self) -> None:
        self.stored: list[Infraction] = []
        self.failure: F2bError | None = None
        self.open = asyncio.Event()
        self.open.set()

    async def store(self, infractions: Sequence[Infraction]) -> None:
        """Keep infractions."""
        await self.open.wait()
        await self.check()
        self.stored += infractions

    async def check(self) -> None:
        """Raise the failure, if there is one."""
        if self.failure:
            raise self.failure

    async def close(self) -> None:
        """Do nothing: memory needs no closing."""
