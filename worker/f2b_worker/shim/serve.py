"""Runs the application: uvicorn with httptools and uvloop, in one process or several."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from socket import AF_UNIX, socket
from typing import TYPE_CHECKING

import structlog

from f2b_worker.collector import look_for_garbage_seldom
from f2b_worker.http.limits import ConnectionLimits
from f2b_worker.http.listening import BACKLOG, Door, place_of
from f2b_worker.http.reading import GuardedProtocol
from f2b_worker.http.serve import GuardedServer, guarded_config
from f2b_worker.observe import log
from f2b_worker.observe.shared import shared_metrics
from f2b_worker.open_files import raise_limit
from f2b_worker.shim import metrics
from f2b_worker.shim.app import REPORT, ShimApp, make_app
from f2b_worker.shim.limits import Limits
from f2b_worker.shim.several import Several, hear_signals
from f2b_worker.signals import end_undisturbed

if TYPE_CHECKING:
    from collections.abc import Callable

    import uvicorn

    from f2b_worker.config.shim_settings import ShimSettings
    from f2b_worker.http.requests import Scope
    from f2b_worker.ports import Clock
    from f2b_worker.shim.outbox import Outbox

_log: structlog.stdlib.BoundLogger = structlog.get_logger()

STOP_WITHIN_S = 5
_FILES_FOR_OURSELVES = 64


@dataclass(frozen=True, slots=True)
class Serving:
    """Where and how to serve; goes to child processes as it is."""

    host: str
    port: int
    workers: int
    log_level: str
    limits: Limits
    connections: ConnectionLimits
    drain_s: float = 0.0
    uds: str = ""


class ShimProtocol(GuardedProtocol):
    """One connection of a client."""

    refused = metrics.refused

    def reads_body(self, scope: Scope) -> bool:
        """Tell whether it reports in its body: what a proxy mirrors may be an upload of gigabytes."""
        path: str = scope["path"]
        return not path.startswith(REPORT)


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
    return Serving(
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        log_level=settings.log_level,
        limits=limits,
        connections=connections,
        drain_s=settings.drain_s,
        uds=settings.uds or "",
    )


def serve(how: Serving, open_outbox: Callable[[], Outbox], clock: Clock) -> None:
    """Serve until a signal asks for the stop; what was taken until then is answered.

    Args:
        how: Where, and within which limits.
        open_outbox: Called once in each process; goes to child processes, so a plain function or a `partial`.
        clock: For all of them.

    Raises:
        StartError: If the port is taken, or what was handed over does not listen.
    """
    raise_limit()
    config = uvicorn_config(how, open_outbox, clock)
    door = Door(how.host, how.port, how.uds)
    tell_start(how, door)
    try:
        if how.workers == 1:
            server = GuardedServer(config, drain_s=how.drain_s, owns_door=not door.is_handed_over)
            _serve_alone(server, door.listener)
        else:
            config.app = partial(hear_signals, partial(_make, how, open_outbox, clock))
            with shared_metrics():
                log.dropped.count_for_all()
                sockets, owns_door = [door.listener], not door.is_handed_over
                Several(config, sockets, drain_s=how.drain_s, owns_door=owns_door).run()
    finally:
        door.remove()
    end_undisturbed()


def _serve_alone(server: GuardedServer, listener: socket) -> None:
    server.stop_by_signals()
    server.outlive_signals()
    server.run(sockets=[listener])


def uvicorn_config(how: Serving, open_outbox: Callable[[], Outbox], clock: Clock) -> uvicorn.Config:
    """Say to uvicorn what and how to serve."""
    return guarded_config(
        partial(_make, how, open_outbox, clock),
        ShimProtocol,
        stop_within_s=STOP_WITHIN_S,
        backlog=BACKLOG,
        workers=how.workers,
    )


def tell_start(how: Serving, door: Door) -> None:
    """Say where it listens, and that no token is asked for; of a UNIX socket its folder decides who reaches it."""
    at, handed_over = place_of(door.listener), door.is_handed_over
    _log.info("listening", at=at, handed_over=handed_over, processes=how.workers, drain_s=how.drain_s)
    if not how.limits.tokens and door.listener.family != AF_UNIX:
        host, port, *_ = door.listener.getsockname()
        remedy = "set F2B_TOKEN, or keep the port inside your network"
        reason = "no token is set: everybody who reaches this port can have addresses banned"
        _log.warning("open_to_all", host=host, port=port, reason=reason, remedy=remedy)


def _make(how: Serving, open_outbox: Callable[[], Outbox], clock: Clock) -> ShimApp:
    log.configure(how.log_level)
    app = make_app(open_outbox(), clock, how.limits, within(how.connections, raise_limit()))
    look_for_garbage_seldom()
    return app


def within(limits: ConnectionLimits, files: int) -> ConnectionLimits:
    """Bound the connections of a process by the files that it may have open, each of which one of them is."""
    free = files - _FILES_FOR_OURSELVES
    lingering_max = max(1, min(limits.lingering_max, free // 8))
    return replace(
        limits,
        connections_max=max(1, min(limits.connections_max, free - lingering_max)),
        lingering_max=lingering_max,
    )
