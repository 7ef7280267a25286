"""Refusals can be read, and cost nobody else anything: raw clients that read late, and real proxies in front."""

from __future__ import annotations

import http.client
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, TypeAlias

import pytest

from demo.fleet import eventually, free_port
from demo.proxies import apache, haproxy, nginx
from tests.acceptance.dashboards import Standalone

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from demo.fleet import Fleet

IP = "203.0.113.7"
TOKEN = "correct-horse-battery"
WITH_TOKEN = {"Authorization": f"Bearer {TOKEN}"}
LONG = 900_000
AT_A_TIME = 20
INNOCENTS = 300

POST = b"POST /infractions HTTP/1.1\r\nHost: shim\r\n"
MAY = f"Authorization: Bearer {TOKEN}\r\n".encode()
LENGTH = b"Content-Length: %d\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % LONG
TOO_SLOW = 'f2b_shim_refused_total{reason="too_slow"} 1.0'
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"


Serve: TypeAlias = "Callable[[Fleet, Callable[..., subprocess.Popen[bytes]]], None]"
Proxy: TypeAlias = "Callable[[Path, int, int], Iterator[None]]"
Case: TypeAlias = "tuple[Serve, Proxy, str]"


def shim(fleet: Fleet, _start: object) -> None:
    # Two addresses are two servers for a proxy: one that is taken for dead is asked no more.
    fleet.start_shim("--host", "0.0.0.0")


def standalone(_fleet: Fleet, start: Callable[..., subprocess.Popen[bytes]]) -> None:
    start("--host", "0.0.0.0", enforcing=False)


def behind_nginx(folder: Path, port: int, shim: int, options: str = "") -> Iterator[None]:
    servers = f"server 127.0.0.1:{shim}; server 127.0.0.2:{shim};"
    location = f"proxy_pass http://shims; {options}"
    http = f"upstream shims {{ {servers} }} server {{ listen 127.0.0.1:{port}; location / {{ {location} }} }}"
    with nginx(folder, port, http):
        yield


def behind_nginx_unbuffered(folder: Path, port: int, shim: int) -> Iterator[None]:
    kept = 'proxy_http_version 1.1; proxy_set_header Connection "";'
    yield from behind_nginx(folder, port, shim, f"proxy_request_buffering off; {kept}")


def behind_haproxy(folder: Path, port: int, shim: int) -> Iterator[None]:
    servers = f"server one 127.0.0.1:{shim}\n server two 127.0.0.2:{shim}"
    with haproxy(folder, port, f"frontend all\n bind 127.0.0.1:{port}\n default_backend b\nbackend b\n {servers}"):
        yield


def behind_apache(folder: Path, port: int, shim: int) -> Iterator[None]:
    rest = f"Listen 127.0.0.1:{port}\nProxyPass / http://127.0.0.1:{shim}/"
    with apache(folder, port, rest):
        yield


def posted(port: int, how: str) -> bytes:
    """Send a long body without a token; answer what came, whatever became of the connection."""
    head = POST + (CHUNKED if how == "chunked" else LENGTH % LONG)
    head += {"chunked": b"", "expect": b"Expect: 100-continue\r\n\r\n"}.get(how, b"\r\n")
    told = b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection, suppress(OSError):
        connection.sendall(head)
        for _ in range(LONG // 100_000):
            connection.sendall(b" " * 100_000)
            if how == "slow":
                threading.Event().wait(0.02)
        connection.sendall(b"\r\n0\r\n\r\n" if how == "chunked" else b"")
        told = connection.recv(1000)
        if told.startswith(b"HTTP/1.1 100 "):
            told = connection.recv(1000)
    return told


def innocent(port: int, times: int) -> list[int]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    answers = []
    for _ in range(times):
        connection.request("GET", f"/infraction/{IP}", headers=WITH_TOKEN)
        answer = connection.getresponse()
        answer.read()
        answers.append(answer.status)
    connection.close()
    return answers


@contextmanager
def refused_on_and_on(port: int, how: str) -> Iterator[list[bytes]]:
    """Have long bodies refused, so many at a time, until the block ends."""
    over, told = threading.Event(), list[bytes]()

    def go_on() -> None:
        while not over.is_set():
            told.append(posted(port, how))

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        going = [pool.submit(go_on) for _ in range(AT_A_TIME)]
        try:
            yield told
        finally:
            over.set()
    for each in going:
        each.result()


@pytest.mark.parametrize(
    "case",
    [
        (shim, behind_nginx, "length"),
        (shim, behind_nginx, "chunked"),
        (shim, behind_nginx, "slow"),
        (shim, behind_nginx, "expect"),
        (shim, behind_nginx_unbuffered, "length"),
        (shim, behind_nginx_unbuffered, "chunked"),
        (shim, behind_nginx_unbuffered, "slow"),
        (shim, behind_haproxy, "chunked"),
        (shim, behind_apache, "length"),
        (standalone, behind_nginx, "length"),
    ],
    ids=lambda case: " ".join(getattr(each, "__name__", each) for each in case),
)
def test_refused_bodies_cost_no_innocent_request_behind_a_proxy(
    fleet: Fleet, start: Callable[..., subprocess.Popen[bytes]], tmp_path: Path, case: Case
) -> None:
    serve, proxy, how = case
    fleet.environment["F2B_TOKEN"] = TOKEN
    serve(fleet, start)
    port = free_port()
    with (
        contextmanager(proxy)(tmp_path / "proxy", port, fleet.shim_port),
        refused_on_and_on(port, how) as told,
        ThreadPoolExecutor(4) as pool,
    ):
        answers = [each for some in pool.map(lambda _: innocent(port, INNOCENTS // 4), range(4)) for each in some]
    assert {status: answers.count(status) for status in set(answers)} == {200: INNOCENTS}
    assert {each[9:12] for each in told} == {b"401"}
    assert len(told) >= AT_A_TIME


def told_late(port: int, sent: bytes) -> bytes:
    """Send all of it before anything is read, as many clients do, and read to the end."""
    told = b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        for begin in range(0, len(sent), 65_536):
            connection.sendall(sent[begin : begin + 65_536])
        while data := connection.recv(65_536):
            told += data
    return told


BODY = b" " * LONG
REFUSED = {
    "no token": (POST + LENGTH % LONG + b"\r\n" + BODY, b"401"),
    "no token, chunked": (POST + CHUNKED + BODY, b"401"),
    "too long": (POST + MAY + LENGTH % LONG + b"\r\n" + BODY, b"413"),
    "too long, chunked": (POST + MAY + CHUNKED + BODY, b"413"),
    "no method": (b"DELETE /infractions HTTP/1.1\r\n" + MAY + LENGTH % LONG + b"\r\n" + BODY, b"405"),
    "no path": (b"POST /nowhere HTTP/1.1\r\n" + MAY + LENGTH % LONG + b"\r\n" + BODY, b"404"),
    "another site": (POST + b"Origin: http://other\r\n" + LENGTH % LONG + b"\r\n" + BODY, b"403"),
    "long head": (b"GET / HTTP/1.1\r\nX-A: " + BODY, b"431"),
    "long trailer": (POST + MAY + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX-A: " + BODY, b"431"),
    "no HTTP": (b"hello there\r\n\r\n" + BODY, b"400"),
    "broken chunk": (POST + MAY + b"Transfer-Encoding: chunked\r\n\r\nno number\r\n" + BODY, b"400"),
}


@pytest.fixture
def guarded_shim(fleet: Fleet) -> int:
    fleet.environment["F2B_TOKEN"] = TOKEN
    fleet.start_shim()
    return fleet.shim_port


def test_each_refusal_can_be_read_by_who_sends_all_first(guarded_shim: int) -> None:
    told = {name: told_late(guarded_shim, sent) for name, (sent, _) in REFUSED.items()}
    assert {name: each[9:12] for name, each in told.items()} == {
        name: wanted for name, (_, wanted) in REFUSED.items()
    }
    assert all(each.count(b"connection: close\r\n") == 1 for each in told.values())


def test_a_report_with_a_long_body_that_nobody_needs_is_stored_and_can_be_read_as_that(guarded_shim: int) -> None:
    for body in (LENGTH % LONG + b"\r\n" + BODY, CHUNKED + BODY):
        with socket.create_connection(("127.0.0.1", guarded_shim), timeout=10) as connection:
            connection.sendall(b"POST /infraction/203.0.113.7 HTTP/1.1\r\nHost: shim\r\n" + MAY + body)
            assert connection.recv(1_000).startswith(b"HTTP/1.1 200 ")


def test_who_sends_too_often_can_read_that(fleet: Fleet) -> None:
    fleet.start_shim("--rate-limit", "0.01")
    assert fleet.get(f"/infraction/{IP}")[0] == 200
    assert told_late(fleet.shim_port, POST + LENGTH % LONG + b"\r\n" + BODY).startswith(b"HTTP/1.1 429 ")


def test_who_is_too_slow_with_his_body_can_read_that_after_the_rest_of_it(fleet: Fleet) -> None:
    fleet.start_shim("--request-s", "0.5")
    with socket.create_connection(("127.0.0.1", fleet.shim_port), timeout=10) as connection:
        connection.sendall(POST + LENGTH % 400_000 + b"\r\n")
        eventually(lambda: TOO_SLOW in fleet.get("/metrics")[1], "it is refused", 10)
        connection.sendall(BODY)
        assert connection.recv(1000).startswith(b"HTTP/1.1 408 ")
        assert connection.recv(1000) == b""


def test_requests_before_a_refused_one_have_their_answers_in_order(guarded_shim: int) -> None:
    good = b"GET /infraction/203.0.113.7 HTTP/1.1\r\nHost: shim\r\n" + MAY + b"\r\n"
    for sent, status in REFUSED.values():
        told = told_late(guarded_shim, good * 3 + sent)
        assert [each[:3] for each in told.split(b"HTTP/1.1 ")[1:]] == [b"200", b"200", b"200", status]


def test_who_is_refused_amid_a_short_body_keeps_his_connection(guarded_shim: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", guarded_shim, timeout=10)
    with ExitStack() as closing:
        closing.callback(connection.close)
        for _ in range(3):
            connection.request("POST", "/infractions", b" " * 200_000)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 401
            assert not answer.will_close


LOGIN = b"POST /login HTTP/1.1\r\n"
OURS = b"Sec-Fetch-Site: same-origin\r\n"
AT_A_DASHBOARD = {
    "no form": (LOGIN + OURS, b"415"),
    "too long a form": (LOGIN + OURS + FORM, b"413"),
    "another site": (LOGIN + FORM, b"403"),
    "no act": (b"POST /acts/none HTTP/1.1\r\n", b"404"),
    "no method": (b"PUT / HTTP/1.1\r\n", b"405"),
}
AT_METRICS = {
    "no method": (b"POST / HTTP/1.1\r\n", b"405"),
    "a body": (b"GET /healthz HTTP/1.1\r\n", b"200"),
}


def told_before_a_long_body(port: int, heads: Mapping[str, tuple[bytes, bytes]]) -> dict[str, bytes]:
    rest = b"Host: localhost\r\n" + LENGTH % LONG + b"\r\n" + BODY
    return {name: told_late(port, head + rest)[9:12] for name, (head, _) in heads.items()}


def test_each_refusal_of_a_dashboard_can_be_read_by_who_sends_all_first(tmp_path: Path) -> None:
    worker = Standalone(tmp_path)
    with ExitStack() as ending:
        ending.callback(worker.end)
        told = told_before_a_long_body(worker.http_port, AT_A_DASHBOARD)
        assert told == {name: status for name, (_, status) in AT_A_DASHBOARD.items()}


def test_each_answer_of_the_port_of_metrics_can_be_read_by_who_sends_all_first(
    start: Callable[..., subprocess.Popen[bytes]],
) -> None:
    port = free_port()
    start("--metrics-port", str(port), enforcing=False)
    told = told_before_a_long_body(port, AT_METRICS)
    assert told == {name: status for name, (_, status) in AT_METRICS.items()}
    assert told_late(port, b"GET / HTTP/1.1\r\nX-A: " + BODY)[9:12] == b"431"
