"""How requests share sends, on a loop whose time is virtual."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from f2b_worker.domain.judge.infractions import Infraction
from f2b_worker.errors import AccessDenied, F2bError, Retryable, Throttled, Unavailable
from f2b_worker.shim.batching import ANSWER_WITHIN_S, LINGER_S, SENDS_MAX, BatchingOutbox
from f2b_worker.shim.outbox import SentError
from f2b_worker.shim.packing import PACK_BYTES_MAX, size_bytes, write_body
from f2b_worker.wire import NOTE_CHARACTERS_MAX, read_body
from tests.observed import Since
from tests.unit.shim.memory_queue import MemoryQueue
from tests.unit.shim.virtual_loop import now_s, run

NOW_MS = 1_700_000_000_000
IP = "203.0.113.7"
EPSILON_S = 1e-6


def infraction(number: int = 0, *, named: str = "", note: str | None = None, weight: int = 1) -> Infraction:
    return Infraction(f"198.18.{number // 256}.{number % 256}", "login", NOW_MS + number, named, note, weight)


async def together(outbox: BatchingOutbox, number: int) -> list[F2bError | None]:
    """Report from *number* clients at once; answer what each heard."""
    heard = await asyncio.gather(
        *(outbox.store([infraction(place)]) for place in range(number)), return_exceptions=True
    )
    assert all(each is None or isinstance(each, F2bError) for each in heard)
    return heard  # type: ignore[return-value]


def test_a_lone_client_is_not_held_up() -> None:
    queue = MemoryQueue()

    async def main() -> float:
        outbox = BatchingOutbox(queue)
        for _ in range(10):
            await outbox.store([infraction()])
        return now_s()

    assert run(main()) == pytest.approx(10 * queue.takes_s)
    assert len(queue.batches) == 10


def test_clients_that_report_at_once_share_one_send_and_one_pack() -> None:
    queue = MemoryQueue()
    assert run(together(BatchingOutbox(queue), 100)) == [None] * 100
    assert [len(batch) for batch in queue.batches] == [1]
    assert [one.ip for one in queue.infractions()] == [infraction(place).ip for place in range(100)]
    assert len({one.id for one in queue.infractions()}) == 100


def test_it_is_measured_how_long_the_first_report_of_a_message_waited_and_of_nothing_that_was_not_stored() -> None:
    since = Since("f2b_shim_store_seconds")
    queue = MemoryQueue(takes_s=0.5)
    run(together(BatchingOutbox(queue), 100))
    assert since("f2b_shim_store_seconds") == (1, 0.5)
    queue.fate = {0: Unavailable("SQS is away")}
    run(together(BatchingOutbox(queue), 3))
    assert since("f2b_shim_store_seconds") == (1, 0.5)


def test_clients_that_report_again_and_again_share_every_send() -> None:
    queue = MemoryQueue()

    async def client(outbox: BatchingOutbox, number: int) -> None:
        for _ in range(50):
            await outbox.store([infraction(number)])
            await asyncio.sleep(0.0001 * number)

    async def main() -> None:
        outbox = BatchingOutbox(queue)
        await asyncio.gather(*(client(outbox, number) for number in range(16)))

    run(main())
    assert len(queue.infractions()) == 16 * 50
    assert len(queue.batches) <= 2 * 50


@pytest.mark.parametrize("takes_s", [0.0003, 0.005, 0.02])
def test_ten_thousand_requests_a_second_need_about_a_hundred_sends_a_second(takes_s: float) -> None:
    queue = MemoryQueue(takes_s)
    waited_s: list[float] = []

    async def client(outbox: BatchingOutbox, number: int) -> None:
        began_s = now_s()
        await outbox.store([infraction(number)])
        waited_s.append(now_s() - began_s)

    async def main() -> None:
        outbox = BatchingOutbox(queue)
        clients = []
        for number in range(10_000):
            await asyncio.sleep(0.0001)
            clients.append(asyncio.create_task(client(outbox, number)))
        await asyncio.gather(*clients)

    run(main())
    assert len(queue.infractions()) == 10_000
    assert 80 <= len(queue.batches) <= 130
    assert max(waited_s) <= LINGER_S + takes_s + 0.001


def test_nobody_lingers_longer_than_the_linger_for_a_crowd_that_has_gone() -> None:
    queue = MemoryQueue()

    async def main() -> list[float]:
        outbox = BatchingOutbox(queue)
        await together(outbox, 500)
        waited_s = []
        for _ in range(20):
            began_s = now_s()
            await outbox.store([infraction()])
            waited_s.append(now_s() - began_s)
        return waited_s

    waited_s = run(main())
    assert max(waited_s) <= LINGER_S + queue.takes_s + EPSILON_S
    assert waited_s[-1] == pytest.approx(queue.takes_s)


def test_a_slow_queue_has_a_bounded_number_of_sends_under_way_and_loses_nothing() -> None:
    queue = MemoryQueue(takes_s=0.5)

    async def main() -> list[None]:
        outbox = BatchingOutbox(queue)
        clients = []
        for number in range(500):
            await asyncio.sleep(0.001)
            clients.append(asyncio.create_task(outbox.store([infraction(number)])))
        return await asyncio.gather(*clients)

    run(main())
    assert queue.most_under_way <= SENDS_MAX
    assert len(queue.infractions()) == 500


def test_a_queue_that_does_not_answer_is_told_in_time_and_not_sent_to_behind_the_clients_back() -> None:
    queue = MemoryQueue(takes_s=60)

    async def main() -> tuple[list[F2bError | None], float, int]:
        outbox = BatchingOutbox(queue, sends_max=1)
        first = asyncio.create_task(together(outbox, 1))
        await asyncio.sleep(0.1)
        began_s = now_s()
        heard = await together(outbox, 5)
        waited_s = now_s() - began_s
        await first
        await asyncio.sleep(120)
        return heard, waited_s, len(queue.batches)

    heard, waited_s, sends = run(main())
    assert [type(each) for each in heard] == [Unavailable] * 5
    assert waited_s <= ANSWER_WITHIN_S + EPSILON_S
    assert sends == 1, "those who heard 'no' were sent later"


def test_the_queue_is_not_blamed_for_what_was_never_sent() -> None:
    async def main() -> tuple[list[F2bError | None], list[F2bError | None]]:
        outbox = BatchingOutbox(MemoryQueue(takes_s=60), sends_max=1)
        first = asyncio.create_task(together(outbox, 1))
        await asyncio.sleep(0.1)
        return await together(outbox, 2), await first

    never_sent, sent = run(main())
    assert {str(each) for each in sent} == {"sending infractions: the queue has not answered in time"}
    reason = "not sent within 1.7 s: this process is too busy, or earlier sends are not answered"
    assert {str(each) for each in never_sent} == {f"sending infractions: {reason}"}


def test_what_waits_at_the_end_is_given_up_and_nobody_is_blamed_in_the_log() -> None:
    async def main() -> None:
        outbox = BatchingOutbox(MemoryQueue(takes_s=60), sends_max=1)
        first = asyncio.create_task(together(outbox, 1))
        await asyncio.sleep(0.1)
        waiting = asyncio.create_task(together(outbox, 1))
        await asyncio.sleep(0.1)
        await outbox.close()
        (heard,) = await waiting
        assert str(heard) == "sending infractions: given up before they were sent: this process stops"
        await first

    with capture_logs() as lines:
        run(main())
    assert not [line for line in lines if "not sent" in str(line.get("reason"))]


@pytest.mark.parametrize("failure", [Unavailable("no answer"), Throttled("too often"), AccessDenied("no role")])
def test_everybody_in_a_batch_that_failed_hears_of_it_with_an_error_of_his_own(failure: F2bError) -> None:
    queue = MemoryQueue()
    queue.fate = {0: failure}
    heard = run(together(BatchingOutbox(queue), 3))
    # What may pass may also be stored all the same: each hears under which name.
    kind = SentError if isinstance(failure, Retryable) else type(failure)
    assert [(type(each), str(each)) for each in heard] == [(kind, str(failure))] * 3
    assert len({id(each) for each in heard}) == 3


def test_a_batch_that_failed_in_part_answers_each_request_truly() -> None:
    queue = MemoryQueue()
    queue.fate = {1: Unavailable("only this one")}
    many = [infraction(place, note="n" * NOTE_CHARACTERS_MAX) for place in range(600)]
    assert sum(map(size_bytes, many)) > 2 * PACK_BYTES_MAX

    async def main() -> list[F2bError | None]:
        outbox = BatchingOutbox(queue)
        return await asyncio.gather(  # type: ignore[return-value]
            *(outbox.store([one]) for one in many), return_exceptions=True
        )

    heard = run(main())
    (batch,) = queue.batches
    kept = {
        one.ip for place in (0, 2) for one in read_body(batch[place], message_id="m", sent_at_ms=0).infractions
    }
    assert kept
    assert {one.ip for one, each in zip(many, heard, strict=True) if each is None} == kept
    assert {one.ip for one, each in zip(many, heard, strict=True) if each is not None}


def test_a_request_that_spans_two_packs_succeeds_only_when_both_are_stored() -> None:
    queue = MemoryQueue()
    queue.fate = {1: Unavailable("only this one")}
    many = [infraction(place, note="n" * NOTE_CHARACTERS_MAX) for place in range(300)]

    async def main() -> None:
        with pytest.raises(Unavailable, match="only this one"):
            await BatchingOutbox(queue).store(many)

    run(main())


def test_an_infraction_keeps_the_id_that_it_came_with_beside_others_without() -> None:
    queue = MemoryQueue()

    async def main() -> None:
        outbox = BatchingOutbox(queue)
        named = [infraction(place, named=f"mine-{place}", note="n", weight=3) for place in range(3)]
        await asyncio.gather(outbox.store(named), outbox.store([infraction(9)]))

    run(main())
    (batch,) = queue.batches
    assert len(batch) == 2
    by_id = {one.id: one for one in queue.infractions()}
    assert by_id.keys() >= {"mine-0", "mine-1", "mine-2"}
    assert by_id["mine-1"] == infraction(1, named="mine-1", note="n", weight=3)


def test_a_client_that_goes_away_costs_the_others_nothing() -> None:
    queue = MemoryQueue()

    async def main() -> None:
        outbox = BatchingOutbox(queue)
        going = asyncio.create_task(outbox.store([infraction(1)]))
        staying = asyncio.create_task(outbox.store([infraction(2)]))
        await asyncio.sleep(0.001)
        going.cancel()
        await staying
        assert going.cancelled() or going.cancelling()

    run(main())
    assert len(queue.infractions()) == 2


def test_readiness_follows_what_the_queue_did_last_and_asks_only_an_idle_one() -> None:
    queue = MemoryQueue()

    async def main() -> None:
        outbox = BatchingOutbox(queue)
        await outbox.check()
        assert queue.checked == 1
        await outbox.store([infraction()])
        await outbox.check()
        assert queue.checked == 1
        queue.fate = {0: Unavailable("away")}
        await together(outbox, 1)
        with pytest.raises(Unavailable, match="away"):
            await outbox.check()
        queue.fate = {}
        await together(outbox, 1)
        await outbox.check()
        await asyncio.sleep(60)
        await outbox.check()
        assert queue.checked == 2

    run(main())


def test_a_queue_that_fails_while_nobody_reports_is_told_in_the_log_once_and_so_is_its_return() -> None:
    queue = MemoryQueue()

    async def main() -> None:
        outbox = BatchingOutbox(queue)
        for failure in (AccessDenied("role/shim may not"), AccessDenied("role/shim may not"), None, None):
            queue.fate = {0: failure} if failure else {}
            with suppress(AccessDenied):
                await outbox.check()

    with capture_logs() as lines:
        run(main())
    assert [(line["event"], line.get("reason")) for line in lines] == [
        ("queue_fails", "role/shim may not"),
        ("queue_is_back", None),
    ]


def test_a_queue_that_may_be_looked_at_and_takes_nothing_is_not_back() -> None:
    queue = MemoryQueue()

    async def main() -> None:
        outbox = BatchingOutbox(queue)
        for _ in range(3):
            queue.fate = {0: AccessDenied("role/shim may not send")}
            await together(outbox, 1)
            queue.fate = {}
            await asyncio.sleep(60)
            await outbox.check()

    with capture_logs() as lines:
        run(main())
    assert [line["event"] for line in lines] == ["queue_fails"]


def test_closing_lets_go_of_the_queue_and_keeps_nobody_waiting() -> None:
    queue = MemoryQueue()

    async def main() -> None:
        outbox = BatchingOutbox(queue)
        await together(outbox, 5)
        waiting = asyncio.create_task(outbox.store([infraction()]))
        await asyncio.sleep(0.001)
        await outbox.close()
        with pytest.raises(Unavailable):
            await waiting
        assert now_s() < ANSWER_WITHIN_S

    run(main())
    assert queue.closed
    assert len(queue.infractions()) == 5


def test_notes_and_weights_reach_the_pack() -> None:
    many = [infraction(0), infraction(1, note='a "note"\n\x00\ud7ff😀'), infraction(2, weight=1000)]
    body = write_body(many)
    assert [(one.note, one.weight) for one in read_body(body, message_id="m", sent_at_ms=0).infractions] == [
        (one.note, one.weight) for one in many
    ]
    assert all(" " <= character <= "~" for character in body), "SQS refuses most control characters"


@pytest.mark.parametrize(
    "hard",
    [
        infraction(0, note="\x00" * NOTE_CHARACTERS_MAX, weight=1000),
        infraction(0, note="😀" * NOTE_CHARACTERS_MAX, named="ü" * 16),
        infraction(0, note='"' * NOTE_CHARACTERS_MAX, weight=1000),
        Infraction("2001:db8:1111:2222:3333:4444:5555:6666", "j" * 64, -(2**53), ""),
        infraction(0),
    ],
)
def test_no_body_is_longer_than_its_estimate_says(hard: Infraction) -> None:
    number = PACK_BYTES_MAX // size_bytes(hard)
    many = [hard._replace(at_ms=hard.at_ms if place % 2 else 2**53) for place in range(number)]
    assert len(write_body(many)) <= 64 * 1024
