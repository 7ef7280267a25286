"""Several processes that share the door: uvicorn's supervisor, and what it leaves to be done."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from multiprocessing import parent_process
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

from f2b_worker.http.listening import let_nobody_in
from f2b_worker.http.serve import GuardedServer
from f2b_worker.signals import ORDERS, STOPS, UNHEEDED, Signals, blocked, outlive, tell_unheeded

if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

    import uvicorn

    from f2b_worker.shim.app import ShimApp

STARTS_WITHIN_S = 120.0
"""A twentieth of a core needs so long to import everything; to end who starts slowly would never let it begin."""

SILENT_S = 20.0
"""A process that answers nothing for so long hangs. A machine without a free core makes one wait for seconds."""

_KEEP_EVERY_S = 0.5
_OF_A_TERMINAL = (signal.SIGTTIN, signal.SIGTTOU, signal.SIGWINCH)


class Several(Multiprocess):
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
        super().__init__(config, sockets)
        outlive(*ORDERS, *UNHEEDED)  # uvicorn has its handlers for some of them
        self.processes: list[OneOfSeveral] = []  # type: ignore[assignment]  # a kind of uvicorn's
        self._drain_s = drain_s
        self._owns_door = owns_door
        for each in _OF_A_TERMINAL:  # two of them make uvicorn's processes more or fewer
            signal.signal(each, signal.SIG_DFL)

    def run(self) -> None:
        """Keep all of them alive until a stop is asked for; they hear of it at once, where uvicorn looks later."""
        self.init_processes()
        while not self.should_exit.is_set():
            wait([self._signals.fileno(), *(each.process.sentinel for each in self.processes)], _KEEP_EVERY_S)
            self.handle_signals()
            self.keep_subprocess_alive()
        self.terminate_all()
        self._pass_on_haste()
        self.join_all()

    def _pass_on_haste(self) -> None:
        """Until all have ended, tell them of a second SIGINT: a terminal does so itself, `kill` does not."""
        while alive := [each.process for each in self.processes if each.process.is_alive()]:
            wait([self._signals.fileno(), *(each.sentinel for each in alive)])
            if signal.SIGINT in self._signals.take_now():
                for each in alive:
                    assert each.pid is not None, "it has started"
                    with suppress(ProcessLookupError):
                        os.kill(each.pid, signal.SIGINT)

    def init_processes(self) -> None:
        """Start all of them."""
        with blocked(*ORDERS, *UNHEEDED):
            self.processes += [self._started(place) for place in range(self.processes_num)]

    def _started(self, place: int) -> OneOfSeveral:
        process = OneOfSeveral(self.config, self.sockets, self._drain_s)
        process.process.name = f"shim-{place}"  # its successor counts on in the same files, or they would pile up
        process.start()
        return process

    def handle_signals(self) -> None:
        """Note a stop; the others ask nothing of who serves."""
        came = self._signals.take_now()
        if came & STOPS:
            self.should_exit.set()
        tell_unheeded(came - STOPS)

    def keep_subprocess_alive(self) -> None:
        """Replace who has ended, or hangs; wait for nobody."""
        # uvicorn waits 5 s for each, ends a process that takes longer to start, and starts another one before it
        # hears of a stop.
        with blocked(*ORDERS, *UNHEEDED):
            now_s = time.monotonic()
            for each in self.processes:
                if each.hangs(now_s):
                    each.process.kill()
                    each.process.join()
            if not self._is_to_stop():
                self._replace_the_dead()

    def _replace_the_dead(self) -> None:
        for place, each in enumerate(self.processes):
            if each.exitcode == STARTUP_FAILURE:  # the next one would fail, too
                self.should_exit.set()
            elif each.exitcode is not None:
                self.processes[place] = self._started(place)

    def terminate_all(self) -> None:
        """Ask all to stop. The door is theirs alone now: while we had it, the kernel would let clients in."""
        for listener in self.sockets:
            if self._owns_door and not self._drain_s:  # who drains lets clients in, and each tells the time itself
                let_nobody_in(listener)
            listener.close()
        for each in self.processes:
            each.hangs(time.monotonic())
            if not each.has_begun:  # it has no client yet, and would hear of the stop only once it had begun
                each.process.kill()
        super().terminate_all()

    def _is_to_stop(self) -> bool:
        self.handle_signals()
        return self.should_exit.is_set() or not STOPS.isdisjoint(signal.sigpending())


class OneOfSeveral(Process):
    """One of them, as the parent knows it.

    Args:
        config: What and how to serve.
        sockets: What they share.
        drain_s: How long the door stays open once it is to stop.

    Attributes:
        has_begun: Whether it has answered anything; before that, it has taken no connection.
    """

    def __init__(self, config: uvicorn.Config, sockets: list[socket], drain_s: float) -> None:
        super().__init__(config, sockets)
        self._drain_s = drain_s
        self.has_begun = False
        self._asked_s: float | None = None

    @property
    def server(self) -> GuardedServer:
        """What serves, in the process itself."""
        if not isinstance(self._server, GuardedServer):
            self._server = GuardedServer(self.config, drain_s=self._drain_s)
        return self._server

    def hangs(self, now_s: float) -> bool:
        """Hear what it has answered, ask it again, and tell whether it has been silent for too long."""
        try:
            while self.parent_conn.poll():
                self.parent_conn.recv()
                self.has_begun, self._asked_s = True, None
            if self._asked_s is None:
                self.parent_conn.send(b"ping")
                self._asked_s = now_s
        except (OSError, EOFError):  # it has ended
            return False
        return now_s - self._asked_s > (SILENT_S if self.has_begun else STARTS_WITHIN_S)


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
