"""Processes that are measured: started, watched through /proc, ended."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from pydantic_core import from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent
STARTS_OR_SETTLES_WITHIN_S = 60.0
STOPS_WITHIN_S = 15.0
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
# What would lead a client elsewhere, or a worker to other settings.
_INTERFERING = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")


class BenchError(Exception):
    """What is measured did not do what it should."""


def aws_environment(endpoint_url: str) -> dict[str, str]:
    """Make the environment of a process whose AWS is at *endpoint_url*, and nothing else of ours or AWS's."""
    kept = {name: value for name, value in os.environ.items() if name not in _INTERFERING and "F2B_" not in name}
    return kept | {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": "000000000001",
        "AWS_SECRET_ACCESS_KEY": "canned",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


class Process:
    """A Python module as a process of its own, with its children.

    Args:
        arguments: What follows `python -m`.
        environment: Its whole environment.
        log: Where its standard error goes.
    """

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        with log.open("wb") as errors:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=ROOT,
            )
        self._log = log

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.popen.terminate()
        try:
            self.popen.wait(STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        if self.popen.stdout:
            self.popen.stdout.close()

    def cpu_s(self) -> float:
        """Tell the CPU seconds used so far, user and system, by it and its children."""
        return sum(map(_cpu_s, _family(self.popen.pid)))

    def must_live(self) -> None:
        """See that it still runs.

        Raises:
            BenchError: With the end of its log.
        """
        if self.popen.poll() is not None:
            last = self._log.read_text(errors="replace").splitlines()[-3:]
            raise BenchError(f"a process ended with {self.popen.returncode}:\n" + "\n".join(last))


def _family(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            yield from _family(int(child))


def _cpu_s(pid: int) -> float:
    with suppress(FileNotFoundError, ProcessLookupError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / _TICKS_PER_S  # utime, stime, and those of children that ended
    return 0.0


def idle_core_s() -> float:
    """Tell for how many seconds, since the machine started, its cores had nothing to do, summed over all."""
    fields = Path("/proc/stat").read_text().partition("\n")[0].split()
    return (int(fields[4]) + int(fields[5])) / _TICKS_PER_S  # idle, and waiting for a disk


class Canned:
    """The canned AWS as a process, and what it can be told."""

    def __init__(self, folder: Path) -> None:
        self.process = Process(["benchmarks.canned.aws"], dict(os.environ), folder / "canned.log")
        assert self.process.popen.stdout
        self.url = self.process.popen.stdout.readline().decode().strip()
        if not self.url:
            self.process.popen.wait(STOPS_WITHIN_S)
            self.process.must_live()
        self._connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=120)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self.process.__exit__()

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Ask it about itself."""
        self._connection.request(method, path, body=to_json(body))
        return from_json(self._connection.getresponse().read())

    def counters(self) -> dict[str, Any]:
        """Read what it was asked for so far."""
        counters: dict[str, Any] = self.ask("GET", "/counters")
        return counters

    def feed(self, attack: str | None, pack: int = 0, messages: int | None = None) -> None:
        """Begin an attack, or end it with None; no messages at all only prepare it."""
        self.ask("POST", "/feed", {"attack": attack, "pack": pack, "messages": messages})

    def wait_until_received(self, process: Process, receives: int) -> None:
        """Wait until so many receives were made: everybody who should is at work."""
        self._wait(process, lambda counters: counters["calls"].get("ReceiveMessage", 0) >= receives)

    def wait_until_settled(self, process: Process) -> None:
        """Wait until no message is in flight."""
        self._wait(process, lambda counters: counters["in_flight"] == 0 and counters["waiting"] == 0)

    def _wait(self, process: Process, reached: Callable[[dict[str, Any]], bool]) -> None:
        """Wait until something is so, as long as messages are still deleted on the way there."""
        ends_s, deleted = time.monotonic() + STARTS_OR_SETTLES_WITHIN_S, -1
        while not reached(counters := self.counters()):
            process.must_live()
            if counters["deleted"] != deleted:
                ends_s, deleted = time.monotonic() + STARTS_OR_SETTLES_WITHIN_S, counters["deleted"]
            if time.monotonic() > ends_s:
                raise BenchError(f"nothing for {STARTS_OR_SETTLES_WITHIN_S:.0f} s: {counters}")
            time.sleep(0.01)
