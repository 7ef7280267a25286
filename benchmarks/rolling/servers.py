"""The servers that are restarted, and what they stored."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import time
import urllib.request
from collections import Counter
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.processes import BenchError
from benchmarks.shim.bench import ENVIRONMENT, canned_queue
from demo.fleet import BIN, eventually, free_port, get
from demo.handing import handed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

STARTS_WITHIN_S = 60.0
ENDS_WITHIN_S = 60.0
JUDGED_WITHIN_S = 120.0


class Server:
    """One server at a port of its own; its log goes to a file.

    Args:
        program: `f2b-shim` or `f2b-worker`.
        options: All but host and port.
        environment: Its whole environment.
        log: Where its standard error goes.
        holds: Whether we hold the listening socket, as systemd does, and hand it over at each start.
    """

    def __init__(
        self,
        program: str,
        options: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        *,
        holds: bool = False,
    ) -> None:
        self._held = socket.create_server(("127.0.0.1", 0)) if holds else None
        self.port: int = self._held.getsockname()[1] if self._held else free_port()
        where = () if holds else ("--host", "127.0.0.1", "--port", str(self.port))
        self._command = [str(BIN / program), *options, *where]
        self._environment = dict(environment)
        self._log = log
        self.start()

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        with self._log.open("ab") as sink:
            self._process = self._started(env=self._environment, stderr=sink)
        url = f"http://127.0.0.1:{self.port}/readyz"
        eventually(lambda: get(url)[0] == 200 or self._has_ended(), "it is ready", STARTS_WITHIN_S)
        if self._has_ended():
            raise BenchError(f"a server ended with {self._process.returncode}: {self._log.read_text()[-1000:]}")

    def _started(self, **how: Any) -> subprocess.Popen[bytes]:
        if self._held:
            return handed(self._held, self._command, **how)
        return subprocess.Popen(self._command, **how)

    def _has_ended(self) -> bool:
        return self._process.poll() is not None

    def stop(self) -> None:
        """Ask for its stop, as a platform does, and wait for its end.

        Raises:
            BenchError: If it does not end, or not with 0.
        """
        self._process.terminate()
        try:
            code = self._process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise BenchError(f"a server did not end within {ENDS_WITHIN_S:.0f} s") from None
        if code:
            raise BenchError(f"a server ended with {code}: {self._log.read_text()[-1000:]}")

    def end(self) -> None:
        """Stop it for good."""
        self.stop()
        if self._held:
            self._held.close()


class Servers(NamedTuple):
    """Some servers, and how to find what they stored: how often each address came."""

    servers: list[Server]
    stored: Callable[[], Mapping[str, int]]

    def restart_in_turn(self, pause_s: float) -> Iterator[tuple[float, float]]:
        """Stop one, start it again, pause, and go on with the next; tell how long stop and start took."""
        for each in self.servers:
            began_s = time.monotonic()
            each.stop()
            stopped_s = time.monotonic()
            each.start()
            yield stopped_s - began_s, time.monotonic() - stopped_s
            time.sleep(pause_s)


@contextmanager
def shims(folder: Path, *options: str, number: int = 2, holds: bool = False) -> Iterator[Servers]:
    """Start shims before one queue; end all."""
    with canned_queue("--by-ip") as (url, environment):

        def stored() -> Mapping[str, int]:
            with urllib.request.urlopen(url) as answer:
                by_ip: dict[str, int] = json.load(answer)["by_ip"]
                return by_ip

        make = ("f2b-shim", ("--queue", f"{url}/1/f2b", *options), environment)
        logs = [folder / f"shim-{each}.log" for each in range(number)]
        with _ended([Server(*make, log, holds=holds) for log in logs]) as servers:
            yield Servers(servers, stored)


@contextmanager
def one_standalone(folder: Path, *options: str, holds: bool = False) -> Iterator[Servers]:
    """Start the worker on one file; end it."""
    state = folder / "f2b.db"

    def stored() -> Mapping[str, int]:
        with closing(sqlite3.connect(state)) as file:
            waiting = "SELECT count(*) FROM inbox"
            eventually(lambda: file.execute(waiting).fetchone()[0] == 0, "all is judged", JUDGED_WITHIN_S)
            rows = file.execute("SELECT key, hits FROM offenders").fetchall()
            return Counter({key.removesuffix("/32"): len(json.loads(hits)) for key, hits in rows})

    options = ("--standalone", "--state", str(state), *options)
    make = ("f2b-worker", options, os.environ | ENVIRONMENT, folder / "worker.log")
    with _ended([Server(*make, holds=holds)]) as servers:
        yield Servers(servers, stored)


@contextmanager
def _ended(servers: list[Server]) -> Iterator[list[Server]]:
    try:
        yield servers
    finally:
        for each in servers:
            each.end()
