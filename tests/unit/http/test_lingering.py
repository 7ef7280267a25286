"""How a connection ends whose client may still be sending: it can read what it was told."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from f2b_worker.http.connections import SKIPPED_BYTES_MAX
from f2b_worker.http.limits import ConnectionLimits
from f2b_worker.http.lingering import AT_STOP_S, DISCARDED_BYTES_MAX, LINGERS_S, SILENCE_S
from f2b_worker.shim.limits import Limits
from f2b_worker.shim.serve import within
from tests.unit.http.line import IP, OK, Line, get, on_a_line, post

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LONG = Limits().body_bytes + 1  # too long for the shim, and for a connection to be kept for its sake
HEAD = b"POST /infractions HTTP/1.1\r\nHost: shim\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
EXPECTING = HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n"
STORED = b'{"stored": 1}\n'


def to_nowhere(length: int, *headers: str) -> bytes:
    return get("/nowhere", f"Content-Length: {length}", *headers, method="POST")


def statuses(line: Line) -> list[bytes]:
    return [each.split(b" ", 2)[1] for each in line.wire.writes]


@pytest.mark.parametrize(
    ("request_", "status"),
    [(get("/nowhere"), b"404"), (get("/", method="DELETE"), b"405"), (get("/", "Origin: http://other"), b"403")],
)
def test_a_refusal_of_a_request_that_came_whole_keeps_the_connection(request_: bytes, status: bytes) -> None:
    line = on_a_line(lambda line: line.send(request_ + get()))
    assert statuses(line) == [status, b"200"]
    assert b"connection:" not in line.wire.writes[0]
    assert not line.wire.ended


def test_little_that_is_left_of_a_refused_body_is_skipped_and_what_follows_is_answered() -> None:
    async def talk(line: Line) -> None:
        await line.send(to_nowhere(SKIPPED_BYTES_MAX))
        assert statuses(line) == [b"404"]
        for _ in range(SKIPPED_BYTES_MAX // 1024):
            await line.send(b"GET /" + b"x" * 1019)
        await line.send(get())

    line = on_a_line(talk)
    assert statuses(line) == [b"404", b"200"]
    assert b"connection:" not in line.wire.writes[0]
    assert len(line.outbox.stored) == 1


@pytest.mark.parametrize(
    "request_",
    [
        to_nowhere(SKIPPED_BYTES_MAX + 1),
        to_nowhere(10, "Expect: 100-continue"),
        get("/nowhere", "Transfer-Encoding: chunked", method="POST"),
        get("/nowhere", "Content-Length: 10", method="POST", version="1.0"),
        get("/nowhere", "Content-Length: 10", "Connection: close", method="POST"),
        post(b"", LONG),
        EXPECTING % LONG,
        CHUNKED + b"%x\r\n" % LONG + b" " * LONG,
    ],
    ids=["long", "expect", "chunked", "1.0", "close", "413", "413 expect", "413 chunked"],
)
def test_who_is_refused_amid_a_long_body_is_told_so_and_heard_out(request_: bytes) -> None:
    async def talk(line: Line) -> None:
        await line.send(request_)
        (told,) = line.wire.writes
        assert told.startswith(b"HTTP/1.1 4")
        assert told.count(b"connection: close\r\n") == 1
        await line.send(b" " * 100_000)
        await line.send(get())
        assert line.wire.writes == [told]
        assert line.wire.half_closed
        assert not line.wire.closed

    assert on_a_line(talk).outbox.stored == []


def refuse_a_head(line: Line) -> bytes:
    limits: ConnectionLimits = line.protocol.limits
    return b"GET / HTTP/1.1\r\nX: " + b"a" * limits.head_bytes


def refuse_no_http(_line: Line) -> bytes:
    return b"hello there\r\n\r\n"


def refuse_a_trailer(line: Line) -> bytes:
    limits: ConnectionLimits = line.protocol.limits
    return CHUNKED + b"0\r\nX: " + b"a" * 2 * limits.head_bytes


def refuse_a_chunk(_line: Line) -> bytes:
    return CHUNKED + b"no number\r\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [(refuse_a_head, b"431"), (refuse_a_trailer, b"431"), (refuse_no_http, b"400"), (refuse_a_chunk, b"400")],
)
def test_what_the_connection_refuses_waits_for_its_turn_and_is_heard_out(
    sent: Callable[[Line], bytes], status: bytes
) -> None:
    async def talk(line: Line) -> None:
        line.outbox.open.clear()
        await line.send(get() + get())
        await line.send(sent(line))
        await line.send(get("/") + b"more")
        assert line.wire.writes == []
        line.outbox.open.set()
        await line.send(b"")
        assert statuses(line) == [b"200", b"200", status]
        await line.send(get())
        assert line.wire.half_closed
        assert not line.wire.closed

    line = on_a_line(talk)
    assert [b"connection: close" in each for each in line.wire.writes] == [False, False, True]
    assert len(line.outbox.stored) == 2


def test_a_body_that_breaks_off_behind_an_answer_gets_no_second_one() -> None:
    async def talk(line: Line) -> None:
        await line.send(to_nowhere(10) + b"12345")
        line.protocol.cut_if_late(line.protocol.ends_s)
        assert statuses(line) == [b"404"]
        assert line.wire.half_closed

    on_a_line(talk)


def test_a_report_that_needs_no_body_is_answered_as_stored_though_its_body_is_broken() -> None:
    async def talk(line: Line) -> None:
        await line.send(get(f"/infraction/{IP}", "Transfer-Encoding: chunked") + b"no number\r\n")

    line = on_a_line(talk)
    assert statuses(line) == [b"200"]
    assert len(line.outbox.stored) == 1
    assert line.wire.half_closed


def test_an_accepted_body_is_asked_for_and_a_refused_one_is_not() -> None:
    body = b'{"ip": "203.0.113.7"}'

    async def talk(line: Line) -> None:
        await line.send(EXPECTING % len(body))
        assert line.wire.writes == [b"HTTP/1.1 100 Continue\r\n\r\n"]
        await line.send(body)
        assert line.wire.writes[1].startswith(b"HTTP/1.1 200 ")
        await line.send(EXPECTING % LONG)

    assert statuses(on_a_line(talk)) == [b"100", b"200", b"413"]


@pytest.mark.parametrize("more", [get(), b"POST / HTTP/1.1\r\n"], ids=["a request", "half of one"])
def test_a_stop_answers_what_was_taken_so_that_it_can_be_read_though_more_was_sent(more: bytes) -> None:
    async def talk(line: Line) -> None:
        line.outbox.open.clear()
        await line.send(get())
        line.protocol.shutdown()
        await line.send(more)
        line.outbox.open.set()
        await line.send(b"")

    line = on_a_line(talk)
    assert line.wire.writes == [OK + b"connection: close\r\n\r\nok\n"]
    assert line.wire.half_closed
    assert not line.wire.closed
    assert len(line.outbox.stored) == 1


def test_a_defect_amid_a_body_is_a_500_that_can_be_read() -> None:
    async def talk(line: Line) -> None:
        line.outbox.failure = RuntimeError("a defect")  # type: ignore[assignment]
        await line.send(get(f"/infraction/{IP}", f"Content-Length: {LONG}"))
        assert statuses(line) == [b"500"]
        assert line.wire.half_closed
        assert line.state.tasks == set()

    on_a_line(talk)


def lingering(talk: Callable[[Line], Awaitable[None]]) -> None:
    async def main() -> None:
        line = Line()
        await line.send(post(b"", LONG))
        assert line.wire.half_closed
        await talk(line)

    asyncio.run(main())


def look(line: Line, now_s: float) -> None:
    """Sweep, as the server does now and then."""
    connections: set[Any] = line.state.connections
    for each in list(connections):
        each.cut_if_late(now_s)


def test_who_lingers_is_nobodys_place_and_what_he_sends_takes_no_memory() -> None:
    async def talk(line: Line) -> None:
        assert line.room._number == 0
        await line.send(b" " * 100_000)
        assert line.room._bodies_bytes == 0
        gone = weakref.ref(line.protocol)
        gc.disable()
        try:
            del line.protocol
            assert gone() is None
        finally:
            gc.enable()

    lingering(talk)


def test_who_lingers_is_let_go_after_a_silence() -> None:
    async def talk(line: Line) -> None:
        look(line, 100.0)
        look(line, 100.0 + SILENCE_S - 0.1)
        assert not line.wire.closed
        await line.send(b" ")
        look(line, 100.0 + SILENCE_S)
        assert not line.wire.closed
        look(line, 100.0 + 2 * SILENCE_S)
        assert line.wire.closed

    lingering(talk)


def test_who_drips_is_let_go_after_a_while_and_so_is_who_does_not_read() -> None:
    async def talk(line: Line) -> None:
        now_s = line.protocol.loop.time()
        line.wire.unread_bytes = 1
        for second in range(int(LINGERS_S)):
            look(line, now_s + second)
            assert not line.wire.closed
        look(line, now_s + LINGERS_S + 1)
        assert line.wire.closed

    lingering(talk)


def test_only_so_much_is_thrown_away_and_then_nothing_is_read_any_more() -> None:
    async def talk(line: Line) -> None:
        lingers = line.lingering
        assert lingers
        assert line.wire.reads
        lingers.buffer_updated(DISCARDED_BYTES_MAX)
        assert line.wire.reads
        await line.send(b" ")
        assert not line.wire.reads
        assert not line.wire.closed

    lingering(talk)


def test_a_stop_waits_a_moment_for_who_lingers_and_no_longer() -> None:
    async def talk(line: Line) -> None:
        now_s = line.protocol.loop.time()
        connections: set[Any] = line.state.connections
        (lingers,) = connections
        lingers.shutdown()
        look(line, now_s)
        assert not line.wire.closed
        await line.send(b" ")
        look(line, now_s + AT_STOP_S + 1)
        assert line.wire.closed

    lingering(talk)


@pytest.mark.parametrize("is_closed", [False, True])
def test_who_begins_to_linger_has_his_time_while_the_door_is_open_also_in_a_drain(*, is_closed: bool) -> None:
    async def talk(line: Line) -> None:
        line.room.ending, line.room.is_closed = True, is_closed
        now_s = line.protocol.loop.time()
        await line.send(post(b"", LONG))
        look(line, now_s + AT_STOP_S + 1)
        assert line.wire.closed is is_closed

    on_a_line(talk)


def test_who_has_gone_is_forgotten() -> None:
    async def talk(line: Line) -> None:
        assert line.lingering
        line.lingering.connection_lost(None)
        assert line.state.connections == set()
        assert line.room._lingering == {}

    lingering(talk)


def test_of_too_many_that_linger_the_first_goes() -> None:
    few = ConnectionLimits(lingering_max=3)

    async def main() -> None:
        first = Line(few)
        lines = [first, *(Line(few, other=first) for _ in range(4))]
        for each in lines:
            await each.send(post(b"", LONG))
        assert [each.wire.closed for each in lines] == [True, True, False, False, False]
        assert all(each.wire.writes for each in lines)

    asyncio.run(main())


@pytest.mark.parametrize("files", [1, 100, 1_024, 4_096, 1_000_000])
def test_connections_and_who_lingers_are_no_more_than_there_may_be_files(files: int) -> None:
    limits = within(ConnectionLimits(), files)
    assert limits.connections_max >= 1
    assert limits.lingering_max >= 1
    assert limits.connections_max + limits.lingering_max <= max(files - 64, 2)
