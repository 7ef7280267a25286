"""An enforcer in memory on a virtual clock, whose parts fail when they are told to."""

from __future__ import annotations

import threading
from itertools import count, pairwise
from typing import TYPE_CHECKING

from prometheus_client import REGISTRY

from f2b_worker.domain.acts.act import Act, Verb
from f2b_worker.domain.acts.control import EVERY_BLOCKLIST
from f2b_worker.domain.blocklists import SET_CAPACITY, Blocklist
from f2b_worker.domain.jails import Jail, Policy
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.verdicts import UNREADABLE, Ban, Offender, OffenderId
from f2b_worker.domain.networks import NEVER_BANNED, Networks
from f2b_worker.enforcer import Enforcer, LedgerAdopter
from f2b_worker.ports import StandingBan
from f2b_worker.testing import (
    FakeClock,
    MemoryActs,
    MemoryIpSet,
    MemoryIpSetFinder,
    MemoryLease,
    MemoryLedger,
    MemoryNotebook,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from f2b_worker.errors import F2bError
    from f2b_worker.ports import IpSetContents

A, B, C = "203.0.113.1/32", "203.0.113.2/32", "203.0.113.3/32"
FOREIGN = "198.51.100.0/24"
V6 = "2001:db8::/64"
UNBAN_LAG_S = 30.0
REGION = "eu-central-1"


def strangers(family: int = 4) -> Iterator[str]:
    """Name one key after the other, none twice."""
    for number in count(1):
        yield f"198.18.{number // 256}.{number % 256}/32" if family == 4 else f"2001:db8:{number:x}::/64"


def gaps_s(times_s: Sequence[float]) -> list[float]:
    """Tell how long after each time the next one was."""
    return [later - earlier for earlier, later in pairwise(times_s)]


def shown(name: str, region: str = REGION, **labels: str) -> float | None:
    """Read a metric of one Region; None if it is not shown."""
    return REGISTRY.get_sample_value(name, {"region": region, **labels})


class Clock(FakeClock):
    """A clock that tells somebody whenever time has passed, and finds out a loop that does not wait."""

    def __init__(self) -> None:
        super().__init__()
        self.on_wait: Callable[[], None] = lambda: None
        self._spins = 0

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        self._spins = 0 if seconds > 0.001 else self._spins + 1
        assert self._spins < 100, "the loop spins"

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        is_set = super().wait(event, timeout_s)
        self.on_wait()
        return is_set


class IpSet(MemoryIpSet):
    """An IP set that remembers when it was written, and fails or loses answers where it is told to.

    Attributes:
        tries_s: When an update was tried, on the clock of all sets together.
        fails: What the next updates raise.
        reads_fail: What every reading raises while it is set.
        loses_answers: Whether those updates take effect before they raise.
    """

    def __init__(self, clock: Clock, tries_s: list[float], family: int = 4, name: str = "") -> None:
        super().__init__(family, name=name)
        self.tries_s = tries_s
        self.fails: list[F2bError] = []
        self.reads_fail: F2bError | None = None
        self.loses_answers = False
        self._clock = clock

    def read(self) -> IpSetContents:
        if self.reads_fail:
            raise self.reads_fail
        return super().read()

    def write(self, entries: Iterable[str], token: str) -> str:
        self.tries_s.append(self._clock.monotonic_s())
        if self.fails:
            if self.loses_answers:
                self.edit(entries)
            raise self.fails.pop(0)
        return super().write(entries, token)


class Ledger(MemoryLedger):
    """A ledger that counts how often it is asked for changes, and fails if it is told to.

    Attributes:
        asked: How often it was asked for changes.
        asked_of: The keys that it was asked about by themselves.
        failure: What every question raises while it is set.
        refuses: What the questions about one key raise while it is set.
        damaged: The keys whose items cannot be read, though who follows was told of them.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.asked = 0
        self.asked_of: list[str] = []
        self.refuses: F2bError | None = None
        self.damaged: set[str] = set()
        self.failure: F2bError | None = None

    def changed_since(self, cursor: int) -> tuple[list[StandingBan], int]:
        if self.failure:
            raise self.failure
        self.asked += 1
        return super().changed_since(cursor)

    def standing_of(self, key: str) -> list[StandingBan]:
        failure = self.failure or self.refuses
        if failure:
            raise failure
        self.asked_of.append(key)
        found = super().standing_of(key)
        return [StandingBan(each.who, UNREADABLE) for each in found] if key in self.damaged else found


class Scene:
    """One enforcer, and everything around it.

    Args:
        blocklists: All of them have two sets, one a family; by default one that is called "block".
        limit: How many new bans a minute the surge guard lets in.
        capacity: Entries in one set.

    Attributes:
        chance: What brings two writers out of step.
    """

    def __init__(self, *blocklists: Blocklist, limit: int = 0, capacity: int = SET_CAPACITY) -> None:
        self.clock = Clock()
        self.ledger = Ledger(self.clock)
        self.tries_s: list[float] = []
        self.blocklists = blocklists or (Blocklist("block", ("f2b",)),)
        self.limit = limit
        self.capacity = capacity
        self.finder = MemoryIpSetFinder({each.name: [] for each in self.blocklists})
        self.v4 = self.make_set(4)
        self.v6 = self.make_set(6)
        for each in self.blocklists[1:]:
            self.make_set(4, each.name)
            self.make_set(6, each.name)
        self.lease = MemoryLease()
        self.notebook = MemoryNotebook()
        self.jail = Jail("adopted")
        self.apart: tuple[str, ...] = ()
        self.acts = MemoryActs(self.ledger)
        self._acted = count(1)
        self.chance: Callable[[], float] = lambda: 0.5
        self.enforcer = self.another()

    @property
    def policy(self) -> Policy:
        return Policy(jails={"adopted": self.jail})

    @property
    def held(self) -> tuple[set[str], set[str]]:
        """What the IPv4 set and the IPv6 set hold."""
        return set(self.v4.held), set(self.v6.held)

    def make_set(self, family: int = 4, blocklist: str = "") -> IpSet:
        """Make another set of a blocklist, which the finder finds."""
        blocklist = blocklist or self.blocklists[0].name
        ip_sets = self.finder.ip_sets[blocklist]
        ip_set = IpSet(self.clock, self.tries_s, family, f"{blocklist}-ipv{family}-{len(ip_sets)}")
        ip_sets.append(ip_set)
        return ip_set

    def another(
        self,
        *allowed: str,
        lease: MemoryLease | None = None,
        region: str = REGION,
        aside: Callable[[Callable[[], None]], None] = lambda work: work(),
    ) -> Enforcer:
        return Enforcer(
            self.ledger,
            self.finder,
            lease or self.lease,
            self.notebook,
            blocklists=self.blocklists,
            allowed=Networks(allowed),
            apart=Networks([*NEVER_BANNED.entries, *self.apart]),
            control=self.acts.control(),
            clock=self.clock,
            region=region,
            unban_lag_s=UNBAN_LAG_S,
            max_new_bans_per_minute=self.limit,
            adopter=LedgerAdopter(self.ledger, lambda: self.policy, self.clock),
            capacity=self.capacity,
            chance=self.chance,
            aside=aside,
        )

    def restart(self, *allowed: str) -> None:
        """Let another worker take over, which knows only what was stored."""
        self.enforcer = self.another(*allowed, lease=MemoryLease())

    def ban(
        self,
        *keys: str,
        seconds: float = 3600,
        ago_s: float = 0,
        jail: str = "default",
        blocklists: tuple[str, ...] = ("block",),
        count: int = 1,
        observed: bool = False,
        origin: str = "",
    ) -> None:
        start_ms = self.clock.now_ms() - round(ago_s * 1000)
        for key in keys:
            who = OffenderId(jail, key)
            seen = self.ledger.record({who: []})[who]
            assert isinstance(seen, Offender)
            length_ms = round(seconds * 1000)
            ban = Ban(
                start_ms,
                start_ms + length_ms,
                count,
                length_ms,
                observed=observed,
                blocklists=blocklists,
                origin=origin,
            )
            self.ledger.commit({who: Decision(seen, ban)})

    def act(self, verb: Verb) -> Act:
        """Do something by hand, now."""
        return Act(str(next(self._acted)), self.clock.now_ms(), "jane@console", verb, reason="looked at it")

    def lift(self, *keys: str, jail: str = "default") -> None:
        self.acts.lift(self.act(Verb.UNBAN), [OffenderId(jail, key) for key in keys])

    def allow(self, *entries: str) -> None:
        self.enforcer.allow(Networks(entries), Networks([*NEVER_BANNED.entries, *self.apart, *entries]))

    def pause(self, blocklist: str = EVERY_BLOCKLIST, seconds: float | None = None) -> None:
        until_ms = None if seconds is None else self.clock.now_ms() + round(1000 * seconds)
        self.acts.pause(self.act(Verb.PAUSE), blocklist, until_ms)
        self.enforcer.obey(self.acts.control())

    def resume(self, blocklist: str = EVERY_BLOCKLIST) -> None:
        self.acts.resume(self.act(Verb.RESUME), blocklist)
        self.enforcer.obey(self.acts.control())

    def pass_time(
        self, seconds: float, *, every_s: float | None = None, do: Callable[[], None] | None = None
    ) -> None:
        """Tick for *seconds*, as the loop does; *do* something now and then."""
        ends_s = self.clock.monotonic_s() + seconds
        next_s = self.clock.monotonic_s()
        while self.clock.monotonic_s() < ends_s:
            if do and every_s and self.clock.monotonic_s() >= next_s:
                do()
                next_s += every_s
            self.clock.advance(min(self.enforcer.tick(), ends_s - self.clock.monotonic_s() + 1e-6))

    def run(self, seconds: float) -> None:
        """Run the loop itself for *seconds*, and stop it."""
        wake, stop = threading.Event(), threading.Event()
        ends_s = self.clock.monotonic_s() + seconds

        def look() -> None:
            if self.clock.monotonic_s() >= ends_s:
                stop.set()
                wake.set()

        self.clock.on_wait = look
        self.enforcer.run(wake, stop)

    def settle(self, *keys: str) -> None:
        """Let *keys* be banned and enforced, and forget what that took."""
        self.ban(*keys)
        self.pass_time(10)
        assert self.v4.held | self.v6.held >= set(keys)
        self.tries_s.clear()
        self.v4.reads = self.v6.reads = self.v4.writes = self.v6.writes = 0
