"""What goes over one connection, byte by byte, without a socket."""

from __future__ import annotations

import asyncio
import gc
import inspect
import weakref

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from f2b_worker.shim.connections import PARSED_AT_ONCE_BYTES, GuardedProtocol
from tests.unit.shim.line import OK, Line, get, on_a_line, post


@pytest.mark.parametrize("hook", ["_start_asgi_task", "on_response_complete", "send_400_response"])
def test_what_a_connection_overrides_is_still_uvicorns_to_call(hook: str) -> None:
    theirs, ours = getattr(HttpToolsProtocol, hook), getattr(GuardedProtocol, hook)
    assert theirs is not ours
    assert list(inspect.signature(theirs).parameters) == list(inspect.signature(ours).parameters)
    assert f"self.{hook}" in inspect.getsource(HttpToolsProtocol)


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


def test_a_refusal_that_ends_the_connection_says_so_once() -> None:
    line = on_a_line(lambda line: line.send(get(method="DELETE", path="/")))
    (told,) = line.wire.writes
    assert told.startswith(b"HTTP/1.1 405 ")
    assert told.count(b"connection: close\r\n") == 1
    assert line.wire.closed


def test_a_head_is_answered_with_the_length_and_without_the_body() -> None:
    line = on_a_line(lambda line: line.send(get("/", method="HEAD")))
    assert line.wire.writes == [OK + b"\r\n"]


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
