"""Runs the application: uvicorn with httptools and uvloop, in one process or several."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

import structlog
import uvicorn
from uvicorn.supervisors import Multiprocess

from f2b_worker.collector import look_for_garbage_seldom
from f2b_worker.errors import StartError
from f2b_worker.observe import log
from f2b_worker.observe.shared import shared_metrics
from f2b_worker.open_files import raise_limit
from f2b_worker.shim.app import ShimApp, make_app
from f2b_worker.shim.connections import GuardedProtocol
from f2b_worker.shim.limits import ConnectionLimits, Limits
from f2b_worker.signals import STOPS, blocked, end_undisturbed

if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

    from uvicorn.supervisors.multiprocess import Process

    from f2b_worker.config.settings import ShimSettings
    from f2b_worker.ports import Clock
    from f2b_worker.shim.outbox import Outbox

_log: structlog.stdlib.BoundLogger = structlog.get_logger()

STOP_WITHIN_S = 5
_FILES_FOR_OURSELVES = 64
_LOOK_EVERY_S = 0.1


@dataclass(frozen=True, slots=True)
class Serving:
    """Where and how to serve; goes to child processes as it is."""

    host: str
    port: int
    workers: int
    log_level: str
    limits: Limits
    connections: ConnectionLimits


def serving(settings: ShimSettings) -> Serving:
    """Read what the settings say about serving."""
    limits = Limits(
        tokens=tuple(token.get_secret_value() for token in settings.token),
        rate_per_s=settings.rate_limit,
        body_bytes=settings.body_bytes,
        waiting_max=settings.waiting,
        expose_state=settings.expose_state or settings.log_level == "debug",
    )
    connections = ConnectionLimits(
        head_s=settings.request_s / 2,
        body_s=settings.request_s,
        idle_s=settings.idle_s,
        write_s=settings.request_s,
        peer_share=settings.peer_share,
    )
    return Serving(settings.host, settings.port, settings.workers, settings.log_level, limits, connections)


def serve(how: Serving, open_outbox: Callable[[], Outbox], clock: Clock) -> None:
    """Serve until a signal asks for the stop; what was taken until then is answered.

    Args:
        how: Where, and within which limits.
        open_outbox: Called once in each process; goes to child processes, so a plain function or a `partial`.
        clock: For all of them.

    Raises:
        StartError: If the port is taken.
    """
    raise_limit()
    config = uvicorn_config(how, open_outbox, clock)
    listener = listen(how)
    warn_if_open_to_all(how)
    if how.workers == 1:
        server = uvicorn.Server(config)
        for number in STOPS:  # before uvicorn's own, and after: it raises the signal again when it has stopped
            signal.signal(number, lambda *_: setattr(server, "should_exit", True))
        server.run(sockets=[listener])
    else:
        config.app = partial(_hear_signals, partial(_make, how, open_outbox, clock))
        with shared_metrics():
            log.dropped.count_for_all()
            _Several(config, sockets=[listener]).run()
    end_undisturbed()


class _Several(Multiprocess):
    """Processes that hear of a stop once they have handlers: a signal to all ends none that only starts."""

    def init_processes(self) -> None:
        with blocked(*STOPS):
            super().init_processes()

    def keep_subprocess_alive(self) -> None:
        # uvicorn waits 5 s for a process that ends just then, and starts another one before it hears of the stop.
        with blocked(*STOPS):
            for each in self.processes:
                self._wait_for(each)
            if not self._is_to_stop:
                super().keep_subprocess_alive()

    @property
    def _is_to_stop(self) -> bool:
        return not STOPS.isdisjoint([*self.signal_queue, *signal.sigpending()])

    def _wait_for(self, process: Process) -> None:
        """Wait until a process answers, has ended, or is to stop; end one that hangs."""
        ends_s = time.monotonic() + self.config.timeout_worker_healthcheck
        with suppress(OSError, EOFError):  # it has ended
            process.parent_conn.send(b"ping")
            while not self._is_to_stop:
                ready = wait([process.parent_conn, process.process.sentinel], _LOOK_EVERY_S)
                if process.parent_conn in ready:
                    process.parent_conn.recv()
                if ready:
                    return
                if time.monotonic() > ends_s:
                    process.process.kill()
                    process.process.join()
                    return


def uvicorn_config(how: Serving, open_outbox: Callable[[], Outbox], clock: Clock) -> uvicorn.Config:
    """Say to uvicorn what and how to serve."""
    return uvicorn.Config(
        partial(_make, how, open_outbox, clock),
        factory=True,
        interface="asgi3",
        host=how.host,
        port=how.port,
        http=GuardedProtocol,
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        ws="none",
        lifespan="on",
        log_level="critical",
        access_log=False,
        proxy_headers=False,  # the peer is whoever connects: headers are written by anybody
        server_header=False,
        date_header=False,
        backlog=4096,
        timeout_graceful_shutdown=STOP_WITHIN_S,
        workers=how.workers,
    )


def warn_if_open_to_all(how: Serving) -> None:
    """Say once, at the start, that no token is asked for."""
    if not how.limits.tokens:
        remedy = "set F2B_TOKEN, or keep the port inside your network"
        reason = "no token is set: everybody who reaches this port can have addresses banned"
        _log.warning("open_to_all", host=how.host, port=how.port, reason=reason, remedy=remedy)


def listen(how: Serving) -> socket:
    """Take the port.

    Raises:
        StartError: If somebody else has it.
    """
    try:
        return uvicorn.Config("", host=how.host, port=how.port, log_level="critical").bind_socket()
    except (OSError, SystemExit) as error:  # uvicorn says it to its log and exits
        raise StartError(f"cannot listen on {how.host} port {how.port}: is it taken?") from error


def _hear_signals(make: Callable[[], ShimApp]) -> ShimApp:
    """Make the application of one of several processes, which start with signals blocked."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)  # uvicorn has its handlers by now
    return make()


def _make(how: Serving, open_outbox: Callable[[], Outbox], clock: Clock) -> ShimApp:
    log.configure(how.log_level)
    connections = replace(how.connections, connections_max=_connections_max(how.connections))
    app = make_app(open_outbox(), clock, how.limits, connections)
    look_for_garbage_seldom()
    return app


def _connections_max(limits: ConnectionLimits) -> int:
    return max(1, min(limits.connections_max, raise_limit() - _FILES_FOR_OURSELVES))
