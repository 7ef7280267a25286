"""A 503 for something that the queue stores all the same: the same report, sent again, counts once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from prometheus_client import REGISTRY

from f2b_worker.domain.judge.infractions import Infraction
from f2b_worker.errors import AccessDenied, F2bError, Unavailable
from f2b_worker.http.turns import Turns
from f2b_worker.shim.batching import (
    ANSWER_WITHIN_S,
    FOLLOWED_MAX,
    FOLLOWED_S,
    SENDS_MAX,
    YOUNG_SHARE,
    BatchingOutbox,
)
from f2b_worker.shim.outbox import SentError
from f2b_worker.shim.reports import Reports
from f2b_worker.shim.slices import LIGHT_ITEMS
from f2b_worker.shim.unanswered import KEPT_S, Report, Unanswered, UnansweredReports
from f2b_worker.testing import FakeClock
from tests.unit.shim.memory_queue import MemoryQueue
from tests.unit.shim.virtual_loop import jump, now_s, run

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

IP = "203.0.113.7"
EPSILON_S = 1e-6
RETRY_AFTER_S = 1.0


class LoopClock(FakeClock):
    """The running loop's time as a clock."""

    def now_ms(self) -> int:
        return 1_700_000_000_123 + round(now_s() * 1000)

    def monotonic_s(self) -> float:
        return now_s()


class Shim:
    """Reports by GET into a queue in memory."""

    def __init__(self, queue: MemoryQueue) -> None:
        self.queue = queue
        self.outbox = BatchingOutbox(queue)
        self.reports = Reports(self.outbox, LoopClock(), waiting_max=50_000, state=None, turns=Turns())

    async def get(self, ip: str = IP, *, jail: str | None = None, peer: str = "192.0.2.9") -> int:
        return (await self.reports.one(ip, jail, peer=peer)).status

    def counted(self) -> int:
        """Count as the worker does: one name, address, jail and time are one infraction."""
        return len({(each.id, each.ip, each.jail, each.at_ms) for each in self.queue.infractions()})


def play(queue: MemoryQueue, scene: Callable[[Shim], Coroutine[None, None, None]]) -> Shim:
    async def main() -> Shim:
        shim = Shim(queue)
        await scene(shim)
        return shim

    return run(main())


def total(name: str) -> float:
    return REGISTRY.get_sample_value(name) or 0.0


@pytest.mark.parametrize("takes_s", [0.9, 1.2, 1.5, ANSWER_WITHIN_S - 0.01])
def test_a_slow_queue_has_the_whole_patience_and_one_send(takes_s: float) -> None:
    async def scene(shim: Shim) -> None:
        for _ in range(5):
            assert await shim.get() == 200

    shim = play(MemoryQueue(takes_s), scene)
    assert len(shim.queue.batches) == shim.counted() == 5


def test_a_report_that_comes_again_after_its_503_is_answered_200_at_once_where_it_was_stored_meanwhile() -> None:
    late, repeated = total("f2b_shim_stored_late_total"), total("f2b_shim_repeated_total")

    async def scene(shim: Shim) -> None:
        assert await shim.get() == 503
        assert now_s() == pytest.approx(ANSWER_WITHIN_S)
        await asyncio.sleep(RETRY_AFTER_S)
        began_s = now_s()
        assert await shim.get() == 200
        assert now_s() == began_s

    shim = play(MemoryQueue(takes_s=1.8), scene)
    assert (len(shim.queue.batches), shim.counted()) == (1, 1)
    assert total("f2b_shim_stored_late_total") - late == 1
    assert total("f2b_shim_repeated_total") - repeated == 1


def test_one_that_comes_again_before_the_first_is_answered_is_told_as_soon_as_either_is_stored() -> None:
    async def scene(shim: Shim) -> None:
        assert await shim.get() == 503
        await asyncio.sleep(RETRY_AFTER_S)
        assert await shim.get() == 200
        assert now_s() == pytest.approx(4)
        await asyncio.sleep(10)

    shim = play(MemoryQueue(takes_s=4), scene)
    assert (len(shim.queue.batches), shim.counted()) == (2, 1)


def test_one_that_comes_again_and_again_waits_for_all_of_its_sends() -> None:
    async def scene(shim: Shim) -> None:
        heard = []
        for _ in range(4):
            heard.append(await shim.get())
            await asyncio.sleep(RETRY_AFTER_S)
        assert heard[:3] == [503, 503, 200]

    shim = play(MemoryQueue(takes_s=5.4 - EPSILON_S), scene)
    assert shim.counted() == 2, "the fourth is another infraction"


@pytest.mark.parametrize("takes_s", [0.005, 60])
def test_one_whose_fate_nobody_knows_is_stored_again_and_counts_once(takes_s: float) -> None:
    queue = MemoryQueue(takes_s)
    queue.fate = {0: Unavailable("the answer was lost")}

    async def scene(shim: Shim) -> None:
        assert await shim.get() == 503
        queue.fate, queue.takes_s = {}, 0.005
        await asyncio.sleep(RETRY_AFTER_S)
        assert await shim.get() == 200

    shim = play(queue, scene)
    assert (len(shim.queue.batches), shim.counted()) == (2, 1)


def test_each_503_stands_for_one_report_that_comes_again_and_no_more() -> None:
    queue = MemoryQueue(takes_s=1.8)

    async def scene(shim: Shim) -> None:
        assert {*await asyncio.gather(shim.get(), shim.get())} == {503}
        await asyncio.sleep(RETRY_AFTER_S)
        queue.takes_s = 0.005
        for _ in range(5):
            assert await shim.get() == 200

    assert play(queue, scene).counted() == 5


@pytest.mark.parametrize(
    "other", [{"peer": "192.0.2.10"}, {"jail": "login"}, {"ip": "203.0.113.8"}], ids=["peer", "jail", "ip"]
)
def test_another_report_is_another_infraction(other: dict[str, str]) -> None:
    queue = MemoryQueue(takes_s=1.8)

    async def scene(shim: Shim) -> None:
        assert await shim.get() == 503
        queue.takes_s = 0.005
        assert await shim.get(**other) == 200

    assert play(queue, scene).counted() == 2


def test_a_report_that_comes_long_after_a_503_is_another_infraction() -> None:
    queue = MemoryQueue(takes_s=1.8)

    async def scene(shim: Shim) -> None:
        assert await shim.get() == 503
        queue.takes_s = 0.005
        await asyncio.sleep(KEPT_S)
        assert await shim.get() == 200

    assert play(queue, scene).counted() == 2


@pytest.mark.parametrize("failure", [AccessDenied("no role"), None])
def test_what_is_certainly_not_stored_is_forgotten(failure: F2bError | None) -> None:
    queue = MemoryQueue(takes_s=60 if failure is None else 0.005)
    queue.fate = {0: failure} if failure else {}

    async def scene(shim: Shim) -> None:
        outbox = BatchingOutbox(queue, sends_max=1)
        shim.reports = Reports(outbox, LoopClock(), waiting_max=9, state=None, turns=Turns())
        if failure is None:  # somebody else has the one turn
            asyncio.create_task(shim.get("203.0.113.9"))  # noqa: RUF006 - it is ended with the loop
            await asyncio.sleep(0.1)
        assert await shim.get() == 503
        assert not shim.reports._unanswered._by_report.get(Report("192.0.2.9", IP, "default"))

    play(queue, scene)


def test_a_queue_that_does_not_answer_is_not_sent_what_waited_for_its_turn_for_long() -> None:
    queue = MemoryQueue(takes_s=60)

    async def scene(shim: Shim) -> None:
        clients = []
        for number in range(200):
            clients.append(asyncio.create_task(shim.get(f"198.51.100.{number}")))
            await asyncio.sleep(0.05)
        assert await asyncio.gather(*clients) == [503] * 200

    shim = play(queue, scene)
    assert min(shim.queue.within_s) >= ANSWER_WITHIN_S * (1 - YOUNG_SHARE)
    assert shim.queue.most_under_way <= SENDS_MAX + FOLLOWED_MAX + 1


def test_sends_that_nobody_waits_for_are_bounded_in_number_and_time() -> None:
    queue = MemoryQueue(takes_s=60)

    async def scene(shim: Shim) -> None:
        clients = []
        for number in range(SENDS_MAX * 8):
            clients.append(asyncio.create_task(shim.get(f"198.51.100.{number}")))
            await asyncio.sleep(ANSWER_WITHIN_S / SENDS_MAX)
            assert len(shim.outbox._followed) <= FOLLOWED_MAX + 1, "one may just be given up"
        await asyncio.gather(*clients)
        began_s = now_s()
        await asyncio.wait(shim.outbox._sends)
        assert now_s() - began_s <= FOLLOWED_S + EPSILON_S

    assert play(queue, scene).queue.most_under_way <= SENDS_MAX + FOLLOWED_MAX + 1


def test_a_loop_that_stood_still_stores_nothing_of_which_it_said_that_it_is_not_stored() -> None:
    queue = MemoryQueue()

    async def scene(shim: Shim) -> None:
        asking = [asyncio.create_task(shim.get("198.51.100.1")), asyncio.create_task(shim.get("198.51.100.2"))]
        await asyncio.sleep(0.001)
        third = asyncio.create_task(shim.get("198.51.100.3"))  # waits for company
        await asyncio.sleep(0)
        jump(2 * ANSWER_WITHIN_S)
        heard = await asyncio.gather(*asking, third)
        await asyncio.sleep(10)
        assert heard == [200, 200, 503], "an answer that lies there is read, and what was not sent never is"
        assert shim.counted() == 2

    play(queue, scene)


def test_what_is_written_only_after_its_503_is_never_sent_and_counts_once_when_it_comes_again() -> None:
    queue = MemoryQueue()

    async def scene(shim: Shim) -> None:
        for _ in range(40):  # others who have much to do, each for a while
            shim.outbox._turns.wait(lambda: jump(0.1))
        asking = [asyncio.create_task(shim.get(f"198.51.100.{place}")) for place in range(LIGHT_ITEMS + 1)]
        assert {*await asyncio.gather(*asking)} == {503}
        await asyncio.sleep(RETRY_AFTER_S)
        assert queue.batches == []
        assert await shim.get("198.51.100.1") == 200
        assert [each.ip for each in queue.infractions()] == ["198.51.100.1"]

    play(queue, scene)


def test_a_send_has_the_time_that_is_left_once_it_is_written() -> None:
    queue = MemoryQueue()

    async def scene(shim: Shim) -> None:
        for _ in range(10):
            shim.outbox._turns.wait(lambda: jump(0.1))
        asking = [asyncio.create_task(shim.get(f"198.51.100.{place}")) for place in range(LIGHT_ITEMS + 1)]
        assert {*await asyncio.gather(*asking)} == {200}
        began_s = 0.1  # after the first of them
        assert queue.sent_at_s[0] + queue.within_s[0] <= began_s + ANSWER_WITHIN_S + EPSILON_S

    play(queue, scene)


def test_the_end_waits_for_no_send_that_nobody_waits_for() -> None:
    queue = MemoryQueue(takes_s=60)

    async def scene(shim: Shim) -> None:
        assert await shim.get() == 503
        under_way = asyncio.create_task(shim.get())
        await asyncio.sleep(0.001)
        began_s = now_s()
        await shim.outbox.close()
        assert await under_way == 503
        assert now_s() == began_s
        assert queue.closed

    play(queue, scene)


def test_readiness_does_not_follow_what_nobody_waited_for() -> None:
    async def scene(shim: Shim) -> None:
        assert await shim.get() == 503
        await asyncio.sleep(0.2)
        with pytest.raises(Unavailable):
            await shim.outbox.check()

    play(MemoryQueue(takes_s=1.8), scene)


def test_what_was_sent_in_a_pack_is_the_same_infraction_when_it_is_sent_again_in_another_form() -> None:
    queue = MemoryQueue(takes_s=60)
    many = [
        Infraction(f"2001:db8::{place:x}", "login", 1_700_000_000_000 + place * 7, "") for place in range(2000)
    ]

    async def main() -> None:
        outbox = BatchingOutbox(queue)
        heard = await asyncio.gather(*(outbox.store([one]) for one in many), return_exceptions=True)
        named = [each.infraction for each in heard if isinstance(each, SentError)]
        assert len(named) == len(many)
        queue.takes_s = 0.005
        await outbox.store(named)

    run(main())
    sent = queue.infractions()
    assert len(sent) == 2 * len(many)
    assert sorted(sent[: len(many)]) == sorted(sent[len(many) :])  # which message leaves first is no matter


def test_reports_are_kept_up_to_a_number_and_the_oldest_are_forgotten_first() -> None:
    kept = UnansweredReports(kept_s=10, kept_max=3)
    reports = [Report("peer", f"198.51.100.{number}", "default") for number in range(5)]
    for report in reports:
        kept.keep(Unanswered(report, Infraction(report.ip, report.jail, 0, "")), now_s=0)
    assert len(kept) == 3
    assert [kept.take(report, now_s=1) is not None for report in reports] == [False, False, True, True, True]
    assert not kept


def test_none_is_left_when_their_time_is_over() -> None:
    kept = UnansweredReports(kept_s=10, kept_max=3)
    report = Report("peer", IP, "default")
    kept.keep(Unanswered(report, Infraction(IP, "default", 0, "")), now_s=0)
    assert kept.take(report, now_s=10) is None
    assert not kept


def test_the_time_for_which_a_send_is_followed_is_longer_than_the_wait_that_the_client_is_asked_for() -> None:
    assert RETRY_AFTER_S < FOLLOWED_S < KEPT_S
