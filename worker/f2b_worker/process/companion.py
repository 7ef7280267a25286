"""A companion: a process beside a worker that may die or hang without harm to it.

What shows and tells (dashboard, notices) works in one: beside the judge, in the same process, it would wait for
Python's lock with it, and a defect in it would end both. A companion is restarted for as long as the worker runs.
It never outlives the worker.
"""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.domain.backoff import Restarts
from f2b_worker.observe import metrics
from f2b_worker.observe.shared import FOLDER
from f2b_worker.signals import ORDERS, UNHEEDED, blocked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from f2b_worker.ports import Clock

log: structlog.stdlib.BoundLogger = structlog.get_logger()

LOOKS_EVERY_S = 0.2
SILENT_S = 30.0
"""Who gives no sign of life for so long hangs: it gives one each second, from the loop that does its work.

What it waits for a core does not count: who is killed for that starts anew, which takes more than to go on.
"""

STARTS_WITHIN_S = 120.0
"""Who starts gives its first sign once it has imported what it needs: where no core is free that takes long."""

ENDS_WITHIN_S = 2.0
PAUSE_MAX_S = 60.0
LINE_BYTES_MAX = 4096
BEAT = b"."
STOP = b"stop\n"
RELOAD = b"reload\n"


class Companion:
    """A process, and its successors.

    Args:
        name: What the log calls it.
        module: What `python -m` runs: it begins with `accompany()` of process/accompanying.py.
        given: What it is told at its start: anything that pickle takes.
        handed: Sockets that every successor gets, too, such as a port that listens.
        on_line: Hears each line that it tells besides its signs of life.
    """

    def __init__(
        self,
        name: str,
        module: str,
        given: object,
        handed: Iterable[socket.socket] = (),
        *,
        on_line: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        self.name = name
        self._module = module
        self._given = given
        self._handed = tuple(handed)
        self._on_line = on_line
        self._restarts = Restarts(restarts_max=None, pause_max_s=PAUSE_MAX_S)
        self._process: subprocess.Popen[bytes] | None = None
        self._ours: socket.socket | None = None
        self._telling = threading.Lock()

    @property
    def pid(self) -> int | None:
        """The number of the process that runs, if one does."""
        process = self._process
        return process.pid if process and process.returncode is None else None

    def run(self, stop: threading.Event) -> None:
        """Keep a process running until *stop*; nothing that happens to it is raised."""
        while not stop.is_set():
            began_s = SystemClock().monotonic_s()
            try:
                why = self._live(stop)
            except Exception as error:  # noqa: BLE001 - no memory, no files: a later try may succeed
                why = f"{type(error).__name__}: {error}"
            if stop.is_set():
                break
            lived_s = SystemClock().monotonic_s() - began_s
            pause_s = self._restarts.pause_s(lived_s) or 0.0
            metrics.companion_deaths.labels(self.name).inc()
            log.error("companion_died", companion=self.name, reason=why, restart_in_s=pause_s)
            stop.wait(pause_s)

    def reload(self) -> None:
        """Have it read the jails file again; one that starts later reads it anyway."""
        with self._telling, suppress(OSError):
            if self._ours:
                self._ours.send(RELOAD, socket.MSG_DONTWAIT)

    def _live(self, stop: threading.Event) -> str:
        """Start a process and look after it; answer how it ended."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = self._start(theirs)
            self._process = process
            with self._telling:
                self._ours = ours
            return self._tend(process, ours, stop)
        finally:
            with self._telling:
                self._ours = None
            self._end(ours)

    def _start(self, theirs: socket.socket) -> subprocess.Popen[bytes]:
        handed = [theirs, *self._handed]
        # It counts for itself, not in the files of a pool.
        environment = {name: value for name, value in os.environ.items() if name != FOLDER}
        # A terminal and systemd signal every process. This one ends after the worker, which tells it when.
        with blocked(*ORDERS, *UNHEEDED):
            process = subprocess.Popen(  # noqa: S603 - of our own modules
                # -P: whatever lies in the working directory is not imported.
                [sys.executable, "-P", "-m", self._module],
                stdin=subprocess.PIPE,
                pass_fds=[each.fileno() for each in handed],
                env=environment,
            )
        assert process.stdin is not None
        with suppress(BrokenPipeError), process.stdin as stdin:  # it died at once: its end is seen below
            pickle.dump((self._given, [each.fileno() for each in handed]), stdin)
        return process

    def _tend(self, process: subprocess.Popen[bytes], ours: socket.socket, stop: threading.Event) -> str:
        """Hear its signs of life until it dies, hangs, or *stop*."""
        silence, begun, patience_s = Silence(SystemClock(), partial(queued_s, process.pid)), b"", STARTS_WITHIN_S
        ours.settimeout(LOOKS_EVERY_S)
        while not stop.is_set():
            try:
                heard = ours.recv(LINE_BYTES_MAX)
                if not heard:
                    return f"it ended with exit code {_code(process)}"
                patience_s = SILENT_S
                silence.begin()
                begun = self._hear(begun + heard)
            except TimeoutError:
                pass
            except OSError:  # killed with orders unread
                return f"it ended with exit code {_code(process)}"
            if silence.lasts_s() > patience_s:
                return f"it gave no sign of life for {patience_s:.0f} s"
        return "the worker stops"

    def _hear(self, told: bytes) -> bytes:
        """Pass on whole lines; answer the beginning of the next one, but of no endless one."""
        *lines, begun = told.split(b"\n")
        for line in lines:
            if line != BEAT:
                self._on_line(line)
        return begun if len(begun) < LINE_BYTES_MAX else b""

    def _end(self, ours: socket.socket) -> None:
        process = self._process
        with suppress(OSError):
            ours.send(STOP, socket.MSG_DONTWAIT)
        if process:
            try:
                process.wait(ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        ours.close()
        self._process = None


class Silence:
    """Measures how long a process could have given a sign, and gave none.

    Args:
        clock: The time.
        queued_s: Tells how long it has waited for a core since its start.
    """

    def __init__(self, clock: Clock, queued_s: Callable[[], float]) -> None:
        self._clock = clock
        self._queued_s = queued_s
        self.begin()

    def begin(self) -> None:
        """Measure from now on."""
        self._began_s, self._queued_before_s = self._clock.monotonic_s(), self._queued_s()

    def lasts_s(self) -> float:
        """Tell how long it is silent, without the time that it waited for a core meanwhile."""
        return self._clock.monotonic_s() - self._began_s - (self._queued_s() - self._queued_before_s)


def queued_s(pid: int) -> float:
    """Tell how long the main thread of a process has waited for a core; 0 if the kernel does not tell.

    https://docs.kernel.org/scheduler/sched-stats.html#proc-pid-schedstat
    """
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text("ascii").split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def _code(process: subprocess.Popen[bytes]) -> Any:
    with suppress(subprocess.TimeoutExpired):
        return process.wait(ENDS_WITHIN_S)
    return "unknown"
