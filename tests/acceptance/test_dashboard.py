"""The dashboard of a worker over real connections, and what becomes of both when one dies, hangs or stops."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import httpx
import pytest

from demo.fleet import BIN, eventually
from f2b_worker.process.accompanying import NICE
from tests.acceptance.dashboards import TOKEN, Standalone, command_of, companions_of, with_patience
from tests.conftest import ROOT
from tests.log_lines import logged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

IP = "203.0.113.7"
SECCOMP = str(ROOT / "tests/seccomp.py")


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    worker = Standalone(tmp_path_factory.mktemp("dashboard"))
    yield worker
    worker.end()


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., Standalone]]:
    with ExitStack() as stack:

        def start(*options: str, **more: list[str]) -> Standalone:
            worker = Standalone(tmp_path, *options, **more)
            stack.callback(worker.end)
            return worker

        yield start


def _raw(port: int, request: bytes) -> bytes:
    """Send bytes, and read what comes back until the end of the connection or a second without anything more."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request)
        answer = b""
        try:
            while part := connection.recv(65_536):
                answer += part
                connection.settimeout(1)
        except TimeoutError:
            pass
        return answer


def test_who_has_a_token_lifts_a_ban_and_the_audit_has_his_name(worker: Standalone) -> None:
    worker.ban(IP)
    browser = worker.browser
    assert f'data-ip="{IP}"' in browser.get("/bans").text
    assert IP in browser.get(f"/address/{IP}").text
    refused = browser.post("/acts/unban", address=IP)
    assert (refused.status_code, IP in browser.banned()) == (403, True)
    browser.log_in()
    lifted = browser.post("/acts/unban", address=IP, reason="our scanner", back="/bans")
    assert (lifted.status_code, lifted.headers["location"]) == (303, "/bans")
    page = browser.get("/bans").text
    assert f"{IP} in jail login: lifted" in page
    assert f'data-ip="{IP}"' not in page, "the next page knows of it"
    assert f"{IP} in jail login: lifted" not in browser.get("/bans").text, "it is told once"
    audit = browser.get("/audit").text
    assert "ann (dashboard)" in audit
    assert "our scanner" in audit
    assert browser.post("/logout", back="/").status_code == 303
    assert browser.post("/acts/ban", address=IP).status_code == 403


HOST = b"Host: localhost\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 18\r\n"
BODY = b"\r\naddress=192.0.2.66"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"POST /acts/ban HTTP/1.1\r\n" + HOST + FORM + BODY, 403),
        (b"POST /acts/ban HTTP/1.1\r\n" + HOST + b"Origin: http://evil.example\r\n" + FORM + BODY, 403),
        (b"POST /acts/ban HTTP/1.1\r\n" + HOST + b"Origin: null\r\n" + FORM + BODY, 403),
        (b"POST /acts/ban HTTP/1.1\r\n" + HOST + b"Sec-Fetch-Site: cross-site\r\n" + FORM + BODY, 403),
        (b"POST /acts/ban HTTP/1.1\r\n" + HOST + b"Sec-Fetch-Site: same-origin\r\n" + FORM + BODY, 403),
        (b"POST /acts/ban HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\n" + FORM + BODY, 403),
        (b"POST /acts/ban HTTP/1.0\r\nOrigin: http://\r\n" + FORM + BODY, 403),
        (b"POST /acts/ban?x HTTP/1.1\r\n" + HOST + HOST + b"Sec-Fetch-Site: same-origin\r\n" + FORM + BODY, 400),
        (b"GET /acts/ban?address=192.0.2.66 HTTP/1.1\r\n" + HOST + b"\r\n", 405),
        (b"POST /acts/../acts/ban HTTP/1.1\r\n" + HOST + FORM + BODY, 404),
        (b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403),
        (b"GET /bans.json HTTP/1.1\r\nHost: evil.example:80\r\n\r\n", 403),
        (b"GET /bans.json HTTP/1.1\r\n" + HOST + b"Origin: http://evil.example\r\n\r\n", 403),
        (b"GET /stream?page=/ HTTP/1.1\r\n" + HOST + b"Sec-Fetch-Site: cross-site\r\n\r\n", 403),
        (b"GET /static/..%2fapp.py HTTP/1.1\r\n" + HOST + b"\r\n", 404),
        (b"GET /static/../app.py HTTP/1.1\r\n" + HOST + b"\r\n", 404),
        (b"TRACE / HTTP/1.1\r\n" + HOST + b"\r\n", 405),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"x" * 20_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"x" * 20_000, 431),
        (b"\x16\x03\x01\x00\xee\x01\x00\x00\xea\x03\x03", 400),
        (b"POST /login HTTP/1.1\r\n" + HOST + b"Origin: http://localhost\r\n" + FORM[:49]
         + b"Content-Length: 9000000\r\n\r\n" + b"x" * 70_000, 413),
    ],
)  # fmt: skip
def test_what_no_page_of_ours_sends_is_refused_and_bans_nobody(
    worker: Standalone, request_: bytes, status: int
) -> None:
    answer = _raw(worker.http_port, request_)
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:200]
    assert "192.0.2.66" not in worker.browser.banned()


def test_a_head_is_a_get_without_a_body(worker: Standalone) -> None:
    for path in ("/", "/bans", "/series.json", "/status.json", "/healthz", "/stream?page=/"):
        head = f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        answer = _raw(worker.http_port, head.encode())
        assert answer.startswith(b"HTTP/1.1 200 "), path
        assert answer.partition(b"\r\n\r\n")[2] == b""


class _Stream(threading.Thread):
    """An open page."""

    def __init__(self, port: int, page: str = "/bans") -> None:
        super().__init__(daemon=True)
        self.events: list[tuple[float, str]] = []
        self.ended_s = 0.0
        self._url = f"http://127.0.0.1:{port}/stream?page={page}"
        self.start()

    def run(self) -> None:
        with httpx.stream("GET", self._url, timeout=30, trust_env=False) as answer:
            event = ""
            try:
                for line in answer.iter_lines():
                    event += f"{line}\n"
                    if not line:
                        self.events.append((time.monotonic(), event))
                        event = ""
            except httpx.TransportError:
                pass
        self.ended_s = time.monotonic()

    def shows(self, text: str) -> bool:
        mains = [event for _, event in self.events if event.startswith("event: main\n")]
        return bool(mains) and text in mains[-1]


def test_an_open_page_hears_of_a_ban_within_two_seconds_and_many_share_one_rendering(worker: Standalone) -> None:
    pages = [_Stream(worker.http_port) for _ in range(20)]
    eventually(lambda: all(page.shows("<h1>Bans</h1>") for page in pages), "every page is shown", 10)
    worker.ban("203.0.113.20")
    banned_s = time.monotonic()
    eventually(lambda: all(page.shows("203.0.113.20") for page in pages), "every page has heard", 10)
    assert time.monotonic() - banned_s < 2.0
    page = worker.browser.get("/metrics").text
    assert re.search(r"^f2b_dashboard_streams (\d+)", page, re.MULTILINE) is not None
    (streams,) = re.findall(r"^f2b_dashboard_streams (\d+)", page, re.MULTILINE)
    assert int(streams) >= 20


def test_who_holds_connections_open_or_does_not_read_costs_nobody_else(worker: Standalone) -> None:
    with ExitStack() as stack:
        for _ in range(1_000):
            stack.enter_context(closing(socket.create_connection(("127.0.0.1", worker.http_port), timeout=3)))
        for _ in range(20):
            slow = stack.enter_context(closing(socket.create_connection(("127.0.0.1", worker.http_port))))
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            slow.sendall(b"GET /static/app.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200)
        for _ in range(20):
            half = stack.enter_context(closing(socket.create_connection(("127.0.0.1", worker.http_port))))
            half.sendall(b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n")
        began_s = time.monotonic()
        assert worker.browser.get("/bans").status_code == 200
        assert time.monotonic() - began_s < 2.0
        assert worker.takes_infractions()


def test_a_dashboard_that_is_killed_is_started_again_and_judging_goes_on(worker: Standalone) -> None:
    first = worker.companion
    worker.browser.log_in()
    os.kill(first, signal.SIGKILL)
    eventually(lambda: first not in companions_of(worker.process.pid), "its death is noticed", 5)
    assert worker.takes_infractions(), "nobody else noticed"
    eventually(worker.browser.is_up, "it serves again, on the same port", 30)
    worker.ban("203.0.113.30")
    assert worker.companion != first
    assert worker.browser.post("/acts/unban", address="203.0.113.30").status_code == 303, "the session outlives it"
    eventually(lambda: bool(logged(worker.log, "companion_died")), "its death is logged", 10)
    assert "exit code -9" in logged(worker.log, "companion_died")[0]["reason"]


def test_a_dashboard_that_hangs_is_ended_and_started_again(started: Callable[..., Standalone]) -> None:
    worker = started(program=with_patience(SILENT_S=2.0, ENDS_WITHIN_S=0.5))
    first = worker.companion
    os.kill(first, signal.SIGSTOP)
    eventually(lambda: companions_of(worker.process.pid) not in ([first], []), "another one runs", 15)
    eventually(worker.browser.is_up, "it serves again", 15)
    assert worker.takes_infractions()
    eventually(lambda: "gave no sign of life" in worker.log.read_text(), "the log says why", 10)


def test_the_judge_comes_first_and_yet_the_dashboard_gets_enough_to_answer(worker: Standalone) -> None:
    assert os.getpriority(os.PRIO_PROCESS, worker.companion) == NICE


def test_where_a_sandbox_forbids_to_stand_back_all_processes_start_and_each_says_so_once(
    started: Callable[..., Standalone],
) -> None:
    worker = started(program=[sys.executable, SECCOMP, "setpriority", "--", str(BIN / "f2b-worker")])
    eventually(lambda: len(logged(worker.log, "priority_unchanged")) == 2, "both say so", 10)
    lines = {line.get("part"): line["reason"] for line in logged(worker.log, "priority_unchanged")}
    assert lines == dict.fromkeys((None, "dashboard"), "setpriority: Operation not permitted")
    assert os.getpriority(os.PRIO_PROCESS, worker.companion) == os.getpriority(os.PRIO_PROCESS, 0)


@pytest.mark.parametrize(
    ("signalled", "number", "code"),
    [(os.kill, signal.SIGKILL, -9), (os.kill, signal.SIGTERM, 0), (os.killpg, signal.SIGINT, 0)],
)
def test_however_a_worker_ends_its_dashboard_ends_with_it_at_once_and_in_order(
    started: Callable[..., Standalone], signalled: Callable[[int, int], None], number: signal.Signals, code: int
) -> None:
    worker = started()
    companion, page = worker.companion, _Stream(worker.http_port)
    eventually(lambda: page.shows("<h1>"), "the page is shown", 10)
    signalled(worker.process.pid, number)
    ended_s = time.monotonic()
    eventually(lambda: not command_of(companion), "the dashboard has ended", 10)
    page.join(10)
    assert page.ended_s - ended_s < 1.5
    assert worker.process.wait(12) == code
    assert "companion_died" not in worker.log.read_text()


def test_a_reload_reaches_the_dashboard(worker: Standalone) -> None:
    assert "signup" not in worker.browser.get("/bans").text
    config = worker.folder / "f2b.toml"
    config.write_text(config.read_text() + "\n[jails.signup]\nmaxretry = 2\n")
    worker.process.send_signal(signal.SIGHUP)
    eventually(lambda: "signup" in worker.browser.get("/bans").text, "the new jail is there", 15)


def test_a_companion_of_which_a_thread_dies_ends_whole_so_that_it_is_started_anew() -> None:
    script = (
        "import threading, time; from f2b_worker.observe import log; from f2b_worker.process import accompanying\n"
        "log.configure('info'); threading.excepthook = accompanying.end_with_a_part\n"
        "threading.Thread(target=lambda: 1 / 0, name='view').start(); time.sleep(60)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 4
    assert '"part": "view"' in done.stderr
    assert "ZeroDivisionError" in done.stderr


def test_a_port_that_is_taken_is_refused_at_the_start_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [BIN / "f2b-worker", "--standalone", "--state", tmp_path / "f2b.db", "--http-port", port]
        done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, cwd=tmp_path)
        assert (done.returncode, done.stderr.count("\n")) == (3, 1)
        assert f"--http-port {port}: cannot listen: Address already in use" in done.stderr


def test_the_token_stands_in_no_log_and_on_no_page(worker: Standalone) -> None:
    before = len(logged(worker.log, "dashboard_login"))
    worker.browser.log_in()
    eventually(lambda: len(logged(worker.log, "dashboard_login")) > before, "the log says who logged in", 10)
    assert TOKEN not in worker.log.read_text()
    assert TOKEN not in worker.browser.get("/").text
