from __future__ import annotations

import json
from collections import Counter, defaultdict
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from structlog.testing import capture_logs

from f2b_worker.domain.jails import Policy
from f2b_worker.domain.judge.verdicts import OffenderId
from f2b_worker.domain.networks import Networks
from f2b_worker.testing import FakeClock, MemoryLedger
from tests.property.judging import Deed, Law, incomplete, jail_of, unsound
from tests.property.workers_in_steps import Fate, Queue, Worker

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from f2b_worker.domain.judge.verdicts import Ban

LEDGER_REFUSED = "ledger_refused"

settings.register_profile("stateful", deadline=None, derandomize=True, database=None)
PROFILE = settings(
    settings.get_profile("stateful"), max_examples=300, report_multiple_bugs=False, stateful_step_count=30
)

ATTACKERS = [
    "203.0.113.7",
    "::ffff:203.0.113.7",
    "::FFFF:CB00:7107",
    "0000:0000:0000:0000:0000:FFFF:203.0.113.7",
    "203.0.113.9",
    "2001:db8::1",
    "2001:DB8::A:B",
    "2001:0DB8:0000:0000:0000:0000:0000:0002",
    "192.0.2.1",  # the jail that bans feed ignores it
]
ALLOWED = ["198.51.100.0/24", "2001:db8:a::/48"]
PROTECTED = [
    "198.51.100.20",
    "::ffff:198.51.100.20",
    "::FFFF:C633:6414",
    "2001:DB8:A::F",
    "2001:0db8:000a:0000:0000:0000:0000:0001",
    "10.0.0.1",
    "::FFFF:0A00:0001",
    "0:0:0:0:0:ffff:127.0.0.1",
    "169.254.1.1",
    "100.64.0.1",
    "224.0.0.1",
    "0.0.0.0",
    "::",
    "::1",
    "FE80::1",
    "fc00::AB",
    "FF02::1",
]
UNREADABLE = [
    "203.0.113.07",
    "010.0.0.1",
    "::ffff:203.0.113.007",
    "fe80::1%eth0",
    "2001:db8::1%1",
    "203.0.113.7/32",
    "203.0.113.7:99999",
    "",
]
LATE_S = st.sampled_from([0, 0, 0, 20, 60, 150])
OUT_OF_TIME_S = st.sampled_from([-15 * 86_400, 2 * 86_400])  # older than max_age, and too far ahead
OTHERS = st.tuples(st.sampled_from(PROTECTED + UNREADABLE), st.just(0)) | st.tuples(
    st.sampled_from(ATTACKERS), OUT_OF_TIME_S
)
JAILS = st.sampled_from(
    [("login",), ("scan",), ("login", "scan"), ("login", "recidive"), ("scan", "recidive"), ("recidive",)]
)
ROWS = st.lists(st.tuples(st.integers(-9, 2), st.sampled_from([1, 2, 3, 4])), min_size=1, max_size=6)
# The third is fed by the others: reports to it are allowed, and should not ban alone.
ROWS_MAX = {"login": 6, "scan": 6, "recidive": 1}
WEIGHT_MAX = {"login": 4, "scan": 4, "recidive": 2}
CALLS = st.sampled_from(["ban_strangers", "commit", "commit", "history", "history", "record", "bury", "delete"])
FAILURES = st.sampled_from([Fate.DIES_BEFORE, Fate.DIES_AFTER, Fate.DIES_AFTER, *Fate])
FATES = st.lists(st.tuples(st.sampled_from([*[Fate.DONE] * 12, *Fate]), st.integers(0, 3)), min_size=1, max_size=6)
NUMBERS = st.integers(0, 1000)

LOGIN = Law(((4, 20_000),), 20_000, increment=True, maxtime_ms=70_000)
SCAN = Law(((3, 10_000), (6, 30_000)), 30_000)
SHORT_SCAN = Law(SCAN.windows, 4_000)  # sound in any order; nobody can promise more
RECIDIVE = Law(((3, 300_000),), 300_000, increment=True)


def network(text: str, ipv4_prefix: int) -> str:
    """Name what is judged as one, by the standard library."""
    address = ip_address(text)
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(ip_network((address, ipv4_prefix if address.version == 4 else 64), strict=False))


class TwoWorkers(RuleBasedStateMachine):
    """Two workers share a queue and a ledger, each a step at a time; both may die at every one.

    What they must find is worked out from the reports alone, by `tests.property.judging`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.queue = Queue()
        self.ledger = MemoryLedger()
        self.deeds: dict[OffenderId, set[Deed]] = defaultdict(set)
        self.bodies: list[tuple[str, frozenset[str]]] = []
        self.refused: dict[str, frozenset[str]] = {}
        self.seen: dict[OffenderId, list[Ban]] = {}
        self.reports = 0

    @initialize(
        scan=st.sampled_from([SCAN, SHORT_SCAN]),
        wide=st.booleans(),
        observed=st.sampled_from([(), ("scan",), ("scan", "recidive")]),
        spellings=st.sampled_from([4, 5, 5, len(ATTACKERS)]),
    )
    def open(self, scan: Law, wide: bool, observed: tuple[str, ...], spellings: int) -> None:
        self.attackers = ATTACKERS[
            :spellings
        ]  # the fewer addresses, the more the workers get into each other's way
        self.laws = {"login": LOGIN, "scan": scan, "recidive": RECIDIVE}
        self.recidive_prefix = 24 if wide else 32
        self.feeders = [jail for jail in ("login", "scan") if jail not in observed or "recidive" in observed]
        more: dict[str, Any] = {"ipv4_prefix": self.recidive_prefix, "recidive": True}
        jails = {
            "login": jail_of(LOGIN, "login", ignore=Networks(ALLOWED)),
            "scan": jail_of(scan, "scan", ignore=Networks(ALLOWED), observed="scan" in observed),
            "recidive": jail_of(
                RECIDIVE,
                "recidive",
                ignore=Networks([*ALLOWED, "192.0.2.0/24"]),
                observed="recidive" in observed,
                **more,
            ),
        }
        policy = Policy(jails=jails)
        self.workers = [Worker(self.queue, self.ledger, policy, self.clock) for _ in range(2)]

    # What comes in

    @rule(
        spelling=NUMBERS,
        jails=JAILS,
        rows=ROWS,
        late_s=LATE_S,
        others=st.lists(OTHERS, max_size=2),
    )
    def report(
        self,
        spelling: int,
        jails: tuple[str, ...],
        rows: list[tuple[int, int]],
        late_s: int,
        others: list[tuple[str, int]],
    ) -> None:
        ip = self.attackers[spelling % len(self.attackers)]
        items = [
            self.item(ip, jail, at_s - late_s, min(weight, WEIGHT_MAX[jail]))
            for jail in jails
            for at_s, weight in rows[: ROWS_MAX[jail]]
        ]
        for item in items:
            self.hold_against(item)
        apart = [self.item(other, jails[0], at_s, 4) for other, at_s in others]
        refused = [
            item["id"] for item, (_, at_s) in zip(apart, others, strict=True) if at_s or item["ip"] in UNREADABLE
        ]
        self.send(json.dumps(apart + items), frozenset(refused))

    @precondition(lambda self: self.bodies)
    @rule(place=NUMBERS)
    def repeat(self, place: int) -> None:
        self.send(*self.bodies[place % len(self.bodies)])

    def item(self, ip: str, jail: str, at_s: int, weight: int) -> dict[str, Any]:
        self.reports += 1
        at_ms = self.clock.now_ms() + at_s * 1000
        return {"ip": ip, "jail": jail, "at": at_ms / 1000, "weight": weight, "id": f"r{self.reports}"}

    def hold_against(self, item: dict[str, Any]) -> None:
        fed = item["jail"] == "recidive"
        if fed and item["ip"] == "192.0.2.1":
            return
        who = OffenderId(item["jail"], network(item["ip"], self.recidive_prefix if fed else 32))
        self.deeds[who].add(Deed(round(item["at"] * 1000), item["id"], item["weight"]))

    def send(self, body: str, refused: frozenset[str]) -> None:
        self.bodies.append((body, refused))
        self.refused[self.queue.put(body)] = refused

    # What happens to it

    @precondition(lambda self: self.queue.waiting or self.anybody_busy())
    @rule(one=st.sampled_from([0, 1]), places=st.permutations(range(6)), number=st.integers(1, 4), fates=FATES)
    def take_turn(self, one: int, places: list[int], number: int, fates: list[tuple[Fate, int]]) -> None:
        """Let one worker go on, or begin with some of the first six messages, and come as far as the fates go."""
        worker = self.workers[one]
        self.begin(worker, places, number)
        for fate, unlucky in fates:
            if worker.at:
                worker.step(fate, unlucky=unlucky)

    @precondition(lambda self: self.anybody_busy())
    @rule(call=CALLS, times=st.integers(1, 2), fate=FAILURES, unlucky=st.integers(0, 3))
    def fail_at(self, call: str, times: int, fate: Fate, unlucky: int) -> None:
        """Let whoever is busy come to a call, for the first or second time, which ends like that; then finish."""
        for worker in self.workers:
            worker.reach(call)
            if times == 2 and worker.at:
                worker.step()
                worker.reach(call)
            if worker.at:
                worker.step(fate, unlucky=unlucky)
            worker.finish()

    @precondition(lambda self: self.queue.waiting)
    @rule(call=CALLS, number=st.integers(1, 4), first=st.sampled_from([0, 1]))
    def meet_at(self, call: str, number: int, first: int) -> None:
        """Let both come to a call before either of them goes on."""
        for worker in self.workers:
            self.begin(worker, list(range(6)), number)
            worker.reach(call)
        for worker in (self.workers[first], self.workers[1 - first]):
            worker.finish()

    @precondition(lambda self: self.anybody_busy())
    @rule(one=st.sampled_from([0, 1]), stop_in_an_outage=st.sampled_from([False, False, True]))
    def finish(self, one: int, stop_in_an_outage: bool) -> None:
        worker = self.workers[one]
        if worker.at and stop_in_an_outage:
            worker.step(Fate.OUTAGE, stop=True)
        worker.finish()

    def begin(self, worker: Worker, places: list[int], number: int) -> None:
        if not worker.at:
            self.queue.chosen([place for place in places if place < len(self.queue.waiting)], number)
            worker.start()
            self.queue.bring_back()

    def anybody_busy(self) -> bool:
        return any(worker.at for worker in self.workers)

    @precondition(lambda self: self.queue.in_flight)
    @rule()
    def visibility_ends(self) -> None:
        self.queue.show_again()

    @precondition(lambda self: self.bodies)
    @rule(seconds=st.sampled_from([1, 10, 25, 90]))
    def advance(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @precondition(lambda self: self.bodies)
    @rule()
    def settle_everything(self) -> None:
        for turn in range(1000):
            for worker in self.workers:
                worker.finish()
            self.clock.advance(1)  # for what was held back
            self.queue.show_again()
            self.send_again_what_the_ledger_refused()
            if not self.queue.waiting:
                break
            self.workers[turn % 2].start()
        self.check_at_a_quiet_point()

    def send_again_what_the_ledger_refused(self) -> None:
        """Do with such letters what people do."""
        letters = [letter for letter in self.queue.dead if letter.reason == LEDGER_REFUSED]
        self.queue.dead = [letter for letter in self.queue.dead if letter.reason != LEDGER_REFUSED]
        for letter in letters:
            self.send(letter.body, frozenset())

    def teardown(self) -> None:
        try:
            self.settle_everything()
        finally:
            for worker in self.workers:
                worker.finish(Fate.DIES_BEFORE)

    # What must hold at any time

    @invariant()
    def a_stored_ban_never_changes_but_for_a_later_end(self) -> None:
        now = self.bans()
        for who, before in self.seen.items():
            for old, new in zip(before, now[who], strict=False):
                assert new.until_ms >= old.until_ms, (who, old, new)
                assert (new.start_ms, new.count, new.length_ms, new.evidence) == (
                    old.start_ms,
                    old.count,
                    old.length_ms,
                    old.evidence,
                )
            assert len(now[who]) >= len(before)
        self.seen = now

    @invariant()
    def nobody_is_banned_but_who_was_reported_and_may_be(self) -> None:
        assert set(self.seen) <= set(self.counted(self.seen))

    @invariant()
    def every_ban_is_sound(self) -> None:
        deeds = self.counted(self.seen)
        for who, bans in self.seen.items():
            assert unsound(bans, deeds[who], self.laws[who.jail]) == [], who

    @invariant()
    def only_what_cannot_count_is_a_dead_letter(self) -> None:
        letters: dict[str, int] = Counter()
        for letter in self.queue.dead:
            if letter.reason == LEDGER_REFUSED:
                continue
            assert {item["id"] for item in _as_items(letter.body)} == self.refused[letter.message_id]
            letters[letter.message_id] += 1
        twice = self.unanswered("bury")
        assert all(number <= self.queue.delivered[one] + twice for one, number in letters.items())

    def unanswered(self, call: str) -> int:
        return sum(worker.unanswered[call] for worker in self.workers)

    def bans(self) -> dict[OffenderId, list[Ban]]:
        return {each.who: self.ledger.history(each.who) for each in self.ledger.standing()}

    def counted(self, bans: dict[OffenderId, list[Ban]]) -> dict[OffenderId, set[Deed]]:
        """Tell what counts against everybody: what was reported and, for one jail, the bans of the others."""
        deeds = defaultdict(set, {who: set(own) for who, own in self.deeds.items()})
        for who, own in bans.items():
            if who.jail in self.feeders and not who.key.startswith("192.0.2."):
                fed = OffenderId("recidive", network(who.key.split("/")[0], self.recidive_prefix))
                deeds[fed].update(Deed(ban.start_ms, f"a ban of {who}") for ban in own)
        return deeds

    # What must hold when the queue is empty and nobody works

    def check_at_a_quiet_point(self) -> None:
        assert not self.queue.waiting
        assert not self.queue.in_flight
        bans = self.bans()
        faults = [
            f"{who}: {fault}"
            for who, deeds in self.counted(bans).items()
            for fault in self.faults_of(who, bans.get(who, []), deeds)
        ]
        assert faults == []
        self.check_that_no_message_is_lost()

    def faults_of(self, who: OffenderId, bans: list[Ban], deeds: set[Deed]) -> Iterator[str]:
        law = self.laws[who.jail]
        yield from unsound(bans, deeds, law)
        if law.is_honest:
            now_ms = max(self.clock.now_ms(), *(deed.at_ms for deed in deeds))
            yield from incomplete(bans, deeds, law, now_ms)
        yield from self.unknown(who, bans, deeds)

    def unknown(self, who: OffenderId, bans: Sequence[Ban], deeds: set[Deed]) -> Iterator[str]:
        """Find what is neither past, nor inside the last ban, nor remembered: bans that fed nothing, too."""
        kept = Counter((hit.at_ms, hit.weight) for hit in self.ledger.offender(who).hits)
        last = bans[-1] if bans else None
        wanted: dict[tuple[int, int], int] = Counter()
        for deed in deeds:
            if last and last.start_ms < deed.at_ms <= last.until_ms < deed.at_ms + last.length_ms:
                yield f"{deed} does not lengthen the last ban"
            if not last or deed.at_ms > last.until_ms:
                wanted[deed.at_ms, deed.weight] += 1
        for row in sorted(wanted):
            if kept[row] < wanted[row]:
                yield f"{wanted[row]} infractions (time, weight) {row} should be remembered, {kept[row]} are"

    def check_that_no_message_is_lost(self) -> None:
        letters = Counter(letter.message_id for letter in self.queue.dead)
        for message, refused in self.refused.items():
            assert self.queue.deleted[message] >= 1
            assert (letters[message] >= 1) == bool(refused)
            if self.queue.delivered[message] == 1:
                assert 1 <= self.queue.deleted[message] <= 1 + self.unanswered("delete")
                assert letters[message] <= int(bool(refused)) + self.unanswered("bury")


def _as_items(body: str) -> list[dict[str, Any]]:
    items = json.loads(body)
    return items if isinstance(items, list) else [items]


@pytest.fixture(autouse=True)
def _silence() -> Iterator[None]:
    """Every death and outage is logged, thousands of times."""
    with capture_logs():
        yield


TestTwoWorkers = TwoWorkers.TestCase
TestTwoWorkers.settings = PROFILE


@pytest.mark.parametrize(
    ("jails", "call", "times", "fate"),
    [
        (
            ("login", "recidive"),
            "ban_strangers",
            1,
            Fate.DIES_AFTER,
        ),  # the ban feeds beside a report
        (("login",), "record", 1, Fate.ONE_REFUSED),  # what the ban feeds is refused
        (("login",), "history", 1, Fate.DIES_AFTER),
    ],
)
def test_a_ban_is_fed_whatever_goes_wrong_between_it_and_its_feeding(
    jails: tuple[str, ...], call: str, times: int, fate: Fate
) -> None:
    machine = TwoWorkers()
    machine.open(SCAN, wide=False, observed=(), spellings=1)
    machine.report(0, jails, [(-1, 1), (-1, 4)], 0, [])
    machine.begin(machine.workers[0], [0], 1)
    machine.fail_at(call, times, fate, 0)
    assert machine.queue.in_flight
    machine.settle_everything()
