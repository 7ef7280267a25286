"""A server as it is described, and one that runs: it is started, signalled and waited for, and its log is read."""

from __future__ import annotations

import json
import os
import platform
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.servers.load import answers
from tests.servers.ports import claim, port_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.servers.local_queue import LocalQueue

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
PYTHON = "python"
"""Stands as the package of what is Python's own."""
STARTS_WITHIN_S = 30.0
LOOK_S = 0.02
HEARS_CTRL_C = ("env", "--default-signal=INT")
"""Who is started in the background of a script ignores it, and so do all whom it starts."""
# How a producer tells of a loss, behind the process that tests/servers/apps/reporting.py puts before it.
TOLD = re.compile(
    r"^(\d+) f2b_producer (?:closed|stopping) with (\d+) infractions unsent"
    r"(?:, (\d+) dropped before)?(?:, (\d+) refused as closed)?:",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Server:
    """How a server is run, and what it can do.

    Attributes:
        name: As it stands in the tables; unique.
        package: The distribution whose version is told.
        command: The first word is looked for beside Python; ``{port}`` is put in, and ``{log}``, the log's path.
        stops: The signal at which it stops gracefully.
        reload: The signal at which it starts its workers anew; None if it has none.
        recycling: The options that end a worker after some requests.
        environment: Variables that it needs.
        settings: What `Producer` is given besides the queue's URL.
        warm_up: Whether the application calls ``warm_up()``: "" never, "import" or "worker".
        reports_at_import: Whether the application reports once at its import; with preload, before the fork.
        sends_at_stop: Whether a worker sends only when it stops, so that each event must end with that.
        events: The only ones that are played; all that it can have if empty.
        without: Events that are not played.
        older: A release that `make test-servers` installs beside the others: its newest no longer has this.
        debian: The packages of Debian's that it is made of, for Debian's own Python; *package* is the first.
    """

    name: str
    package: str
    command: tuple[str, ...]
    stops: signal.Signals = signal.SIGTERM
    reload: signal.Signals | None = None
    recycling: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, object] = field(default_factory=dict)
    warm_up: str = ""
    reports_at_import: bool = False
    sends_at_stop: bool = False
    events: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    older: str = ""
    debian: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """The version that runs here."""
        if self.package == PYTHON:
            return platform.python_version()
        return _debian_version(self.package) if self.debian else self.older or version(self.package)

    @property
    def missing(self) -> str:
        """What must be installed to run it, and how; "" if nothing."""
        if self.older and not self.folder.is_dir():
            return f"no {self.folder}: make test-servers"
        packages = " ".join(each for each in self.debian if not _debian_version(each))
        return f"apt-get install --no-install-recommends {packages}" if packages else ""

    @property
    def folder(self) -> Path:
        """Where an older release is."""
        return ROOT / ".servers" / f"{self.package}-{self.older}"


class Running:
    """A server that serves, until this is left.

    Args:
        server: What to start.
        queue: Where its application reports.
        log: The file that takes all it writes.
        more: Options that are added to its command.
        with_producer: False runs the same application without one.
    """

    def __init__(
        self,
        server: Server,
        queue: LocalQueue,
        log: Path,
        *,
        more: tuple[str, ...] = (),
        with_producer: bool = True,
    ) -> None:
        self.server, self.log = server, log
        self._claimed = claim()
        self.port = port_of(self._claimed)
        self._command = [word.format(port=self.port, log=log) for word in (*server.command, *more)]
        self._environment = _environment(server, queue, with_producer=with_producer)

    def __enter__(self) -> Self:
        assert not self.server.missing, self.server.missing
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*HEARS_CTRL_C, str(BIN / self._command[0]), *self._command[1:]],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # whatever it starts can be found again, and ended
            )
        try:
            self.until(lambda: answers(self.port), STARTS_WITHIN_S, "it serves")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.signal(signal.SIGKILL, every_process=True)
        self.process.wait()
        self._claimed.close()

    def signal(self, number: signal.Signals, *, every_process: bool = False) -> None:
        """Send a signal to the process that was started, or to all that it has started, too."""
        for pid in session(self.process.pid) if every_process else [self.process.pid]:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def ended_within_s(self, limit_s: float) -> float | None:
        """Wait until it and all it started are gone; return the seconds that took, None if some still run."""
        started_s = time.monotonic()
        while time.monotonic() - started_s < limit_s:
            if self.process.poll() is not None and not session(self.process.pid):
                return time.monotonic() - started_s
            time.sleep(LOOK_S)
        return None

    def until(self, condition: Callable[[], bool], limit_s: float, what: str) -> None:
        """Wait until *condition* holds.

        Raises:
            AssertionError: If it does not come about, or the process has ended.
        """
        deadline_s = time.monotonic() + limit_s
        while not condition():
            assert self.process.poll() is None, f"it has ended before this: {what}"
            assert time.monotonic() < deadline_s, f"not within {limit_s:.0f} s: {what}"
            time.sleep(LOOK_S)

    def text(self) -> str:
        """Return what it wrote."""
        return self.log.read_text("utf-8", errors="replace")

    def told(self) -> dict[str, int]:
        """Return what each process told as lost; the last such line of a process counts."""
        return {
            process: sum(int(count or 0) for count in counts) for process, *counts in TOLD.findall(self.text())
        }


def _debian_version(package: str) -> str:
    """Return the version of an installed package of Debian's; "" without."""
    try:
        found = subprocess.run(
            ["dpkg-query", "--show", "--showformat", "${db:Status-Status} ${source:Upstream-Version}", package],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:  # another system
        return ""
    status, _, number = found.stdout.partition(" ")
    return number if status == "installed" else ""


def session(leader: int) -> list[int]:
    """Name the processes that run in the session of *leader*; those that have ended and wait are none."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        with suppress(OSError):
            state, _, _, of = (folder / "stat").read_text("utf-8").rpartition(")")[2].split()[:4]
            if int(of) == leader and state != "Z":
                found.append(int(folder.name))
    return found


def _environment(server: Server, queue: LocalQueue, *, with_producer: bool) -> dict[str, str]:
    served: dict[str, Any] = {
        "queue_url": queue.url if with_producer else "",
        "settings": dict(server.settings),
        "warm_up": server.warm_up,
        "reports_at_import": server.reports_at_import,
    }
    own: dict[str, str] = {
        name: text for name, text in os.environ.items() if not name.startswith(("AWS_", "F2B_", "PYTHON"))
    }
    return {
        **own,
        **queue.environment,
        "PYTHONPATH": os.pathsep.join([*([str(server.folder)] if server.older else []), str(ROOT)]),
        "PYTHONUNBUFFERED": "1",
        "SERVED": json.dumps(served),
        **server.environment,
    }
