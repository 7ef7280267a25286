"""The server of probes and metrics: who asks is answered, whoever else connects."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import pytest
import structlog
from prometheus_client import REGISTRY

from f2b_worker.http.listening import listen_on_port
from f2b_worker.observe.server import ASKS_WITHIN_S, HEAD_BYTES_MAX, Server
from f2b_worker.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIEnvironment

PROBE = b"GET /healthz HTTP/1.1\r\nHost: f2b\r\n\r\n"
PAGE = b"GET /metrics HTTP/1.1\r\nHost: f2b\r\n\r\n"
MOST = 8
PROMPT_S = 20.0


class Desk:
    """A server with a clock of ours, whose turns we take, and its clients."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.clock = FakeClock()
        self.asked: list[str] = []
        self.accepted: list[str] = []
        self.body = b"ok\n"
        self.failure: Exception | None = None
        self.listener = stack.enter_context(listen_on_port("127.0.0.1", 0))
        self.server = Server(self.listener, self._app, now_s=self.clock.monotonic_s, connections_max=MOST)

    def _app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        self.asked.append(f"{environ['PATH_INFO']}?{environ['QUERY_STRING']}")
        self.accepted.append(environ["HTTP_ACCEPT"].strip())
        if self.failure:
            raise self.failure
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [self.body]

    def connect(self, sent: bytes = b"", source: str = "127.0.0.1") -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self.server.port), PROMPT_S, source_address=(source, 0))
        self._stack.enter_context(client)
        client.sendall(sent)
        return client

    def turn(self, times: int = 1) -> None:
        for _ in range(times):
            self.server.turn(0.0)

    def read(self, client: socket.socket) -> bytes:
        """Read to the end while the server takes its turns."""
        client.setblocking(False)
        read = b""
        for _ in range(1_000):
            self.server.turn(0.001)
            with suppress(BlockingIOError):
                data = client.recv(1 << 20)
                read += data
                if not data:
                    return read
        raise AssertionError(f"no end after {read!r}")


@pytest.fixture
def desk() -> Iterator[Desk]:
    with ExitStack() as stack:
        desk = Desk(stack)
        yield desk
        desk.server.end()
        desk.server.run()  # which closes what is open


def cut(reason: str) -> float:
    return REGISTRY.get_sample_value("f2b_metrics_connections_cut_total", {"reason": reason}) or 0.0


def is_open(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return client.recv(1) != b""
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False


def test_who_asks_is_answered_and_the_connection_ends(desk: Desk) -> None:
    answer = desk.read(desk.connect(PROBE))
    assert answer.startswith(b"HTTP/1.0 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\nok\n")
    assert len(desk.server) == 0


def test_a_question_may_come_in_pieces(desk: Desk) -> None:
    client = desk.connect()
    for byte in PROBE:
        client.sendall(bytes([byte]))
        desk.server.turn(0.01)
    assert desk.read(client).endswith(b"ok\n")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01 nonsense of\r\nmany words\r\n\r\n", b"400"),
        (b"\r\n\r\n", b"400"),
        (b"GET /healthz\r\n\r\n", b"400"),
        (b"POST /healthz HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", b"405"),
    ],
)
def test_what_is_no_question_is_refused_and_the_next_one_answered(desk: Desk, sent: bytes, status: bytes) -> None:
    assert desk.read(desk.connect(sent)).startswith(b"HTTP/1.0 " + status + b" ")
    assert desk.asked == []
    assert desk.read(desk.connect(PROBE)).endswith(b"ok\n")


def test_a_head_is_answered_without_the_body(desk: Desk) -> None:
    answer = desk.read(desk.connect(PROBE.replace(b"GET", b"HEAD")))
    assert answer.startswith(b"HTTP/1.0 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\n")


def test_path_query_and_what_is_accepted_are_handed_on(desk: Desk) -> None:
    desk.read(desk.connect(b"GET /metrics?a=b HTTP/1.1\r\nHost: f2b\r\nACCEPT:  text/plain\r\n\r\n"))
    assert desk.asked == ["/metrics?a=b"]
    assert desk.accepted == ["text/plain"]


def test_a_defect_is_a_500_to_who_asked_and_ends_nobody(desk: Desk) -> None:
    desk.failure = RuntimeError("a defect")
    with structlog.testing.capture_logs() as lines:
        assert desk.read(desk.connect(PROBE)).startswith(b"HTTP/1.0 500 ")
    assert [each["event"] for each in lines] == ["question_failed"]
    desk.failure = None
    assert desk.read(desk.connect(PROBE)).endswith(b"ok\n")


def test_however_many_connect_and_ask_nothing_few_are_kept_and_who_asks_is_answered(desk: Desk) -> None:
    before = cut("crowded_out")
    silent = [desk.connect() for _ in range(5 * MOST)]
    desk.turn(20)
    assert len(desk.server) == MOST
    assert desk.read(desk.connect(PROBE)).endswith(b"ok\n")
    assert [is_open(each) for each in silent] == [False] * (4 * MOST) + [True] * MOST
    assert cut("crowded_out") == before + 4 * MOST


def test_who_came_before_a_crowd_and_asks_at_once_is_answered(desk: Desk) -> None:
    for _ in range(MOST):
        desk.connect()
    honest = desk.connect(PROBE)
    for _ in range(10 * MOST):
        desk.connect()
    assert desk.read(honest).endswith(b"ok\n")


def test_who_has_asked_when_he_is_accepted_is_answered_at_once(desk: Desk) -> None:
    honest = [desk.connect(PROBE) for _ in range(MOST // 2)]
    desk.turn()
    assert desk.asked == ["/healthz?"] * len(honest)


def test_whoever_has_most_connections_makes_room_and_not_somebody_else(desk: Desk) -> None:
    alone = desk.connect(source="127.0.0.2")
    desk.turn()
    for _ in range(3 * MOST):
        desk.connect()
    desk.turn(20)
    assert is_open(alone)
    alone.setblocking(True)
    alone.sendall(PROBE)
    assert desk.read(alone).endswith(b"ok\n")


@pytest.mark.parametrize("sent", [b"", b"GET /hea"])
def test_who_does_not_ask_in_time_is_cut_whatever_he_drips(desk: Desk, sent: bytes) -> None:
    before = cut("too_slow")
    client = desk.connect()
    for _ in range(10):
        client.sendall(sent)
        desk.turn(2)
        assert is_open(client)
        desk.clock.advance(ASKS_WITHIN_S / 10)
    desk.turn(2)
    assert not is_open(client)
    assert cut("too_slow") == before + 1


def test_who_does_not_read_the_answer_in_time_is_cut(desk: Desk) -> None:
    desk.body = b"x" * (64 << 20)
    client = desk.connect(PROBE)
    desk.turn(3)
    assert len(desk.server) == 1
    desk.clock.advance(ASKS_WITHIN_S)
    desk.turn()
    assert len(desk.server) == 0
    client.setblocking(True)
    assert client.recv(1) == b"H"


def test_a_long_answer_arrives_whole(desk: Desk) -> None:
    desk.body = b"x" * (4 << 20)
    assert desk.read(desk.connect(PAGE)).endswith(b"\r\n\r\n" + desk.body)


def test_a_question_without_an_end_is_refused_and_counted(desk: Desk) -> None:
    before = cut("head_too_large")
    client = desk.connect(b"GET /" + b"a" * HEAD_BYTES_MAX)
    assert desk.read(client).startswith(b"HTTP/1.0 431 ")
    assert cut("head_too_large") == before + 1


LONG = b" " * 900_000


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 900000\r\n\r\n", b"405"),
        (b"POST /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\ndbba0\r\n", b"405"),
        (b"GET /healthz HTTP/1.1\r\nContent-Length: 900000\r\n\r\n", b"200"),
        (PROBE + b"more", b"200"),
        (b"GET /healthz HTTP/1.1\r\nX-A: " + b"a" * HEAD_BYTES_MAX, b"431"),
        (b"this is no HTTP\r\n\r\n" + LONG, b"400"),
    ],
)
def test_an_answer_can_be_read_by_who_sends_more_before_he_reads(desk: Desk, sent: bytes, status: bytes) -> None:
    client = desk.connect(sent)
    desk.turn(3)
    sender = threading.Thread(target=client.sendall, args=[LONG])
    sender.start()
    while sender.is_alive():
        desk.server.turn(0.01)
    sender.join()
    desk.turn(3)
    client.setblocking(True)
    told = b""
    while data := client.recv(1_000):
        told += data
    assert told.startswith(b"HTTP/1.0 " + status + b" ")
    assert len(desk.server) == 1
    client.close()
    desk.turn(100)
    assert len(desk.server) == 0


def test_who_sends_more_is_heard_out_for_a_while_and_not_counted_as_cut(desk: Desk) -> None:
    before = cut("too_slow")
    silent, dripping = (desk.connect(PROBE + b"more") for _ in range(2))
    desk.turn(5)
    for _ in range(int(ASKS_WITHIN_S)):
        assert len(desk.server) >= 1
        dripping.sendall(b"x")
        desk.server.turn(0.1)
        desk.clock.advance(1.0)
    assert len(desk.server) == 1
    desk.turn(2)
    assert len(desk.server) == 0
    assert cut("too_slow") == before
    silent.close()


def test_who_has_his_answer_makes_room_first(desk: Desk) -> None:
    asking = [desk.connect(b"GET") for _ in range(MOST - 1)]
    desk.turn(5)
    desk.connect(PROBE + b"more")
    desk.turn(5)
    assert len(desk.server) == MOST
    asking.append(desk.connect(b"GET"))
    desk.turn(5)
    for each in asking:
        each.sendall(PROBE[3:])
        assert desk.read(each).endswith(b"ok\n")


def test_it_says_how_much_cpu_it_took_so_that_it_can_rest(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("f2b_worker.observe.server.time.thread_time", lambda: 0.25 * len(desk.asked))
    client = desk.connect(PROBE)
    assert desk.server.turn(0.0) + desk.server.turn(0.0) + desk.server.turn(0.0) == 0.25
    assert desk.read(client).endswith(b"ok\n")


def test_a_client_that_has_gone_costs_nothing(desk: Desk) -> None:
    for sent in (b"", b"GET /", PROBE, PAGE):
        desk.connect(sent).close()
    desk.turn(10)
    assert len(desk.server) == 0
