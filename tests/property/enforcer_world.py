"""Two enforcers, IP sets that fail, change and vanish, and a model of what must be true of them."""

from __future__ import annotations

from collections import defaultdict
from itertools import count
from typing import TYPE_CHECKING

from f2b_worker.domain.acts.act import Act, Verb
from f2b_worker.domain.acts.control import Control, Pause
from f2b_worker.domain.addresses import family_of, network_of
from f2b_worker.domain.backoff import BACKOFF_MAX_S
from f2b_worker.domain.blocklists import Blocklist, Collapse
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.verdicts import Ban, OffenderId
from f2b_worker.domain.networks import Networks
from f2b_worker.enforcer import AUDIT_S, FIND_S, Enforcer
from f2b_worker.errors import F2bError, Throttled, Unavailable
from f2b_worker.testing import FakeClock, MemoryActs, MemoryIpSet, MemoryIpSetFinder, MemoryLedger, MemoryNotebook

if TYPE_CHECKING:
    from collections.abc import Iterable

    from f2b_worker.ports import Lease, StandingBan

UNBAN_LAG_S = 20.0
LATE_S = 7.0
QUIET_S = AUDIT_S + UNBAN_LAG_S + 40
CAPACITY = 6
COLLAPSE = Collapse(at_least=3, ipv4_prefix=24)
KEYS = [
    *(f"203.0.113.{host}/32" for host in range(1, 6)),
    *(f"192.0.2.{host}/32" for host in range(1, 4)),
    "2001:db8::/64",
    "2001:db8:0:1::/64",
]
RANGES = ["203.0.113.0/29", "192.0.2.0/30"]
ALLOWED = [KEYS[0], KEYS[4], KEYS[8], "192.0.2.0/25", "192.0.2.0/32", "203.0.113.6/31"]
STRANGE = ["198.51.100.0/24", "192.0.2.9/32", "2001:db8:ff::/48"]


class WorldLedger(MemoryLedger):
    """A ledger that may not answer."""

    failure: F2bError | None = None

    def changed_since(self, cursor: int) -> tuple[list[StandingBan], int]:
        if self.failure:
            raise self.failure
        return super().changed_since(cursor)

    def standing_of(self, key: str) -> list[StandingBan]:
        if self.failure:
            raise self.failure
        return super().standing_of(key)


class WorldLease:
    """A lease that moves; who lost it finds out before getting it again."""

    def __init__(self) -> None:
        self.is_held = False
        self.was_lost = False
        self.is_next = False

    def hold(self) -> bool:
        if self.was_lost:
            self.was_lost = False
            return False
        return self.is_held

    def release(self) -> None:
        self.is_held = False


class WorldIpSet(MemoryIpSet):
    """An IP set that shows every update to the world, and fails as it is told to."""

    def __init__(self, world: World, blocklist: str, family: int, number: int) -> None:
        super().__init__(family, name=f"{blocklist}-ipv{family}-{number}")
        self.blocklist = blocklist
        self.faults: list[str] = []
        self.late: tuple[float, frozenset[str], str] | None = None
        self.made_s = world.clock.monotonic_s()
        self._world = world

    def write(self, entries: Iterable[str], token: str) -> str:
        fault = self.faults.pop(0) if self.faults else ""
        self._world.see_try(is_refused=fault == "throttled")
        if fault == "throttled":
            raise Throttled("rate exceeded")
        if fault == "unavailable":
            raise Unavailable("no answer")
        if fault == "late":
            self.late = (self._world.clock.monotonic_s() + LATE_S, frozenset(entries), token)
            raise Unavailable("no answer")
        before = self.held
        answer = super().write(entries, token)
        self._world.see_update(self, before)
        if fault == "lost answer":
            raise Unavailable("no answer")
        return answer

    def land(self, now_s: float) -> None:
        """Let an update that nobody waits for any more take effect, unless somebody else wrote first."""
        if self.late and now_s >= self.late[0]:
            (_, entries, token), self.late = self.late, None
            if token == str(self._version):
                self._world.excused |= self.held - entries
                self.edit(entries)


class World:
    """Two enforcers and everything around them, and what must be true of it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.ledger = WorldLedger(self.clock)
        self.notebook = MemoryNotebook()
        self.blocklists = (Blocklist("block", ("f2b",)), Blocklist("captcha", ("c",), collapse=COLLAPSE))
        self.finder = MemoryIpSetFinder({"block": [], "captcha": []})
        self.sets: list[WorldIpSet] = []
        for blocklist, family in (("block", 4), ("block", 6), ("captcha", 4)):
            self.add_set(blocklist, family)
        self.claims: dict[str, set[str]] = defaultdict(set)
        self.allowed = Networks()
        self.control = Control()
        self.acts = MemoryActs(self.ledger)
        self.acted = count(1)
        self.lifted: set[str] = set()
        self.lately: dict[str, set[str]] = defaultdict(set)
        self.bans: dict[OffenderId, tuple[Ban, float]] = {}
        self.excused: set[str] = set()
        self.tries_s: list[float] = []
        self.calls_s = (float("-inf"), float("-inf"))
        self.leases = [WorldLease(), WorldLease()]
        self.enforcers = [self.enforcer(lease) for lease in self.leases]
        self.due_s = [0.0, 0.0]
        self.leases[0].is_held = True

    def enforcer(self, lease: Lease) -> Enforcer:
        return Enforcer(
            self.ledger,
            self.finder,
            lease,
            self.notebook,
            blocklists=self.blocklists,
            allowed=self.allowed,
            control=self.control,
            clock=self.clock,
            unban_lag_s=UNBAN_LAG_S,
            capacity=CAPACITY,
            chance=lambda: 0.5,
            aside=lambda work: work(),
        )

    # What happens.

    def add_set(self, blocklist: str, family: int) -> None:
        ip_set = WorldIpSet(self, blocklist, family, len(self.sets))
        self.sets.append(ip_set)
        self.finder.ip_sets[blocklist].append(ip_set)

    @property
    def living(self) -> list[WorldIpSet]:
        return [each for each in self.sets if not each.deleted]

    def delete(self, ip_set: WorldIpSet) -> None:
        ip_set.deleted = True
        self.excused |= ip_set.held
        self.claims.pop(ip_set.id, None)

    def ban(self, key: str, jail: str, seconds: float, blocklists: tuple[str, ...]) -> None:
        who = OffenderId(jail, key)
        now_ms = self.clock.now_ms()
        seen = self.ledger.offender(who)
        ban = Ban(now_ms, now_ms + round(seconds * 1000), 1, round(seconds * 1000), blocklists=blocklists)
        if seen.ban and seen.ban.until_ms >= now_ms and not seen.ban.observed:  # an extension
            until_ms = max(ban.until_ms, seen.ban.until_ms)
            ban = Ban(seen.ban.start_ms, until_ms, 1, ban.length_ms, 1, blocklists=seen.ban.blocklists)
        self.ledger.commit({who: Decision(seen, ban)})
        self.bans[who] = (ban, self.clock.monotonic_s())

    def observe(self, key: str, jail: str) -> None:
        """A jail that only observes now bans, after the end of a ban that was enforced perhaps."""
        who = OffenderId(jail, key)
        now_ms = self.clock.now_ms()
        seen = self.ledger.offender(who)
        if seen.ban is None or seen.ban.until_ms < now_ms:
            ban = Ban(now_ms, now_ms + 50_000, 2 if seen.ban else 1, 50_000, observed=True)
            self.ledger.commit({who: Decision(seen, ban)})
            self.bans[who] = (ban, self.clock.monotonic_s())

    def lift(self, key: str, jail: str) -> None:
        """Somebody lifts a ban, or a remembered one that is over."""
        who = OffenderId(jail, key)
        act = Act(str(next(self.acted)), self.clock.now_ms(), "jane@console", Verb.UNBAN)
        self.acts.lift(act, [who])
        if who in self.bans:
            self.bans[who] = (self.ledger.offender(who).ban or self.bans[who][0], self.clock.monotonic_s())
            self.lifted.add(key)

    def pause(self, **seconds: float) -> None:
        """Somebody pauses blocklists, each for a time, and resumes all others."""
        now_ms = self.clock.now_ms()
        self.control = Control({name: Pause(now_ms, now_ms + round(1000 * s)) for name, s in seconds.items()})
        for each in self.enforcers:
            each.obey(self.control)

    def restart(self, number: int, *allowed: str) -> None:
        self.leases[number].is_held = self.leases[number].was_lost = False
        if allowed:
            self.allow(*allowed)
        self.enforcers[number] = self.enforcer(self.leases[number])

    def check_allowlist(self) -> None:
        for each in self.living:
            for entry in each.held - self.claims[each.id]:
                assert not self.allowed.touches(entry), f"{entry} is on the allowlist"

    def allow(self, *entries: str) -> None:
        for blocklist in ("block", "captcha"):
            self.lately[blocklist].update(self.active(blocklist))
        self.allowed = Networks(entries)
        for each in self.enforcers:
            each.allow(self.allowed)

    def claim(self, ip_set: WorldIpSet, entry: str) -> None:
        """Somebody adds an entry in the console."""
        if entry not in ip_set.held and len(ip_set.held) < CAPACITY:
            ip_set.edit(ip_set.held | {entry})
            self.claims[ip_set.id].add(entry)

    def take_out(self, ip_set: WorldIpSet, entry: str) -> None:
        """Somebody removes an entry in the console."""
        ip_set.edit(ip_set.held - {entry})
        self.claims[ip_set.id].discard(entry)
        self.excused.add(entry)

    def move_lease(self, to: int | None) -> None:
        for number, lease in enumerate(self.leases):
            lease.was_lost |= lease.is_held and number != to
            lease.is_held = number == to
            lease.is_next = to is None

    def pass_time(self, seconds: float, *, pause_least_s: float = 0.001) -> None:
        ends_s = self.clock.monotonic_s() + seconds
        while min(self.due_s) <= ends_s:
            number = min((0, 1), key=lambda each: self.due_s[each])
            self.clock.advance(max(0.0, self.due_s[number] - self.clock.monotonic_s()))
            for each in self.sets:
                each.land(self.clock.monotonic_s())
            try:
                pause_s = self.enforcers[number].tick()
            except F2bError:
                pause_s = 0.5
            assert pause_s > 0
            self.due_s[number] = self.clock.monotonic_s() + max(pause_s, pause_least_s)
        self.clock.advance(max(0.0, ends_s - self.clock.monotonic_s()))

    def calm(self, seconds: float = QUIET_S) -> None:
        """Let every fault end and time pass."""
        self.ledger.failure = self.finder.failure = None
        self.pause()
        for each in self.sets:
            each.failure = None
            each.faults = []
        if not any(lease.is_held for lease in self.leases):
            self.move_lease(0)
        # Loops that are slow: a few ticks a second would show nothing more of a long calm.
        self.pass_time(seconds, pause_least_s=1.0)
        self.lately.clear()

    # What must be true at every update.

    def see_try(self, *, is_refused: bool) -> None:
        """See a call: a refused one changes nothing, each other one may have."""
        now_s = self.clock.monotonic_s()
        assert now_s - self.calls_s[0] >= 1.0, "three calls in one second"
        self.calls_s = (self.calls_s[1], now_s)
        if not is_refused:
            assert not self.tries_s or now_s - self.tries_s[-1] >= 1.0, "two updates in one second"
            self.tries_s.append(now_s)

    def see_update(self, ip_set: WorldIpSet, before: frozenset[str]) -> None:
        for entry in ip_set.held - before:
            assert not self.allowed.touches(entry), f"{entry} is on the allowlist"
            assert family_of(entry) == ip_set.family
        assert len(ip_set.held) <= CAPACITY
        assert not (before - ip_set.held) & self.claims[ip_set.id], "an entry of somebody else's was lost"
        wanted = self.active(ip_set.blocklist, known_for_s=2.5)
        gone = Networks(before - ip_set.held)
        for key in [key for key in wanted if gone.touches(key)]:
            assert self.is_blocked(ip_set.blocklist, key) or self.is_excused(ip_set, key), f"{key} was let out"
        if self.control.pause_of(ip_set.blocklist, self.clock.now_ms()):
            self._see_update_in_pause(before, ip_set.held)

    def _see_update_in_pause(self, before: frozenset[str], after: frozenset[str]) -> None:
        freed = Networks(self.lifted)
        for entry in before - after:
            assert self.allowed.touches(entry) or freed.touches(entry), f"{entry} went in a pause"
        for entry in after - before:
            assert not Networks(before - after).rest_of(entry), f"{entry} came in a pause"

    def is_excused(self, ip_set: WorldIpSet, key: str) -> bool:
        return Networks(self.excused).touches(key) or self.is_full(ip_set.blocklist, ip_set.family, changing=True)

    # What is true.

    def active(
        self, blocklist: str, *, known_for_s: float = 0.0, ended_s: float = 0.0, but_for: Iterable[str] = ()
    ) -> dict[str, int]:
        """Find the entries of the bans that run, or ended a little while ago, stored a little while ago."""
        now_ms, now_s = self.clock.now_ms() - round(1000 * ended_s), self.clock.monotonic_s()
        found: dict[str, int] = {}
        for who, (ban, stored_s) in self.bans.items():
            if ban.observed or blocklist not in ban.blocklists or who.key in but_for:
                continue
            if ban.until_ms >= now_ms and stored_s <= now_s - known_for_s:
                for entry in self.allowed.rest_of(who.key):
                    found[entry] = max(ban.until_ms, found.get(entry, 0))
        return found

    def group(self, blocklist: str, family: int) -> list[WorldIpSet]:
        return [each for each in self.living if each.blocklist == blocklist and each.family == family]

    def is_covered(self, blocklist: str, key: str) -> bool:
        sets = self.group(blocklist, family_of(key))
        return any(key in each.held or (blocklist == "captcha" and network(key) in each.held) for each in sets)

    def is_blocked(self, blocklist: str, key: str) -> bool:
        """Tell whether the sets hold every address of *key*, whatever entries that takes."""
        sets = self.group(blocklist, family_of(key))
        return not Networks(entry for each in sets for entry in each.held).rest_of(key)

    def is_full(self, blocklist: str, family: int, *, changing: bool = False) -> bool:
        """Tell whether there may be no room for all, networks included, in the sets that are not new.

        While the allowlist is *changing*, what was wanted before takes room, too.
        """
        found_s = self.clock.monotonic_s() - FIND_S - BACKOFF_MAX_S
        sets = [each for each in self.group(blocklist, family) if each.made_s <= found_s]
        before = self.lately[blocklist] if changing else set()
        wanted = [key for key in before.union(self.active(blocklist)) if family_of(key) == family]
        networks = {network(key) for key in wanted} if blocklist == "captcha" else set()
        room = sum(CAPACITY - len(self.claims[each.id]) for each in sets)
        return len(wanted) + len(networks) > room

    def check(self) -> None:
        """Check what must be true after a quiet time."""
        for blocklist in ("block", "captcha"):
            for family in (4, 6):
                if self.group(blocklist, family):
                    self._check_group(blocklist, family)

    def _check_group(self, blocklist: str, family: int) -> None:
        wanted = {key: end for key, end in self.active(blocklist).items() if family_of(key) == family}
        sets = self.group(blocklist, family)
        covered = {key for key in wanted if self.is_covered(blocklist, key)}
        if not self.is_full(blocklist, family):
            assert covered == wanted.keys(), f"{wanted.keys() - covered} are not in {blocklist}"
        elif blocklist == "block":
            self._check_full(sets, wanted, covered)
        late = self.active(blocklist, ended_s=UNBAN_LAG_S + 10)
        for each in sets:
            assert self.claims[each.id] <= each.held, "an entry of somebody else's was lost"
            for entry in each.held - self.claims[each.id]:
                assert entry in late or self._is_crowded(entry, blocklist, late), (
                    f"{entry} is still in {each.name}"
                )
                assert not self.allowed.touches(entry), f"{entry} is on the allowlist"

    def _check_full(self, sets: list[WorldIpSet], wanted: dict[str, int], covered: set[str]) -> None:
        claimed = set().union(*(self.claims[each.id] for each in sets))
        room = sum(CAPACITY - len(self.claims[each.id]) for each in sets)
        own = wanted.keys() - claimed
        inside, outside = own & covered, own - covered
        assert len(inside) == min(len(own), room)
        if inside and outside:
            assert min(wanted[key] for key in inside) >= max(wanted[key] for key in outside)

    def _is_crowded(self, entry: str, blocklist: str, wanted: Iterable[str]) -> bool:
        near = [key for key in wanted if network(key) == entry]
        return blocklist == "captcha" and len(near) >= COLLAPSE.at_least


def network(key: str) -> str | None:
    return network_of(key, ipv4_prefix=COLLAPSE.ipv4_prefix, ipv6_prefix=COLLAPSE.ipv6_prefix)
