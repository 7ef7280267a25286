"""Servers as child processes: on loopback, with a free port, ended with their parent."""

import contextlib
import http.client
import itertools
import os
import random
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from localstack.environments import EMULATORS, LocalAwsError

LOOPBACK = "127.0.0.1"
GIVEN = Path("/proc/sys/net/ipv4/ip_local_port_range")
"""The first and the last port that the kernel gives to connections, and to who asks for any: ip(7)."""
GIVEN_BY_DEFAULT = "32768 60999"
LEAST_PORT = 10_000
"""Below it programs have ports that they are known by."""
LEASH = Path(__file__).with_name("leash.py")
START_ATTEMPTS = 3
LOG_TAIL_LINES = 20
STOP_S = 2.0


def never_given(given: str) -> range:
    """Say which ports the kernel gives to nobody, so that one is not gone before its server listens.

    Args:
        given: What `GIVEN` has. In some containers that is nearly all ports, and there is no room below: then the
            usual ones are taken, and at worst the kernel was sooner with one of them.
    """
    first = int(given.split(maxsplit=1)[0])
    below = range(first * 2 // 3, first)
    return below if below.start >= LEAST_PORT else never_given(GIVEN_BY_DEFAULT)


def _given() -> str:
    try:
        return GIVEN.read_text("ascii")
    except OSError:  # no Linux
        return GIVEN_BY_DEFAULT


NEVER_GIVEN = never_given(_given())
_turns = itertools.count(random.SystemRandom().randrange(len(NEVER_GIVEN)))


def free_port() -> int:
    """A port that nobody has at any address.

    Each process takes them in turn, from a place of its own by chance: two hardly ever have the same at once.
    """
    while True:
        port = NEVER_GIVEN[next(_turns) % len(NEVER_GIVEN)]
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("", port))
            return port


class ServerProcess:
    """One server, run as a Python module by an interpreter of its own.

    ``arguments`` and ``variables`` are functions of the port, since another one is tried
    when somebody took the first in the meantime.
    """

    def __init__(
        self,
        python: Path,
        module: str,
        health_path: str,
        *,
        arguments: Callable[[int], list[str]] = lambda _port: [],
        variables: Callable[[int], Mapping[str, str]] = lambda _port: {},
    ) -> None:
        self._command = [str(python), "-P", str(LEASH), module]
        self._name = module
        self._health_path = health_path
        self._arguments = arguments
        self._variables = variables
        self._child: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Where the server listens."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._child.pid if self._child else None

    @property
    def death(self) -> str | None:
        """How it ended and what it said last, in one line; None while it runs."""
        if self._child is None or self._child.poll() is None:
            return None
        words = self._tail().splitlines()[-1]
        return f"{self._name} ended with exit code {self._child.returncode}; its last words: {words}"

    def start(self, timeout_s: float = 30.0) -> None:
        """Start the server and wait until it answers.

        Raises:
            LocalAwsError: when it does not; the message holds the end of its log.
        """
        for attempt in range(START_ATTEMPTS):
            self._launch()
            if self._becomes_healthy(timeout_s):
                return
            log, taken = self._tail(), self._child is not None and self._child.poll() is not None
            self.stop()
            if not taken or "in use" not in log or attempt == START_ATTEMPTS - 1:
                raise LocalAwsError(f"{self._name} did not start on port {self.port}; its log ends:\n{log}")

    def stop(self) -> None:
        """End the server, by force if it takes longer than two seconds."""
        child, self._child = self._child, None
        if child is not None:
            child.terminate()
            try:
                child.wait(STOP_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            if child.stdin:
                child.stdin.close()
        if self._log is not None:
            self._log.close()
            self._log = None

    def _launch(self) -> None:
        self.port = free_port()
        self._log = tempfile.TemporaryFile("a+b")  # noqa: SIM115 - closed by stop()
        self._child = subprocess.Popen(
            [*self._command, *self._arguments(self.port)],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            cwd=EMULATORS,
            env={**_inherited(), "PYTHONUNBUFFERED": "1", **self._variables(self.port)},
            start_new_session=True,  # the terminal's Ctrl-C is ours to pass on, in our order
        )

    def _becomes_healthy(self, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and self._child and self._child.poll() is None:
            if answers(self.port, self._health_path):
                return True
            time.sleep(0.02)
        return False

    def _tail(self) -> str:
        if self._log is None:
            return ""
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-LOG_TAIL_LINES:]) or "(empty)"


def _inherited() -> dict[str, str]:
    """Our environment, less what would make coverage measure the servers too."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}


def answers(port: int, path: str) -> bool:
    """Whether the server on this loopback port answers 200 to a GET of the path."""
    with contextlib.closing(http.client.HTTPConnection(LOOPBACK, port, timeout=2)) as connection:
        try:
            connection.request("GET", path)
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
