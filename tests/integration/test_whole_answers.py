"""An HTTP answer comes to its end within its time, or its call fails: at whatever pace, in whatever part."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import closing, suppress
from http.client import HTTPResponse
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from botocore.awsrequest import AWSHTTPConnection, AWSHTTPSConnection, AWSRequest
from botocore.exceptions import HTTPClientError, ReadTimeoutError
from botocore.httpsession import URLLib3Session

from f2b_worker.adapters import whole_answers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

READ_TIMEOUT_S = 0.5
FAILS_WITHIN_S = 10.0
"""Far more than its time: this machine may be busy. None of these answers would end."""

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.fixture(autouse=True)
def bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for connection in (AWSHTTPConnection, AWSHTTPSConnection):
        monkeypatch.setattr(connection, "response_class", vars(connection).get("response_class", HTTPResponse))
    whole_answers.bound_answers()


@pytest.fixture
def served() -> Iterator[Callable[[bytes, bytes, float, int], str]]:
    """Answer each connection with a head and then so many times the same bytes, at a pace."""
    ended = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def answer(connection: socket.socket, head: bytes, more: bytes, every_s: float, times: int) -> None:
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(head)
            for _ in range(times):
                if ended.wait(every_s):
                    return
                connection.sendall(more)
            ended.wait(FAILS_WITHIN_S)

    def start(head: bytes, more: bytes, every_s: float, times: int) -> str:
        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=answer, args=(connection, head, more, every_s, times)).start()

        threading.Thread(target=accept, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/"

    yield start
    ended.set()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def ask(url: str) -> bytes:
    session = URLLib3Session(timeout=READ_TIMEOUT_S)  # type: ignore[arg-type]  # a float will do
    with closing(session):
        answer: bytes = session.send(AWSRequest("POST", url, data=b"{}").prepare()).content
        return answer


@pytest.mark.parametrize(
    ("head", "more"),
    [
        (HEAD, b"x"),
        (b"", b"H"),  # the status line
        (b"HTTP/1.1 200 OK\r\n", b"x"),  # a header's name
        (CHUNKED, b"1"),  # a chunk's length
        (CHUNKED, b"1\r\nx\r\n"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x"),  # until the connection ends
    ],
)
@pytest.mark.parametrize("every_s", [0.005, 0.2, 0.45])
def test_an_answer_that_trickles_fails_as_one_that_does_not_come(
    served: Callable[[bytes, bytes, float, int], str], head: bytes, more: bytes, every_s: float
) -> None:
    url = served(head, more, every_s, 10_000)
    began_s = time.monotonic()

    with pytest.raises(ReadTimeoutError):
        ask(url)
    assert time.monotonic() - began_s < FAILS_WITHIN_S


def test_an_answer_without_an_end_fails_however_fast_it_comes(
    served: Callable[[bytes, bytes, float, int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole_answers, "ANSWER_BYTES_MAX", 4_000_000)
    chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
    with pytest.raises(HTTPClientError):
        ask(served(CHUNKED, chunk, 0.0, 1_000_000))


def test_an_answer_that_keeps_coming_has_three_times_its_time_at_most(
    served: Callable[[bytes, bytes, float, int], str],
) -> None:
    chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
    with pytest.raises(ReadTimeoutError):
        ask(served(CHUNKED, chunk, 0.05, 1_000_000))


def test_a_big_answer_over_a_slow_link_has_more_time(served: Callable[[bytes, bytes, float, int], str]) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 524288\r\n\r\n"
    began_s = time.monotonic()

    assert ask(served(head, bytes(65536), 0.1, 8)) == bytes(524288)
    assert time.monotonic() - began_s > READ_TIMEOUT_S


def test_what_came_while_the_process_slept_is_taken(served: Callable[[bytes, bytes, float, int], str]) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 40000\r\n\r\n"
    port = urlsplit(served(head, bytes(20_000), 0.0, 2)).port
    with closing(socket.create_connection(("127.0.0.1", port))) as sock:
        sock.settimeout(READ_TIMEOUT_S)
        sock.sendall(b"POST / HTTP/1.1\r\n\r\n")
        answer = whole_answers.WholeAnswer(sock)
        answer.begin()
        time.sleep(2 * READ_TIMEOUT_S)

        assert answer.read() == bytes(40_000)
