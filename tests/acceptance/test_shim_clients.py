"""Clients that mean no good, or no longer anything: each is cut in its time, and costs the others nothing."""

from __future__ import annotations

import re
import socket
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from demo.fleet import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.fleet import Fleet

IP = "203.0.113.7"
SLACK_S = 3.0  # on a busy machine


@pytest.fixture
def shim(fleet: Fleet) -> Fleet:
    fleet.start_shim("--request-s", "1", "--idle-s", "1")
    return fleet


@pytest.fixture
def sockets() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def connect(shim: Fleet, sockets: ExitStack, sent: bytes = b"") -> socket.socket:
    host, port = shim.shim_url.removeprefix("http://").split(":")
    connection = sockets.enter_context(socket.create_connection((host, int(port)), timeout=20))
    connection.sendall(sent)
    return connection


def read_to_the_end(connection: socket.socket) -> bytes:
    """Read until the shim closes the connection."""
    read = b""
    try:
        while data := connection.recv(65536):
            read += data
    except ConnectionResetError:
        pass
    return read


def refused(shim: Fleet, reason: str) -> float:
    found = re.search(rf'f2b_shim_refused_total{{reason="{reason}"}} (\S+)', shim.get("/metrics")[1])
    return float(found.group(1)) if found else 0.0


@pytest.mark.parametrize(
    "begun",
    [
        b"G",
        b"GET /infraction/203.0.113.7 HTTP/1.1\r\n",
        b"GET /infraction/203.0.113.7 HTTP/1.1\r\nHost: shim\r\nX-Slow: a",
        b'POST /infractions HTTP/1.1\r\nHost: shim\r\nContent-Length: 100\r\n\r\n{"ip": ',
        b"POST /infractions HTTP/1.1\r\nHost: shim\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[    \r\n",
    ],
)
def test_a_request_that_does_not_come_to_its_end_is_cut(shim: Fleet, sockets: ExitStack, begun: bytes) -> None:
    began_s = time.monotonic()
    connection = connect(shim, sockets, begun)
    told = read_to_the_end(connection)
    assert told.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began_s < 1 + SLACK_S
    assert refused(shim, "too_slow") == 1
    assert shim.queued() == 0


def test_a_client_that_drips_is_cut_as_one_that_stops(shim: Fleet, sockets: ExitStack) -> None:
    connection = connect(shim, sockets, b"GET / HTTP/1.1\r\n")
    began_s = time.monotonic()
    connection.settimeout(0.05)
    told = b""
    while not told and time.monotonic() - began_s < 20:
        try:
            connection.sendall(b"X-A: b\r\n")
            told = connection.recv(100)
        except TimeoutError:
            continue
        except OSError:
            break
    assert time.monotonic() - began_s < 0.5 + SLACK_S


def test_idle_connections_are_closed_and_meanwhile_others_are_served(shim: Fleet, sockets: ExitStack) -> None:
    began_s = time.monotonic()
    silent = [connect(shim, sockets) for _ in range(100)]
    asked = [connect(shim, sockets, b"GET / HTTP/1.1\r\nHost: shim\r\n\r\n") for _ in range(100)]
    assert shim.get(f"/infraction/{IP}")[0] == 200
    assert [read_to_the_end(each) for each in silent] == [b""] * 100
    assert all(read_to_the_end(each).endswith(b"ok\n") for each in asked)
    assert time.monotonic() - began_s < 1 + SLACK_S


def test_a_kept_connection_serves_request_after_request(shim: Fleet, sockets: ExitStack) -> None:
    connection = connect(shim, sockets)
    for _ in range(8):
        connection.sendall(f"GET /infraction/{IP} HTTP/1.1\r\nHost: shim\r\n\r\n".encode())
        assert connection.recv(65536).endswith(b"\r\n\r\nok\n")
        time.sleep(0.25)
    assert shim.get("/metrics")[1].count("f2b_shim_stored_total 8.0") == 1


def test_requests_sent_ahead_are_answered_in_their_order(shim: Fleet, sockets: ExitStack) -> None:
    good, bad = f"/infraction/{IP}", "/infraction/nobody"
    ahead = "".join(f"GET {path} HTTP/1.1\r\nHost: shim\r\n\r\n" for path in (good, bad, "/", bad))
    told = read_to_the_end(connect(shim, sockets, ahead.encode()))
    assert re.findall(rb"HTTP/1.1 (\d+)", told) == [b"200", b"400", b"200", b"400"]


@pytest.mark.parametrize(
    "head",
    [
        b"X-A: " + b"a" * 20_000,
        b"\r\n".join(b"X-%d: a" % number for number in range(3_000)),
        b"X-A: " + b"a" * 500_000,
    ],
)
def test_too_large_a_head_is_refused(shim: Fleet, sockets: ExitStack, head: bytes) -> None:
    connection = connect(shim, sockets)
    connection.sendall(b"GET / HTTP/1.1\r\nHost: shim\r\n" + head + b"\r\n\r\n")
    assert read_to_the_end(connection).startswith(b"HTTP/1.1 431 ")
    assert refused(shim, "head_too_large") == 1


def test_too_long_a_target_is_refused(shim: Fleet, sockets: ExitStack) -> None:
    told = read_to_the_end(connect(shim, sockets, b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: shim\r\n\r\n"))
    assert told.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    ("noise", "reason"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00", "tls"),
        (b"hello\r\n\r\n", "bad_http"),
        (b"GET\r\n\r\n", "bad_http"),
    ],
)
def test_what_is_no_http_is_refused(shim: Fleet, sockets: ExitStack, noise: bytes, reason: str) -> None:
    told = read_to_the_end(connect(shim, sockets, noise))
    assert told.startswith(b"HTTP/1.1 400 ")
    assert refused(shim, reason) == 1


def test_too_long_a_body_is_refused_before_it_is_sent(shim: Fleet, sockets: ExitStack) -> None:
    head = b"POST /infractions HTTP/1.1\r\nHost: shim\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n"
    told = read_to_the_end(connect(shim, sockets, head))
    assert told.startswith(b"HTTP/1.1 413 ")


def test_a_client_that_waits_to_be_asked_for_its_body_is_asked(shim: Fleet, sockets: ExitStack) -> None:
    body = b'{"ip": "203.0.113.7"}'
    head = b"POST /infractions HTTP/1.1\r\nHost: shim\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n"
    connection = connect(shim, sockets, head % len(body))
    assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
    connection.sendall(body)
    assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_a_client_that_hangs_up_while_it_waits_costs_nothing(shim: Fleet, sockets: ExitStack) -> None:
    for _ in range(20):
        connect(shim, sockets, f"GET /infraction/{IP} HTTP/1.1\r\nHost: shim\r\n\r\n".encode()).close()
    eventually(lambda: shim.get(f"/infraction/{IP}")[0] == 200, "the shim answers", 5)
