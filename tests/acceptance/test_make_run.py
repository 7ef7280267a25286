"""`make run` as a process: what it prints works word by word, and whatever dies ends it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import pytest

from demo.fleet import eventually, free_port, get

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "demo.run"]
BARE = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
"""The environment of another terminal."""


class Run:
    """A running `make run` whose output goes to a file."""

    def __init__(self, file: Path, *options: str) -> None:
        self._file = file
        with file.open("wb") as sink:
            self.process = subprocess.Popen([*COMMAND, *options], cwd=ROOT, stdout=sink, stderr=sink)

    @property
    def text(self) -> str:
        return self._file.read_text()

    def wait_for_hints(self) -> None:
        eventually(lambda: "Ctrl-C stops everything" in self.text or not self.runs, "the hints", 90)
        assert self.runs, self.text

    @property
    def runs(self) -> bool:
        return self.process.poll() is None

    @property
    def shim_url(self) -> str:
        found: list[str] = re.findall(r"curl (http://[^/]+)/", self.text)
        return found[0]

    @property
    def dashboard_url(self) -> str:
        found: list[str] = re.findall(r"The dashboard is (\S+)", self.text)
        return found[0]

    def process_of(self, part: str) -> int:
        """Find the process whose command line has *part*."""
        for each in _descendants(self.process.pid):
            if part in Path(f"/proc/{each}/cmdline").read_text().replace("\0", " "):
                return each
        raise AssertionError(f"no process of {part}")

    def end(self) -> None:
        if self.runs:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def _descendants(pid: int) -> Iterator[int]:
    for child in map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
        yield child
        yield from _descendants(child)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    started: list[Run] = []

    def run(*options: str) -> Run:
        started.append(Run(tmp_path / f"out-{len(started)}", *options))
        return started[-1]

    yield run
    for each in started:
        each.end()


def in_another_shell(line: str, command: str) -> str:
    """Run a command after the line that was printed to be copied."""
    done = subprocess.run(
        ["/bin/sh", "-c", f"{line}\n{command}"], env=BARE, capture_output=True, text=True, cwd="/", check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def may_log_in(dashboard_url: str, token: str) -> bool:
    """Send the form, as a browser does."""
    address = urlsplit(dashboard_url)
    browser = HTTPConnection(address.netloc, timeout=20)
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
    browser.request("POST", "/login", urlencode({"token": token, "back": "/"}), headers)
    answer = browser.getresponse()
    browser.close()
    return answer.status == 303 and bool(answer.getheader("Set-Cookie"))


def test_what_is_printed_to_be_copied_works_in_another_shell_and_a_dead_shim_ends_all(
    start: Callable[..., Run],
) -> None:
    run = start("--port", "0", "--dashboard-port", "0")
    run.wait_for_hints()
    (export,) = [each.strip() for each in run.text.splitlines() if "export AWS_" in each]
    status, bans, explain, report = [
        each.split("#")[0].strip() for each in run.text.splitlines() if re.match(r"  \S*/f2b(-report)? ", each)
    ]
    queue_url = re.findall(r"The queue for producers is (\S+)", run.text)[0]

    for _ in range(3):
        in_another_shell(export, report)
    eventually(lambda: "203.0.113.9" in in_another_shell(export, bans), "it is banned", 30)
    eventually(lambda: " enforced" in in_another_shell(export, bans), "it is seen in its IP set", 30)
    assert in_another_shell(export, status).startswith("OK\n")
    eventually(lambda: "203.0.113.9" in get(f"{run.dashboard_url}bans")[1], "the dashboard shows it", 30)
    assert may_log_in(run.dashboard_url, re.findall(r"log in with the token (\S+)", run.text)[0])
    assert not may_log_in(run.dashboard_url, "a-token-of-nobody")
    assert "203.0.113.7" in in_another_shell(export, explain)
    folder = Path(sys.executable).parent
    assert in_another_shell(export, 'echo "$F2B_QUEUE"') == f"{queue_url}\n"
    assert "there" in in_another_shell(export, f"{folder}/f2b provision --ip-set f2b --dry-run")
    example = (
        f"cd {ROOT / 'producer/examples'} && {sys.executable} -c '"
        'from flask_app import app; print(app.test_client().post("/login").status_code); '
        'print(app.test_client().get("/health").json)\''
    )
    assert in_another_shell(export, example).splitlines()[0] == "401"
    port = free_port()
    shim = subprocess.Popen(
        ["/bin/sh", "-c", f"{export}\nexec {folder}/f2b-shim --host 127.0.0.1 --port {port}"], env=BARE, cwd="/"
    )
    eventually(lambda: get(f"http://127.0.0.1:{port}/readyz")[0] == 200, "another shim works", 30)
    shim.terminate()
    shim.wait(20)

    os.kill(run.process_of("f2b-shim"), signal.SIGKILL)

    assert run.process.wait(30) == 1
    last = run.text.splitlines()[-1]
    assert last.startswith("make run: the shim ended with exit code -9; the last words: ")


def test_dead_workers_end_it_with_their_last_words(start: Callable[..., Run]) -> None:
    run = start("--port", "0", "--dashboard-port", "0")
    run.wait_for_hints()
    eventually(lambda: run.text.count('"event": "working"') == 2, "both workers work", 60)
    os.kill(run.process_of("f2b-worker"), signal.SIGTERM)
    assert run.process.wait(30) == 1
    last = run.text.splitlines()[-1]
    assert last.startswith("make run: the workers ended with exit code 0; the last words: ")
    assert json.loads(last.partition("the last words: ")[2])["event"] == "pool_stopped"


@pytest.mark.parametrize("part", ["localstack.edge", "ministack"])
def test_a_dead_local_aws_ends_it(part: str, start: Callable[..., Run]) -> None:
    run = start("--port", "0", "--dashboard-port", "0")
    run.wait_for_hints()
    os.kill(run.process_of(part), signal.SIGKILL)
    assert run.process.wait(40) == 1
    (line,) = [each for each in run.text.splitlines() if each.startswith("make run: ")]
    assert line.startswith(f"make run: the local AWS died: {part} ended with exit code -9; its last words: ")


def test_a_stop_ends_it_in_order_with_code_0(start: Callable[..., Run]) -> None:
    run = start("--port", "0", "--dashboard-port", "0")
    run.wait_for_hints()
    processes = list(_descendants(run.process.pid))
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(30) == 0
    assert run.text.splitlines().count("Stopping …") == 1
    eventually(lambda: not any(Path(f"/proc/{each}").exists() for each in processes), "nothing is left", 10)


def test_a_port_that_is_asked_for_and_taken_is_refused_in_one_line(start: Callable[..., Run]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        run = start("--port", str(other.getsockname()[1]), "--dashboard-port", "0")
        assert run.process.wait(30) == 1
    (line,) = run.text.splitlines()
    assert line.startswith("make run: port ")
    assert "make run PORT=N" in line


@contextmanager
def taken(port: int) -> Iterator[None]:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):  # somebody else has it: as good
            other.bind(("127.0.0.1", port))
            other.listen()
        yield


def test_other_ports_are_taken_where_8000_and_8080_are_not_free(start: Callable[..., Run]) -> None:
    with taken(8000), taken(8080):
        run = start()
        run.wait_for_hints()
        assert "Port 8000 is taken: the shim listens on" in run.text
        assert "Port 8080 is taken: the dashboard listens on" in run.text
        assert run.shim_url != "http://127.0.0.1:8000"
        assert run.dashboard_url != "http://127.0.0.1:8080/"
        assert get(f"{run.shim_url}/infraction/203.0.113.7")[0] == 200
        eventually(lambda: get(f"{run.dashboard_url}healthz")[0] == 200, "the dashboard answers", 30)
