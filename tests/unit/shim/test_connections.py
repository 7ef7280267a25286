"""What goes over one connection, byte by byte, without a socket."""

from __future__ import annotations

import asyncio
import gc
import inspect
import weakref
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from prometheus_client import REGISTRY
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from f2b_worker.shim.connections import PARSED_AT_ONCE_BYTES, GuardedProtocol
from f2b_worker.shim.limits import ConnectionLimits, Limits
from f2b_worker.shim.serve import Serving, uvicorn_config
from f2b_worker.testing import FakeClock, MemoryOutbox

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    import uvicorn

    from f2b_worker.shim.room import Room

IP = "203.0.113.7"
OK = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: 3\r\ncache-control: no-store\r\n"
)


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self, peer: str = "192.0.2.1") -> None:
        super().__init__()
        self.peer = peer
        self.unread_bytes = 0
        self.writes: list[bytes] = []
        self.closed = False
        self.reads = True

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return (self.peer, 1234) if name == "peername" else default

    def get_write_buffer_size(self) -> int:
        return self.unread_bytes

    def is_closing(self) -> bool:
        return self.closed

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True


class Line:
    """A connection to the shim over an outbox in memory; with *other*, one more to the same."""

    def __init__(
        self, limits: ConnectionLimits | None = None, peer: str = "192.0.2.1", other: Line | None = None
    ) -> None:
        self.outbox: MemoryOutbox = other.outbox if other else MemoryOutbox()
        how = Serving("127.0.0.1", 0, 1, "error", Limits(), limits or ConnectionLimits())
        self.config: uvicorn.Config = (
            other.config if other else uvicorn_config(how, lambda: self.outbox, FakeClock())
        )
        if not other:
            self.config.load()
        self.wire = Wire(peer)
        self.state: ServerState = other.state if other else ServerState()
        # Nobody is late here, and the sweep holds on to connections.
        self.state.f2b_sweeps = True  # type: ignore[attr-defined]
        make: Any = self.config.http_protocol_class
        self.protocol = make(config=self.config, server_state=self.state, app_state={})
        self.protocol.connection_made(self.wire)

    @property
    def room(self) -> Room:
        room: Room = self.protocol._room
        return room

    async def send(self, data: bytes) -> None:
        """Send bytes, and let the shim do what it can do at once."""
        self.protocol.data_received(data)
        for _ in range(20):
            await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def log_lines_of_its_own() -> Iterator[None]:
    """A shim that starts says where the log lines of its process go; the next test has a process of its own."""
    yield
    structlog.reset_defaults()


def on_a_line(talk: Callable[[Line], Awaitable[None]]) -> Line:
    async def main() -> Line:
        line = Line()
        await talk(line)
        return line

    return asyncio.run(main())


def get(path: str = f"/infraction/{IP}", *headers: str, method: str = "GET", version: str = "1.1") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/{version}", "Host: shim", *headers, "", ""]).encode()


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


SMALL = ConnectionLimits(connections_max=8, peer_share=0.5, bodies_bytes_max=1_000)
OTHER = "198.51.100.1"


def refusals(reason: str) -> float:
    return REGISTRY.get_sample_value("f2b_shim_refused_total", {"reason": reason}) or 0.0


def crowd(number: int, peer: Callable[[int], str] = lambda _: "192.0.2.1") -> list[Line]:
    """Connect so many, one after the other."""
    first = Line(SMALL, peer(0))
    return [first, *(Line(SMALL, peer(place), first) for place in range(1, number))]


def on_a_crowd(number: int, talk: Callable[[list[Line]], Awaitable[None]], **more: Any) -> None:
    async def main() -> None:
        await talk(crowd(number, **more))

    asyncio.run(main())


def test_one_peer_gets_its_share_and_no_more_and_its_newest_connections_stay() -> None:
    async def talk(lines: list[Line]) -> None:
        assert [each.wire.closed for each in lines] == [True] * 8 + [False] * 4
        assert all(each.wire.writes == [] for each in lines)
        assert len(lines[0].room) == 4
        other = Line(SMALL, OTHER, lines[0])
        await other.send(get())
        await lines[-1].send(get())
        assert other.wire.writes == lines[-1].wire.writes == [OK + b"\r\nok\n"]
        assert len(lines[0].room) == 5

    before = refusals("crowded_out")
    on_a_crowd(12, talk)
    assert refusals("crowded_out") == before + 8


def test_many_peers_that_take_all_connections_make_room_for_who_asks() -> None:
    async def talk(lines: list[Line]) -> None:
        other = Line(SMALL, OTHER, lines[0])
        await other.send(get())
        assert other.wire.writes == [OK + b"\r\nok\n"]
        assert [each.wire.closed for each in lines] == [True] * 5 + [False] * 7
        assert len(lines[0].room) == 8

    on_a_crowd(12, talk, peer=lambda place: f"198.18.0.{place}")


def test_an_ipv6_home_is_one_peer_however_many_addresses_it_has() -> None:
    async def talk(lines: list[Line]) -> None:
        assert len(lines[0].room) == 4

    on_a_crowd(12, talk, peer=lambda place: f"2001:db8:1:2::{place}")


def test_who_has_asked_since_is_not_the_one_that_makes_room() -> None:
    async def talk(lines: list[Line]) -> None:
        await lines[0].send(get())
        Line(SMALL, other=lines[0])
        assert [each.wire.closed for each in lines] == [False, True, False, False]

    on_a_crowd(4, talk)


def test_who_drips_makes_room_and_hears_why() -> None:
    async def talk(lines: list[Line]) -> None:
        for each in lines:
            await each.send(b"GET /infraction/203.0.113.7 HTTP/1.1\r\nHo")
        newcomer = Line(SMALL, other=lines[0])
        assert lines[0].wire.writes[0].startswith(b"HTTP/1.1 503 ")
        assert [each.wire.closed for each in lines] == [True, False, False, False]
        await newcomer.send(get())
        assert newcomer.wire.writes == [OK + b"\r\nok\n"]

    on_a_crowd(4, talk)


def test_who_does_not_read_his_answer_makes_room_at_once() -> None:
    async def talk(lines: list[Line]) -> None:
        await lines[0].send(get())
        lines[0].wire.unread_bytes = 1
        for each in lines[1:]:
            await each.send(get())
        await lines[0].send(b"GET")
        Line(SMALL, other=lines[0])
        assert [each.wire.closed for each in lines] == [True, False, False, False]
        assert lines[0].wire.writes == [OK + b"\r\nok\n"]

    on_a_crowd(4, talk)


def test_who_asks_on_and_on_and_reads_nothing_makes_room() -> None:
    async def talk(lines: list[Line]) -> None:
        for each in lines:
            each.protocol.pause_writing()
            each.wire.unread_bytes = 1
            await each.send(get())
        newcomer = Line(SMALL, other=lines[0])
        assert [each.wire.closed for each in lines] == [True, False, False, False]
        await newcomer.send(get())
        assert newcomer.wire.writes == [OK + b"\r\nok\n"]
        # Nothing is written into a connection that was ended; who reads again is served again.
        lines[0].protocol.resume_writing()
        await asyncio.sleep(0.001)
        assert lines[0].wire.writes == []
        lines[1].protocol.resume_writing()
        await lines[1].send(b"")
        assert lines[1].wire.writes == [OK + b"\r\nok\n"]

    on_a_crowd(4, talk)


@pytest.mark.parametrize(
    ("number", "peers", "reason"), [(4, 1, "peer_connections"), (8, 8, "connections")], ids=["share", "all"]
)
def test_who_is_being_served_never_makes_room_and_the_newcomer_is_refused_with_503(
    number: int, peers: int, reason: str
) -> None:
    async def talk(lines: list[Line]) -> None:
        lines[0].outbox.open.clear()
        for each in lines:
            await each.send(get())
        newcomer = Line(SMALL, lines[0].wire.peer, lines[0])
        assert newcomer.wire.writes[0].startswith(b"HTTP/1.1 503 ")
        assert newcomer.wire.closed
        newcomer.protocol.connection_lost(None)
        assert len(lines[0].room) == number
        lines[0].outbox.open.set()
        for each in lines:
            await each.send(b"")
        assert [each.wire.writes for each in lines] == [[OK + b"\r\nok\n"]] * number

    before = refusals(reason)
    on_a_crowd(number, talk, peer=lambda place: f"198.18.0.{place % peers}")
    assert refusals(reason) == before + 1


def test_who_has_more_requests_ahead_is_still_being_served() -> None:
    async def talk(lines: list[Line]) -> None:
        lines[0].outbox.open.clear()
        await lines[0].send(get("/") + get())
        Line(SMALL, other=lines[0])
        assert [each.wire.closed for each in lines] == [False, True, False, False]
        lines[0].outbox.open.set()
        await lines[0].send(b"")
        assert lines[0].wire.writes == [OK + b"\r\nok\n"] * 2

    on_a_crowd(4, talk)


def test_connections_that_have_ended_leave_room_and_nothing_else() -> None:
    async def talk(lines: list[Line]) -> None:
        for each in lines:
            each.protocol.connection_lost(None)
        room = lines[0].room
        assert (len(room), room._peers, room._waiting) == (0, {}, {})

    on_a_crowd(12, talk, peer=lambda place: f"198.18.0.{place % 3}")


def post(sent: bytes, length: int) -> bytes:
    return b"POST /infractions HTTP/1.1\r\nHost: shim\r\nContent-Length: %d\r\n\r\n" % length + sent


def test_bodies_that_fill_the_memory_give_way_to_who_sends_his_and_the_first_begun_goes_first() -> None:
    async def talk(lines: list[Line]) -> None:
        for each in lines[:3]:
            await each.send(post(b" " * 400, 900))
        assert [each.wire.closed for each in lines] == [True, False, False, False]
        assert lines[0].wire.writes[0].startswith(b"HTTP/1.1 503 ")
        body = b'{"ip": "203.0.113.7"}' + b" " * 300
        await lines[3].send(post(body, len(body)))
        assert lines[3].wire.writes[0].startswith(b"HTTP/1.1 200 ")
        assert [each.wire.closed for each in lines] == [True, True, False, False]
        assert len(lines[0].outbox.stored) == 1
        assert lines[0].room._bodies_bytes == 400

    on_a_crowd(4, talk)


def test_a_body_that_is_being_stored_is_not_given_up_for_another_one() -> None:
    async def talk(lines: list[Line]) -> None:
        lines[0].outbox.open.clear()
        body = b'{"ip": "203.0.113.7"}' + b" " * 700
        await lines[0].send(post(body, len(body)))
        await lines[1].send(post(b" " * 400, 900))
        assert lines[1].wire.writes[0].startswith(b"HTTP/1.1 503 ")
        assert [each.wire.closed for each in lines] == [False, True]
        lines[0].outbox.open.set()
        await lines[0].send(b"")
        assert lines[0].wire.writes[0].startswith(b"HTTP/1.1 200 ")
        assert lines[0].room._bodies_bytes == 0

    on_a_crowd(2, talk)


def test_a_body_that_was_given_up_counts_no_more() -> None:
    async def talk(lines: list[Line]) -> None:
        await lines[0].send(post(b" " * 400, 900))
        lines[0].protocol.connection_lost(None)
        assert lines[1].room._bodies_bytes == 0

    on_a_crowd(2, talk)
