"""What goes over one connection, byte by byte, without a socket."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from f2b_worker.http.reading import PARSED_AT_ONCE_BYTES
from tests.unit.http.line import IP, OK, Line, get, mirrored, on_a_line, post


def test_an_answer_goes_out_whole_in_one_write_and_the_connection_stays() -> None:
    async def talk(line: Line) -> None:
        await line.send(get())
        await line.send(get())

    line = on_a_line(talk)
    assert line.wire.writes == [OK + b"\r\nok\n"] * 2
    assert not line.wire.closed
    assert len(line.outbox.stored) == 2


@pytest.mark.parametrize("request_", [get("/", "Connection: close"), get("/", version="1.0")])
def test_who_wants_no_more_is_told_that_the_connection_ends_and_it_does(request_: bytes) -> None:
    line = on_a_line(lambda line: line.send(request_))
    assert line.wire.writes == [OK + b"connection: close\r\n\r\nok\n"]
    assert line.wire.closed


def test_the_last_answer_before_a_stop_says_so_and_ends_the_connection() -> None:
    async def talk(line: Line) -> None:
        await line.send(get())
        line.room.ending = True
        await line.send(get())

    line = on_a_line(talk)
    assert line.wire.writes == [OK + b"\r\nok\n", OK + b"connection: close\r\n\r\nok\n"]
    assert line.wire.closed


def test_what_was_sent_ahead_before_a_stop_is_answered_and_the_last_answer_says_that_it_is_the_last() -> None:
    async def talk(line: Line) -> None:
        line.room.ending = True
        await line.send(get() * 3)

    line = on_a_line(talk)
    assert line.wire.writes == [OK + b"\r\nok\n"] * 2 + [OK + b"connection: close\r\n\r\nok\n"]
    assert len(line.outbox.stored) == 3
    assert line.wire.closed


def test_all_that_was_sent_ahead_of_the_closing_of_the_door_is_answered_however_much_it_is() -> None:
    ahead = 2 * PARSED_AT_ONCE_BYTES // len(get())

    async def talk(line: Line) -> None:
        line.outbox.open.clear()
        await line.send(get() * ahead)
        line.room.ending = True
        line.protocol.shutdown()
        line.outbox.open.set()
        while len(line.wire.writes) < ahead and not line.wire.ended:
            await line.settle()

    line = on_a_line(talk)
    assert line.wire.writes == [OK + b"\r\nok\n"] * (ahead - 1) + [OK + b"connection: close\r\n\r\nok\n"]
    assert len(line.outbox.stored) == ahead


def test_the_time_for_a_body_does_not_run_while_what_came_before_it_is_answered() -> None:
    body = b'{"ip": "203.0.113.7"}'

    async def talk(line: Line) -> None:
        line.outbox.open.clear()
        await line.send(get() + post(body[:5], len(body)))
        line.protocol.ends_s = line.protocol.loop.time()
        line.protocol.cut_if_late(line.protocol.loop.time())
        line.outbox.open.set()
        await line.settle()
        line.protocol.cut_if_late(line.protocol.loop.time())
        await line.send(body[5:])
        assert [told[:12] for told in line.wire.writes] == [b"HTTP/1.1 200"] * 2
        assert not line.wire.closed

    on_a_line(talk)


def test_where_the_process_ends_now_what_waits_for_answers_before_it_hears_so() -> None:
    async def talk(line: Line) -> None:
        line.outbox.open.clear()
        await line.send(get() * 3)
        line.room.ending = True
        line.protocol.shutdown()
        line.protocol.refuse_if_late()
        line.outbox.open.set()
        await line.settle()

    line = on_a_line(talk)
    first, second = line.wire.writes
    assert first == OK + b"\r\nok\n"
    assert second.startswith(b"HTTP/1.1 503 ")
    assert second.endswith(b"connection: close\r\n\r\nstopping; try again\n")
    assert line.wire.half_closed
    assert len(line.outbox.stored) == 1


def test_a_request_that_was_sent_ahead_is_not_cut_as_idle_while_it_is_in_work() -> None:
    async def talk(line: Line) -> None:
        line.outbox.open.clear()
        await line.send(get() * 2)
        line.outbox.open.set()
        while not line.wire.writes:  # noqa: ASYNC110 - what is awaited is bytes, which set no event
            await asyncio.sleep(0)
        line.outbox.open.clear()
        await line.settle()
        line.protocol.cut_if_late(line.protocol.loop.time() + 3600)
        assert not line.wire.closed
        line.outbox.open.set()
        await line.settle()
        assert line.wire.writes == [OK + b"\r\nok\n"] * 2
        line.protocol.cut_if_late(line.protocol.loop.time() + 3600)
        assert line.wire.closed

    on_a_line(talk)


def test_a_head_is_answered_with_the_length_and_without_the_body() -> None:
    line = on_a_line(lambda line: line.send(get("/", method="HEAD")))
    assert line.wire.writes == [OK + b"\r\n"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_report_is_answered_once_by_each_method_and_a_head_without_a_body(method: str, version: str) -> None:
    line = on_a_line(lambda line: line.send(get(method=method, version=version)))
    (told,) = line.wire.writes
    assert told.startswith(OK)
    assert told.endswith(b"\r\n\r\n" if method == "HEAD" else b"\r\n\r\nok\n")
    assert len(line.outbox.stored) == 1


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_a_body_beside_an_address_is_thrown_away_and_the_next_request_is_answered(method: str) -> None:
    body = get(f"/infraction/{IP}9")  # what looks like a request is none

    async def talk(line: Line) -> None:
        await line.send(mirrored(body[:10], len(body), method))
        await line.send(body[10:] + get("/"))

    line = on_a_line(talk)
    assert line.wire.writes == [OK + b"\r\nok\n"] * 2
    assert [one.ip for one in line.outbox.stored] == [IP]


@pytest.mark.parametrize("size", ["Content-Length: 100000000", "Transfer-Encoding: chunked"])
def test_a_body_beside_an_address_takes_no_memory_however_long_it_is_and_however_long_the_queue_takes(
    size: str,
) -> None:
    part = b"a" * 65536

    async def talk(line: Line) -> None:
        line.outbox.open.clear()
        await line.send(get(f"/infraction/{IP}", size, method="POST"))
        for _ in range(50):
            await line.send(part if "Length" in size else b"10000\r\n" + part + b"\r\n")
        assert line.protocol.exchange.body == b""
        assert line.room._bodies_bytes == 0
        assert line.wire.reads, "the client goes on"
        line.outbox.open.set()
        await line.send(b"")
        assert line.wire.writes[0].startswith(OK)

    assert len(on_a_line(talk).outbox.stored) == 1


def test_who_expects_to_be_asked_for_a_body_that_nobody_reads_is_answered_at_once() -> None:
    request = get(f"/infraction/{IP}", "Expect: 100-continue", "Content-Length: 10", method="POST")
    line = on_a_line(lambda line: line.send(request))
    (told,) = line.wire.writes
    assert told.startswith(OK)
    assert len(line.outbox.stored) == 1


def test_what_is_sent_ahead_waits_for_its_turn_and_nothing_after_the_last_request_is_taken() -> None:
    async def talk(line: Line) -> None:
        line.outbox.open.clear()
        await line.send(get() + get("/", "Connection: close") + get())
        assert line.wire.writes == []
        assert not line.wire.reads, "it reads on, however much is sent ahead"
        line.outbox.open.set()
        await line.send(b"")

    line = on_a_line(talk)
    assert line.wire.writes == [OK + b"\r\nok\n", OK + b"connection: close\r\n\r\nok\n"]
    assert line.wire.closed
    assert len(line.outbox.stored) == 1


def test_of_requests_sent_ahead_few_take_shape_at_once_however_many_come_and_all_are_answered() -> None:
    ahead = 9_000
    request = get("/")

    async def talk(line: Line) -> None:
        line.outbox.open.clear()
        await line.send(get() + request * ahead)
        assert len(line.protocol.pipeline) <= PARSED_AT_ONCE_BYTES // len(request) + 1
        assert line.room._bodies_bytes > (ahead - 100) * len(request)
        line.outbox.open.set()
        # Each answer makes the shim read on, and what comes then is no reason to parse all of it either.
        while len(line.wire.writes) <= ahead and not line.wire.closed:
            await line.send(b"")
            assert len(line.protocol.pipeline) <= PARSED_AT_ONCE_BYTES // len(request) + 1
            assert line.wire.reads is not bool(line.protocol.pipeline)
        assert line.room._bodies_bytes == 0

    line = on_a_line(talk)
    assert line.wire.writes == [OK + b"\r\nok\n"] * (ahead + 1)
    assert not line.wire.closed


def test_a_long_body_is_parsed_in_one_piece_and_what_follows_it_is_not() -> None:
    body = b'{"ip": "203.0.113.7"}' + b" " * 100_000
    parts: list[int] = []

    async def talk(line: Line) -> None:
        parse = line.protocol._parse

        def parse_counted(data: bytes) -> None:
            parts.append(len(data))
            parse(data)

        line.protocol._parse = parse_counted
        await line.send(post(body, len(body)) + get("/") * 1_000)
        while len(line.wire.writes) <= 1_000 and not line.wire.closed:
            await line.send(b"")

    line = on_a_line(talk)
    assert len(line.wire.writes) == 1_001
    assert sum(size > PARSED_AT_ONCE_BYTES for size in parts) == 1


def test_requests_sent_ahead_are_no_head_that_is_too_large_when_the_last_one_has_not_come_whole() -> None:
    requests = get("/") * 1_000

    async def talk(line: Line) -> None:
        await line.send(requests + get("/")[:-1])
        while len(line.wire.writes) < 1_000 and not line.wire.closed:
            await line.send(b"")
        await line.send(get("/")[-1:])

    line = on_a_line(talk)
    assert line.wire.writes == [OK + b"\r\nok\n"] * 1_001


def test_a_client_that_does_not_read_is_written_no_more_until_it_does() -> None:
    async def talk(line: Line) -> None:
        line.protocol.pause_writing()
        await line.send(get() + get())
        assert line.wire.writes == []
        line.protocol.resume_writing()
        await line.send(b"")
        assert line.wire.writes == [OK + b"\r\nok\n"] * 2

    on_a_line(talk)


def test_a_client_that_went_away_is_written_nothing_and_what_it_reported_counts() -> None:
    async def talk(line: Line) -> None:
        line.outbox.open.clear()
        await line.send(get())
        line.protocol.connection_lost(None)
        line.outbox.open.set()
        await asyncio.sleep(0.001)
        assert line.state.tasks == set()

    line = on_a_line(talk)
    assert line.wire.writes == []
    assert len(line.outbox.stored) == 1


def test_a_connection_that_has_ended_leaves_nothing_for_the_garbage_collection() -> None:
    async def talk(line: Line) -> None:
        await line.send(get())
        line.protocol.connection_lost(None)
        ended = weakref.ref(line.protocol)
        gc.disable()
        try:
            del line.protocol
            assert ended() is None
        finally:
            gc.enable()

    on_a_line(talk)


def test_a_defect_is_a_500_to_one_client_and_not_the_end() -> None:
    async def talk(line: Line) -> None:
        line.outbox.failure = RuntimeError("a defect")  # type: ignore[assignment]
        await line.send(get())
        assert b"".join(line.wire.writes).startswith(b"HTTP/1.1 500 ")
        assert line.wire.closed
        assert line.state.tasks == set()

    on_a_line(talk)


def test_a_stop_answers_what_was_taken_and_ends_the_connection() -> None:
    async def talk(line: Line) -> None:
        line.outbox.open.clear()
        await line.send(get())
        line.protocol.shutdown()
        assert not line.wire.closed
        line.outbox.open.set()
        await line.send(b"")

    line = on_a_line(talk)
    assert line.wire.writes == [OK + b"connection: close\r\n\r\nok\n"]
    assert line.wire.closed
