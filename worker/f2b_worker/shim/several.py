"""Several processes that share the door: who dies or hangs is replaced, and a stop ends them all in time."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from functools import partial
from multiprocessing import parent_process
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

import structlog
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Process

from f2b_worker.domain.backoff import Restarts
from f2b_worker.errors import F2bError, GaveUp, StartError, code_at_start
from f2b_worker.http.listening import let_nobody_in
from f2b_worker.http.serve import GuardedServer
from f2b_worker.signals import ORDERS, STOPS, UNHEEDED, Signals, blocked, tell_unheeded

if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

    import uvicorn

    from f2b_worker.shim.app import ShimApp

log: structlog.stdlib.BoundLogger = structlog.get_logger()

STARTS_WITHIN_S = 120.0
"""A twentieth of a core needs so long to import everything; to end who starts slowly would never let it begin."""

SILENT_S = 20.0
"""A process that answers nothing for so long hangs. A machine without a free core makes one wait for seconds."""

LAST_WORDS_S = 1.0
"""A process that stops late ends by itself; only one that does not is killed."""

_LOOKS_EVERY_S = 0.5


class Several:
    """Processes that hear of a stop once they have handlers: a signal to all ends none that only starts.

    Args:
        config: What and how to serve.
        sockets: What they share.
        drain_s: How long the door stays open once they are to stop.
        owns_door: Whether no other process has the sockets.
    """

    def __init__(
        self, config: uvicorn.Config, sockets: list[socket], *, drain_s: float, owns_door: bool = False
    ) -> None:
        self._signals = Signals()  # first: from now on none is lost
        self._places = [_Place(number, config, sockets, drain_s) for number in range(config.workers)]
        self._sockets = sockets
        self._drain_s = drain_s
        self._ends_within_s = float(config.timeout_graceful_shutdown or 0) + LAST_WORDS_S
        self._owns_door = owns_door
        self._is_to_stop = False

    def run(self) -> None:
        """Keep all of them alive until a stop is asked for, and stop them.

        Raises:
            GaveUp: If what they need was away when they began.
            StartError: If they cannot start as configured.
        """
        try:
            while not self._is_to_stop:
                self._tend()
                self._wait([each.process for each in self._places if each.process], _LOOKS_EVERY_S)
                self._hear()
        finally:
            self._ask_to_stop()
            self._end()

    def _tend(self) -> None:
        """Start who is due, and replace who has ended or hangs; wait for nobody."""
        # Blocked: what is started begins so, and none is started before we hear of a stop.
        with blocked(*ORDERS, *UNHEEDED):
            now_s = time.monotonic()
            for each in self._places:
                each.end_if_it_hangs(now_s)
            self._hear()
            if self._is_to_stop or not STOPS.isdisjoint(signal.sigpending()):
                return  # a signal to all may be why they ended
            for each in self._places:
                each.fill(now_s)

    def _hear(self) -> None:
        """Note a stop; the other signals ask nothing of who serves."""
        came = self._signals.take_now()
        self._is_to_stop |= bool(came & STOPS)
        tell_unheeded(came - STOPS)

    def _wait(self, processes: list[OneOfSeveral], for_s: float) -> None:
        """Wait for a signal, or for the end of one of them."""
        wait([self._signals.fileno(), *(each.process.sentinel for each in processes)], for_s)

    def _ask_to_stop(self) -> None:
        """Ask all to stop. The door is theirs alone now: while we had it, the kernel would let clients in."""
        for listener in self._sockets:
            if self._owns_door and not self._drain_s:  # who drains lets clients in, and each tells the time itself
                let_nobody_in(listener)
            listener.close()
        for each in self._alive():
            each.hangs(time.monotonic())
            if not each.has_begun:  # it has no client yet, and would hear of the stop only once it had begun
                each.process.kill()
            each.terminate()

    def _end(self) -> None:
        """Wait until all have ended; who is late is killed: it hangs.

        They are told of a second SIGINT: a terminal does so itself, `kill` does not.
        """
        ends_s = time.monotonic() + self._drain_s + self._ends_within_s
        while (alive := self._alive()) and (left_s := ends_s - time.monotonic()) > 0:
            self._wait(alive, left_s)
            if signal.SIGINT in self._signals.take_now():
                ends_s = min(ends_s, time.monotonic() + self._ends_within_s)
                for each in alive:
                    each.hurry()
        if alive:
            log.warning("stopped_late", parts=[each.process.name for each in alive])
        for each in alive:
            each.process.kill()
            each.process.join()

    def _alive(self) -> list[OneOfSeveral]:
        return [each.process for each in self._places if each.process and each.process.exitcode is None]


class _Place:
    """One of the processes, and its successors."""

    def __init__(self, number: int, config: uvicorn.Config, sockets: list[socket], drain_s: float) -> None:
        self.process: OneOfSeveral | None = None
        # Its successor counts on in the files of this name, or they would pile up.
        self._name = f"shim-{number}"
        self._make = partial(OneOfSeveral, config, sockets, drain_s)
        self._restarts = Restarts(restarts_max=None)
        self._has_served = False
        self._why = ""
        self._started_s = self._starts_s = float("-inf")

    def end_if_it_hangs(self, now_s: float) -> None:
        """Kill the process if it has been silent for too long."""
        process = self.process
        if process and process.hangs(now_s):
            self._why = f"it gave no sign of life for {process.patience_s:.0f} s"
            process.process.kill()
            process.process.join()

    def fill(self, now_s: float) -> None:
        """Start a process if none runs, once its pause is over.

        Raises:
            GaveUp, StartError: If the first one could not start: the next one would not, either.
        """
        if self.process and self.process.exitcode is not None:
            self._bury(self.process, now_s)
        if self.process is None and now_s >= self._starts_s:
            self.process = self._make()
            self.process.process.name = self._name
            self.process.start()
            self.process.hangs(now_s)  # asked at once
            self._started_s, self._why = now_s, ""

    def _bury(self, dead: OneOfSeveral, now_s: float) -> None:
        dead.listen()  # to its last words
        self.process = None
        self._has_served |= dead.has_served
        why = dead.refusal or self._why
        if not self._has_served and (dead.refusal or dead.exitcode == STARTUP_FAILURE):
            kind = GaveUp if dead.exitcode == GaveUp.exit_code else StartError
            raise kind(why or f"{self._name} cannot start")
        pause_s = self._restarts.pause_s(now_s - self._started_s) or 0.0
        self._starts_s = now_s + pause_s
        said = {"reason": why} if why else {}
        log.error("worker_died", worker=self._name, exit_code=dead.exitcode, restart_in_s=pause_s, **said)


class OneOfSeveral(Process):
    """One of them, as the parent knows it.

    Args:
        config: What and how to serve.
        sockets: What they share.
        drain_s: How long the door stays open once it is to stop.

    Attributes:
        has_begun: Whether it has answered anything; before that, it has taken no connection.
        has_served: Whether it has said that it serves.
        refusal: Why it could not start, in its own words.
    """

    def __init__(self, config: uvicorn.Config, sockets: list[socket], drain_s: float) -> None:
        super().__init__(config, sockets)
        self._drain_s = drain_s
        self.has_begun = self.has_served = False
        self.refusal = ""
        self._asked_s: float | None = None

    @property
    def patience_s(self) -> float:
        """How long it may be silent."""
        return SILENT_S if self.has_begun else STARTS_WITHIN_S

    def target(self, sockets: list[socket] | None = None) -> None:
        """Serve, in the process itself; tell the parent why that cannot be."""
        self._server = GuardedServer(self.config, drain_s=self._drain_s)
        with suppress(OSError):  # the parent is dead
            self.child_conn.send(self._server.started)  # it has begun: said before it takes the first connection
        try:
            super().target(sockets)
        except F2bError as error:
            with suppress(OSError):  # the parent is dead
                self.child_conn.send(str(error))
            raise SystemExit(code_at_start(error)) from None

    def listen(self) -> None:
        """Hear what it has told."""
        with suppress(OSError, EOFError):  # it has ended
            while self.parent_conn.poll():
                told = self.parent_conn.recv()
                if isinstance(told, str):
                    self.refusal = told
                else:
                    self.has_begun, self._asked_s = True, None
                    self.has_served |= told

    def hangs(self, now_s: float) -> bool:
        """Hear what it has answered, ask it again, and tell whether it has been silent for too long."""
        self.listen()
        if self._asked_s is None:
            with suppress(OSError):  # it has ended
                self.parent_conn.send(b"ping")
                self._asked_s = now_s
        return self._asked_s is not None and now_s - self._asked_s > self.patience_s

    def hurry(self) -> None:
        """Have it end its drain."""
        with suppress(ProcessLookupError):
            if self.pid:
                os.kill(self.pid, signal.SIGINT)


def hear_signals(make: Callable[[], ShimApp]) -> ShimApp:
    """Make the application of one of several processes, which start with signals blocked."""
    signal.signal(signal.SIGQUIT, signal.getsignal(signal.SIGTERM))  # uvicorn has its handlers by now
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)  # the others stay blocked: the parent hears them
    threading.Thread(target=_stop_with_the_parent, name="parent", daemon=True).start()
    return make()


def _stop_with_the_parent() -> None:
    """Stop in order once the parent is dead: whoever starts it anew needs the port."""
    parent = parent_process()
    if parent:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
