"""Infractions of an offender whom the worker knows to be banned: few writes, and nothing lost."""

from __future__ import annotations

import json
import math
import threading
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from f2b_worker.domain.jails import DAY_MS, Policy
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.verdicts import STEP_MAX_MS, Ban, Hit, Offender, OffenderId
from f2b_worker.errors import Unavailable
from f2b_worker.intake.extending import EXTEND_EVERY_S, EXTENSIONS_AT_ONCE
from f2b_worker.intake.loop import KEPT_AFTER
from f2b_worker.testing import MemoryLedger
from tests.unit.intake.scene import GOOD_IP, NOW_MS, OTHER_IP, POLICY, Ledger, Scene, body, who

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from f2b_worker.ports import Answers

RESOLUTION_S = 5.0
FLUSH_MESSAGES = 100
WHO = who(GOOD_IP)
LONG = Policy(replace(POLICY.defaults, bantime_ms=DAY_MS))


class CountingLedger(Ledger):
    """Counts what is recorded."""

    recorded = 0

    def record(self, hits: Mapping[OffenderId, Sequence[Hit]]) -> Answers:
        self.recorded += len(hits)
        return super().record(hits)


class Known(Scene):
    """A worker that has just banned somebody, for a day unless told, and works step by step."""

    def __init__(self, bantime_ms: int = DAY_MS) -> None:
        super().__init__()
        self.ledger: CountingLedger = CountingLedger()
        self.worker = self.intake(extend_resolution_s=RESOLUTION_S, flush_messages=FLUSH_MESSAGES)
        self.worker.use(Policy(replace(POLICY.defaults, bantime_ms=bantime_ms)))
        self.step(body(GOOD_IP))
        self.ledger.recorded = self.ledger.commits = 0

    def hear(self, news: Mapping[OffenderId, Offender] = MappingProxyType({})) -> None:
        """Tell it a moment later what others did, and that it is what was told then."""
        self.clock.advance(0.01)
        self.worker.hear(news, self.clock.monotonic_s())

    def step(self, *bodies: str, stop: threading.Event | None = None) -> list[str]:
        """Receive and settle once."""
        ids = [self.inbox.put(each) for each in bodies]
        messages = self.worker.gather()
        self.stop.clear()
        self.worker.turn(messages, stop or threading.Event())
        return ids

    def hit(self, *, ip: str = GOOD_IP, name: str = "") -> str:
        """Make an infraction of now."""
        at_s = self.clock.now_ms() / 1000
        return json.dumps({"ip": ip, "at": at_s, "id": name or f"at {at_s}"})

    @property
    def start_ms(self) -> int:
        return self.ban.start_ms

    @property
    def ban(self) -> Ban:
        return self.ledger.banned()[WHO]


@pytest.fixture
def known() -> Known:
    return Known()


@pytest.mark.parametrize(("bantime_ms", "steps"), [(DAY_MS, 1), (60_000, 4), (10_000, 21)])
def test_a_hot_address_is_not_recorded_and_costs_one_write_a_step(bantime_ms: int, steps: int) -> None:
    known = Known(bantime_ms)
    for _ in range(200):
        known.clock.advance(0.1)
        known.step(known.hit())
    known.clock.advance(EXTEND_EVERY_S)
    known.step()
    assert known.ledger.recorded == 0
    assert known.ledger.commits <= steps
    assert known.ban.until_ms == known.start_ms + bantime_ms + steps * min(bantime_ms // 10, STEP_MAX_MS)
    assert known.ban.extended == steps
    assert known.inbox.left == set()


def test_what_leads_to_no_further_step_needs_no_write_and_no_wait(known: Known) -> None:
    known.clock.advance(1)
    known.step(known.hit())
    known.clock.advance(RESOLUTION_S)
    known.step()
    assert known.inbox.left == set()
    known.ledger.commits = 0
    known.step(known.hit())
    assert known.ledger.commits == 0
    assert known.inbox.left == set()


def test_an_infraction_in_the_time_that_rounding_adds_only_extends_the_ban_too(known: Known) -> None:
    first_ms = known.ban.until_ms
    known.clock.advance(DAY_MS / 1000 + 200)
    known.step(
        json.dumps(
            [
                {"ip": GOOD_IP, "at": known.start_ms / 1000 + 1, "id": "early in the ban"},
                {"ip": GOOD_IP, "at": first_ms / 1000 + 120, "id": "in the time that it adds"},
            ]
        )
    )
    known.clock.advance(RESOLUTION_S)
    known.step()
    assert known.ledger.recorded == 0
    assert known.ban.until_ms == first_ms + DAY_MS + STEP_MAX_MS
    assert known.inbox.left == set()


def test_among_many_banned_addresses_each_waits_for_the_whole_resolution(known: Known) -> None:
    crowd = [f"198.51.{number // 250}.{number % 250}" for number in range(600)]
    known.step(*(body(ip) for ip in crowd))
    while known.inbox.waiting:
        known.step()
    known.clock.advance(EXTEND_EVERY_S)
    known.ledger.commits = 0
    known.step(*(known.hit(ip=ip) for ip in crowd))
    while known.inbox.waiting:
        known.step()
    assert known.ledger.commits == 0
    known.clock.advance(RESOLUTION_S)
    for _ in range(math.ceil(len(crowd) / EXTENSIONS_AT_ONCE)):
        known.step()
    assert {ban.extended for ban in known.ledger.banned().values() if ban != known.ban} == {1}
    assert known.inbox.left == set()


def test_many_extensions_do_not_keep_others_waiting(known: Known) -> None:
    crowd = [f"198.51.{number // 250}.{number % 250}" for number in range(EXTENSIONS_AT_ONCE + 50)]
    known.step(json.dumps([item for ip in crowd for item in json.loads(body(ip))]))
    known.clock.advance(EXTEND_EVERY_S)
    known.step(*(known.hit(ip=ip) for ip in crowd))
    while known.inbox.waiting:
        known.step()
    known.clock.advance(RESOLUTION_S)
    known.step(body(OTHER_IP))
    assert who(OTHER_IP) in known.ledger.banned()
    extended = [ban for ban in known.ledger.banned().values() if ban.extended]
    assert len(extended) == EXTENSIONS_AT_ONCE
    known.step()
    assert all(known.ledger.banned()[who(ip)].extended for ip in crowd)


def wait_for_one_extension(known: Known, *, messages: int) -> None:
    """Receive messages that only extend a ban, and wait until that is due."""
    known.clock.advance(EXTEND_EVERY_S)
    for _ in range(messages):
        known.inbox.put(known.hit())
    while known.inbox.waiting:
        known.step()
    known.clock.advance(RESOLUTION_S)


def test_many_messages_that_are_settled_at_once_are_deleted_aside_of_the_judging(known: Known) -> None:
    asides: list[Callable[[], None]] = []
    known.worker = known.intake(extend_resolution_s=RESOLUTION_S, aside=asides.append)
    known.step(known.hit())
    wait_for_one_extension(known, messages=250)
    known.step(body(OTHER_IP))
    assert who(OTHER_IP) in known.ledger.banned()
    assert len(known.inbox.left) > 250
    while asides:
        asides.pop(0)()
        known.step()
    assert known.inbox.left == set()


def test_a_stop_deletes_all_that_is_settled(known: Known) -> None:
    wait_for_one_extension(known, messages=250)
    known.worker.finish()
    assert known.inbox.left == set()
    assert not known.inbox.waiting


def test_their_message_stays_until_the_longer_ban_is_stored(known: Known) -> None:
    ids = known.step(known.hit())
    assert known.inbox.left == set(ids)
    assert known.ban.extended == 0
    known.clock.advance(RESOLUTION_S)
    known.step()
    assert known.inbox.left == set()
    assert known.ban.extended == 1


def test_others_in_the_same_message_do_not_wait(known: Known) -> None:
    known.clock.advance(1)
    known.step(json.dumps([json.loads(known.hit()), *json.loads(body(OTHER_IP))]))
    assert who(OTHER_IP) in known.ledger.banned()
    assert known.ban.extended == 0


def test_a_stop_stores_what_was_held_back(known: Known) -> None:
    known.clock.advance(1)
    known.inbox.put(known.hit())
    known.worker.run(known.stop)
    assert known.ban.extended == 1
    assert known.inbox.left == set()


def test_a_worker_that_dies_with_it_in_hand_loses_nothing(known: Known) -> None:
    known.clock.advance(1)
    known.step(known.hit())
    known.inbox.release([*known.inbox.in_flight.values()])  # its visibility timeout runs out
    known.worker = known.intake()
    known.worker.use(LONG)
    known.step()
    assert known.ban.extended == 1


def test_repeated_infractions_need_no_write_and_no_wait(known: Known) -> None:
    known.step(body(GOOD_IP, 5))
    known.clock.advance(1)
    message = known.hit()
    known.step(message)
    known.clock.advance(RESOLUTION_S)
    known.step()
    known.ledger.commits = 0
    known.step(message)
    assert known.ledger.commits == 0
    assert known.inbox.left == set()


def test_a_ban_that_ends_soon_is_extended_at_once(known: Known) -> None:
    known.clock.advance(DAY_MS / 1000 - 2)
    known.step(known.hit())
    assert known.ban.until_ms == known.start_ms + 2 * DAY_MS


def test_a_ban_that_ended_although_it_was_to_last_longer_is_extended_at_once(known: Known) -> None:
    known.clock.advance(DAY_MS / 1000 - 2)
    late = known.hit()
    known.clock.advance(3)
    known.step(late)
    assert known.ban.until_ms == known.start_ms + 2 * DAY_MS


def test_a_ban_that_ended_although_rounding_makes_it_run_is_extended_at_once(known: Known) -> None:
    early = json.dumps({"ip": GOOD_IP, "at": known.start_ms / 1000 + 1, "id": "early in the ban"})
    known.clock.advance(DAY_MS / 1000 + 60)
    known.step(early)
    assert known.ban.until_ms == known.start_ms + DAY_MS + STEP_MAX_MS
    assert known.inbox.left == set()


def test_an_infraction_after_the_ban_is_recorded_as_of_anybody(known: Known) -> None:
    known.clock.advance(DAY_MS / 1000 + 60)
    known.step(known.hit())
    assert known.ledger.recorded == 1
    assert known.inbox.left == set()


def test_a_ban_that_a_colleague_extended_further_stays_as_it_is(known: Known) -> None:
    known.clock.advance(1)
    known.step(known.hit())
    seen = known.ledger.offender(WHO)
    assert seen.ban
    further = replace(seen.ban, until_ms=NOW_MS + 2 * DAY_MS, extended=7)
    MemoryLedger.commit(known.ledger, {WHO: Decision(seen, further)})
    known.clock.advance(RESOLUTION_S)
    known.step()
    assert known.ban == replace(further, evidence=())
    assert known.inbox.left == set()


def test_hits_before_a_ban_that_a_colleague_started_meanwhile_change_nothing(known: Known) -> None:
    known.clock.advance(1)
    known.step(known.hit())
    seen = known.ledger.offender(WHO)
    anew = Ban(NOW_MS + 2000, NOW_MS + 2000 + DAY_MS, 2, DAY_MS)
    MemoryLedger.commit(known.ledger, {WHO: Decision(seen, anew)})
    known.clock.advance(RESOLUTION_S)
    known.step()
    assert known.ban == anew
    assert known.inbox.left == set()


def test_an_outage_holds_it_on(known: Known) -> None:
    known.clock.advance(1)
    known.step(known.hit())
    known.clock.advance(RESOLUTION_S)
    known.ledger.outage = [Unavailable("no answer")] * 3
    known.step()
    assert known.ban.extended == 1
    assert known.inbox.left == set()


def test_what_is_in_hand_for_long_is_kept_from_others(known: Known) -> None:
    known.ledger.outage = [Unavailable("no answer")] * 20
    known.step(body(OTHER_IP))
    times = sum(known.clock.waits_s) / (known.inbox.visibility_s * KEPT_AFTER)
    assert times - 2 <= known.inbox.kept <= times


def test_an_idle_queue_is_not_waited_for_longer_than_what_is_held_back_may_wait(known: Known) -> None:
    known.clock.advance(1)
    known.step(known.hit())
    waits: list[float] = []
    receive = known.inbox.receive
    known.inbox.receive = lambda *, wait_s: waits.append(wait_s) or receive(wait_s=wait_s)  # type: ignore[method-assign,func-returns-value]
    known.worker.gather()
    known.clock.advance(RESOLUTION_S)
    known.worker.gather()
    assert waits == [EXTEND_EVERY_S, 0]


def test_a_late_infraction_extends_a_ban_over_those_that_were_stored_after_it(known: Known) -> None:
    after_ms = known.ban.until_ms + 60_000
    later = json.dumps({"ip": GOOD_IP, "at": after_ms / 1000, "id": "after the ban"})
    known.clock.advance(DAY_MS / 1000 + 120)
    known.step(later)
    late = json.dumps({"ip": GOOD_IP, "at": (known.ban.until_ms - 1000) / 1000, "id": "late, in the ban"})
    known.step(late)
    known.clock.advance(RESOLUTION_S)
    known.step()
    assert known.ban.until_ms == known.start_ms + 2 * DAY_MS + STEP_MAX_MS
    assert known.ban.until_ms >= after_ms + DAY_MS
    assert known.inbox.left == set()


def test_what_a_colleague_banned_over_is_recorded_and_judged_as_of_anybody(known: Known) -> None:
    at_s = NOW_MS / 1000
    known.step(json.dumps([{"ip": GOOD_IP, "at": at_s + after, "id": f"{after}"} for after in (1, 200, 290)]))
    seen = known.ledger.offender(WHO)
    anew = Ban(NOW_MS + 100_000, NOW_MS + 100_000 + 110_000, 2, 110_000)  # 200 extends it, and so 290 does
    MemoryLedger.commit(known.ledger, {WHO: Decision(seen, anew)})
    known.clock.advance(RESOLUTION_S)
    known.step()
    assert known.ban.start_ms == anew.start_ms
    assert known.ban.until_ms == anew.until_ms + 18 * 11_000
    assert known.inbox.left == set()


def test_messages_are_kept_while_one_attempt_is_slow(known: Known) -> None:
    known.inbox.put(body(OTHER_IP))
    stop = threading.Event()

    def be_slow() -> None:
        known.clock.on_wait = lambda: stop.set() if len(known.clock.waits_s) > 5 else None
        known.worker.keep_in_hand(stop)  # as the thread beside does

    known.ledger.before_commit = [be_slow]
    known.step()
    assert known.inbox.kept >= 1
    assert who(OTHER_IP) in known.ledger.banned()
