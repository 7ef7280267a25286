"""Workers, readers and scribes over one ban log, who die, sleep and lose answers; and what all must know."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.dynamodb.acts.acts import DynamoActs
from f2b_worker.adapters.dynamodb.ban_log.items import BanLogItems
from f2b_worker.adapters.dynamodb.ban_log.packing import unpack
from f2b_worker.adapters.dynamodb.ban_log.reader import BanLogReader
from f2b_worker.adapters.dynamodb.ban_log.repair import Repair
from f2b_worker.adapters.dynamodb.ban_log.scribe import Scribe
from f2b_worker.adapters.dynamodb.ban_log.snapshot import as_snapshot
from f2b_worker.adapters.dynamodb.ban_log.writer import BanLogWriter
from f2b_worker.adapters.dynamodb.items import ban_item, number, state_key
from f2b_worker.adapters.dynamodb.states import States, as_change
from f2b_worker.domain.acts.act import Act, Verb
from f2b_worker.domain.acts.allowlist import AllowEntry
from f2b_worker.domain.acts.hand_bans import Order
from f2b_worker.domain.ban_log.changes import Bans, Change
from f2b_worker.errors import F2bError
from f2b_worker.testing import FakeClock
from tests.canned_dynamodb import TABLE, Caller, CannedTable, DeathError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from f2b_worker.domain.ban_log.cursor import Cursor
    from f2b_worker.domain.judge.verdicts import Ban, OffenderId

EPOCH = "e1"
LAG_MAX = 4
DAY_S = 86_400.0


class World:
    """A table, what is true, and what every message is about that has not been deleted yet.

    Attributes:
        states: What the ledger holds of each offender: the truth.
        messages: The revisions that stand behind messages still in the queue: whoever judges them finds the state.
        entries: What was ever written under each number of each log.
        bases: What the first snapshot of each log held that a repair began.
    """

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.aws = CannedTable()
        self.aws.watch = self._watch
        self.states: dict[OffenderId, Change] = {}
        self.messages: Counter[tuple[OffenderId, int]] = Counter()
        self.entries: dict[tuple[str, int], tuple[Change, ...]] = {}
        self.bases: dict[str, tuple[Change, ...]] = {EPOCH: ()}
        self._upto: Counter[str] = Counter()
        self._tokens: set[str] = set()
        self.operator = Caller(self.aws)
        self.items(self.operator).begin(EPOCH)

    def items(self, caller: Caller, *, is_strong: bool = True) -> BanLogItems:
        """Make what somebody reads and writes the log with."""
        return BanLogItems(caller.client, TABLE, self.clock, is_strong=is_strong)

    def change(self, who: OffenderId, ban: Ban) -> Change:
        """Store a changed ban, as a judge does with one conditional statement."""
        before = self.states.get(who)
        revision, lifted_ms = (before.revision, before.lifted_ms) if before else (0, 0)
        change = Change(who, ban, revision + 1, lifted_ms)
        self.store(change)
        return change

    def store(self, change: Change) -> None:
        """Let a state be as it is after a change."""
        self.states[change.who] = change
        state = state_key(change.who) | {"ban": {"M": ban_item(change.ban)}, "rev": number(change.revision)}
        if change.lifted_ms:
            state["lifted_ms"] = number(change.lifted_ms)
        self.aws.table.put(state["pk"]["S"], state["sk"]["S"], state, None)

    @property
    def allowed(self) -> set[str]:
        """Which networks are on the allowlist."""
        return set(self.aws.table.partitions.get("allow", {}))

    @property
    def epoch(self) -> str:
        """Which log takes numbers; empty if nobody can tell."""
        found = self.aws.table.get("log", "seq")
        return str(found[0].get("epoch", {}).get("S", "")) if found else ""

    def now_s(self) -> float:
        return self.clock.monotonic_s()

    def _watch(self, operation: str, request: dict[str, Any]) -> None:
        """Hold every write against the rules that make the log right."""
        if operation == "TransactWriteItems":
            token = request.get("ClientRequestToken", "")
            if token in self._tokens:  # it was done before, and is answered only
                return
            self._tokens |= {token} - {""}
            for each in request["TransactItems"]:
                if "Put" in each:
                    self._watch_put(each["Put"]["Item"])
                elif "Update" in each:
                    self._learn(each["Update"]["Key"])
        elif operation == "PutItem":
            self._watch_put(request["Item"])

    def _learn(self, key: dict[str, Any]) -> None:
        """Take it that a state is as somebody changed it by hand."""
        found = self.aws.table.get(key["pk"]["S"], key["sk"]["S"])
        change = as_change(found[0]) if found and key["pk"]["S"].startswith("ip#") else None
        if change:
            before = self.states.get(change.who)
            assert change.revision == (before.revision if before else 0) + 1, "each act is done once"
            self.states[change.who] = change

    def _watch_put(self, item: dict[str, Any]) -> None:
        pk = item["pk"]["S"]
        if pk.startswith("log#"):
            _, epoch, number = pk.split("#")
            place = epoch, int(number)
            # Of a log that a repair has ended nobody reads what has expired by now.
            assert place not in self.entries or epoch != self.epoch, "a number is written once, and never changes"
            self.entries[place] = changes_of(item)
            is_known = place[1] <= self._upto[epoch] and epoch == self.epoch
            assert "void" not in item or not is_known, "nothing is voided that a snapshot has"
        elif pk == "log" and "parts" in item:
            self._look_at_snapshot(item)

    def _look_at_snapshot(self, item: dict[str, Any]) -> None:
        snapshot = as_snapshot(item)
        assert snapshot.upto >= self._upto[snapshot.epoch], "the pointer never moves back"
        self._upto[snapshot.epoch] = snapshot.upto
        folded, held = Bans(), Bans()
        folded.take_in(self.bases.get(snapshot.epoch, ()))
        for place in range(1, snapshot.upto + 1):
            folded.take_in(self.entries[snapshot.epoch, place])
        for part in snapshot.parts:
            for place in range(part.items):
                stored = self.aws.table.get(f"part#{part.id}#{place}", "part")
                assert stored, "each part is there before the pointer"
                held.take_in(changes_of(stored[0]))
        if snapshot.epoch not in self.bases:
            self.bases[snapshot.epoch] = tuple(held.newest.values())
            return
        for who, change in folded.newest.items():
            if who in held.newest or change.ban.until_ms > self.clock.now_ms():
                assert held.newest.get(who) == change, "a snapshot is the log folded up to its number"
        assert set(held.newest) <= set(folded.newest)

    def collect(self) -> None:
        """Let go what is over its time to live; of an offender whose state went nothing is true any more."""
        now_s = self.clock.now_ms() // 1000
        for partition in self.aws.table.partitions.values():
            for sk in [
                sk for sk, (item, _) in partition.items() if "ttl" in item and int(item["ttl"]["N"]) < now_s
            ]:
                del partition[sk]
        there = {(pk, sk) for pk, partition in self.aws.table.partitions.items() for sk in partition}
        keys = {who: state_key(who) for who in self.states}
        gone = [who for who, key in keys.items() if (key["pk"]["S"], key["sk"]["S"]) not in there]
        for who in gone:
            del self.states[who]

    def running(self) -> dict[OffenderId, Change]:
        """Tell what everybody must know in the end."""
        now_ms = self.clock.now_ms()
        return {who: change for who, change in self.states.items() if change.ban.until_ms > now_ms}


def changes_of(item: dict[str, Any]) -> tuple[Change, ...]:
    """Read what an item holds."""
    return tuple(unpack(item["c"]["B"]).changes) if "c" in item else ()


class Worker:
    """Judges messages and logs what they were judged against; a dead one has a successor."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.caller = Caller(world.aws)
        self._begin()

    def _begin(self) -> None:
        self._writer = BanLogWriter(self.world.items(self.caller), self.world.clock)

    def turn(self, judged: Sequence[OffenderId]) -> None:
        """Log the bans of *judged*, and delete the messages about what was logged."""
        try:
            for _ in range(3):
                read_s = self.world.now_s()
                due = [self.world.states[who] for who in judged]
                if self._writer.append(due, read_s=read_s):
                    self._delete(due)
                    return
        except F2bError:
            return  # the messages come again
        except DeathError:
            self._begin()

    def _delete(self, logged: Iterable[Change]) -> None:
        for change in logged:
            for message in [each for each in self.world.messages if each[0] == change.who]:
                if message[1] <= change.revision:
                    del self.world.messages[message]


class Operator:
    """Who lifts, bans and allows by hand, and may die or lose answers in any call; nobody stands behind him."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.caller = world.operator
        self._done = 0

    def lift(self, whom: Sequence[OffenderId], *, forget: bool) -> None:
        """Lift bans, and if it is not known whether they are lifted, once more."""
        self._do(Verb.UNBAN, lambda acts, act: acts.lift(act, whom, forget=forget))

    def ban(self, whom: Sequence[OffenderId], length_ms: int) -> None:
        """Ban by hand."""
        orders = {who: Order(self.world.clock.now_ms() + length_ms) for who in whom}
        self._do(Verb.BAN, lambda acts, act: acts.ban(act, orders))

    def allow(self, networks: Sequence[str], *, is_over: bool) -> None:
        """Change the allowlist."""
        entries = [AllowEntry(network, None, "", "me", self.world.clock.now_ms()) for network in networks]
        if is_over:
            self._do(Verb.DISALLOW, lambda acts, act: acts.disallow(act, networks))
        else:
            self._do(Verb.ALLOW, lambda acts, act: acts.allow(act, entries))

    def _do(self, verb: Verb, do: Callable[[DynamoActs, Act], object]) -> None:
        self._done += 1
        act = Act(f"act-{self._done}", self.world.clock.now_ms(), "me", verb)
        for _ in range(2):
            acts = DynamoActs(self.caller.client, TABLE, self.world.clock, aside=_unexpected)
            try:
                with suppress(F2bError, DeathError):
                    do(acts, act)
            finally:
                acts.close()


class Reader:
    """A follower with a memory of its own."""

    def __init__(self, world: World, *, is_strong: bool) -> None:
        self.world = world
        self.caller = Caller(world.aws)
        items = world.items(self.caller, is_strong=is_strong)
        self._reader = BanLogReader(
            items, world.clock, lag_max=LAG_MAX, aside=_unexpected, looked=self._look_at_the_allowlist
        )
        self.allowed: set[str] = set()
        self.bans = Bans()
        self.cursor: Cursor | None = None

    def poll(self) -> None:
        """Read on; whatever goes wrong, the next poll reads on."""
        try:
            reading = self._reader.follow(self.cursor) if self.cursor else self._reader.start()
        except (DeathError, F2bError):
            return
        if reading.is_anew:
            self.bans = Bans()
        self.bans.take_in(reading.changes())
        self.cursor = reading.cursor
        clock = self.world.clock
        self.bans.forget_ended(self.cursor.complete_ms(now_ms=clock.now_ms(), now_s=clock.monotonic_s()))

    def _look_at_the_allowlist(self) -> None:
        self.allowed = self.world.allowed

    def known(self) -> dict[OffenderId, Change]:
        """Tell which running bans it knows."""
        now_ms = self.world.clock.now_ms()
        return {who: change for who, change in self.bans.newest.items() if change.ban.until_ms > now_ms}


class Scribing:
    """A scribe that may die in any tick; nobody keeps it from working beside another one."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.caller = Caller(world.aws)
        self._start()

    def _start(self) -> None:
        items = self.world.items(self.caller)
        reader = BanLogReader(items, self.world.clock, lag_max=None, aside=_unexpected)
        self._scribe = Scribe(items, reader, self.world.clock)

    def tick(self) -> None:
        """Work on; a dead one begins anew."""
        try:
            self._scribe.tick()
        except F2bError:
            return
        except DeathError:
            self._start()


class Repairing:
    """Who repairs, and may die in the midst of it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.caller = Caller(world.aws)

    def run(self) -> None:
        """Make log and snapshot anew, or leave that to the next one."""
        items = self.world.items(self.caller)
        states = States(self.caller.client, TABLE, self.world.clock, aside=_unexpected)
        with suppress(DeathError, F2bError):
            Repair(items, states, self.world.clock).run()


def is_whole(world: World) -> bool:
    """Tell whether readers can start from what the table holds of the log."""
    items = world.items(Caller(world.aws))
    try:
        top, snapshot = items.top(), items.snapshot()
    except F2bError:
        return False
    if snapshot is None or snapshot.epoch != top.epoch:
        return False
    return all(world.aws.table.get(name, "part") for part in snapshot.parts for name in part.names)


def _unexpected(error: Exception) -> None:
    raise error
