"""The parent of a pool: it starts the processes, restarts who dies, answers for all of them and stops them."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

import structlog
from prometheus_client import Counter

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.observe import log as log_lines
from f2b_worker.observe import metrics
from f2b_worker.observe.http import health_app
from f2b_worker.observe.shared import registry_of_all, shared_metrics
from f2b_worker.open_files import raise_limit
from f2b_worker.process.companions import accompanied, pids_of, reload_all
from f2b_worker.process.orphans import reap_orphans
from f2b_worker.process.pool.child import Child
from f2b_worker.process.pool.liveness import dead, problem
from f2b_worker.process.worker import EXIT_STOPPED, STOP_WITHIN_S, serve_health
from f2b_worker.signals import RELOAD, STOPS, UNHEEDED, Signals, end_undisturbed, tell_unheeded

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.process import BaseProcess
    from pathlib import Path

    from f2b_worker.config.settings import WorkerSettings
    from f2b_worker.process.companion import Companion
    from f2b_worker.process.pool.liveness import Health

log: structlog.stdlib.BoundLogger = structlog.get_logger()

LAST_WORDS_S = 0.5
"""A process that stops late ends by itself, and says so; only one that does not is killed."""


def run_pool(settings: WorkerSettings, config: Path | None) -> int:
    """Run `settings.processes` workers until a signal stops them or one cannot live; answer the exit code.

    Raises:
        StartError: If they cannot start as configured, or their health and metrics cannot be served.
    """
    raise_limit()
    children = [Child(settings, config, number) for number in range(settings.processes)]
    signals, asked_to_stop = Signals(), threading.Event()
    with (
        shared_metrics() if settings.metrics_port else nullcontext(),
        accompanied(settings, config, asked_to_stop) as companions,
    ):
        deaths = counter_of_deaths()
        if settings.metrics_port:
            log_lines.dropped.count_for_all()
            _serve(settings, [child.health for child in children], asked_to_stop, deaths)
        return _run(children, signals, asked_to_stop, deaths, companions)


def counter_of_deaths() -> Counter:
    """Make the metric that only the parent of a pool shows."""
    return Counter("f2b_process_deaths", "Worker processes that died", registry=None)


def _run(
    children: Sequence[Child],
    signals: Signals,
    asked_to_stop: threading.Event,
    deaths: Counter,
    companions: Sequence[Companion],
) -> int:
    code: int | None = None
    try:
        while code is None:
            own = {child.process.pid for child in children if child.process and child.process.pid}
            reap_orphans(own | pids_of(companions))
            code = _tend(children, SystemClock().monotonic_s(), deaths)
            if code is None and _is_asked_to_stop(children, signals, companions):
                asked_to_stop.set()
                code = EXIT_STOPPED
    finally:
        _stop([child.process for child in children if child.process])
    log.info("pool_stopped", code=code)
    end_undisturbed()
    return code


def _serve(
    settings: WorkerSettings, every: Sequence[Health], asked_to_stop: threading.Event, deaths: Counter
) -> None:
    assert settings.metrics_port
    registry = registry_of_all()
    for of_the_parent in (deaths, metrics.connections_cut, metrics.notices, metrics.companion_deaths):
        registry.register(of_the_parent)
    clock = SystemClock()
    app = health_app(
        dead=lambda: dead(every, clock),
        problem=lambda: "stopping" if asked_to_stop.is_set() else problem(every, clock),
        conflict=lambda: next(filter(None, (each.conflict() for each in every)), None),
        registry=registry,
    )
    serve_health(settings.metrics_host, settings.metrics_port, app)


def _tend(children: Sequence[Child], now_s: float, deaths: Counter) -> int | None:
    """Hear everybody, start who is due, and look after who died; answer the exit code if the pool must end."""
    for child in children:
        child.listen(now_s)
        if child.process and child.process.exitcode is not None:
            deaths.inc()
            code = child.bury(now_s)
            if code is not None:
                return code
        if child.process is None and child.starts_s <= now_s:
            child.start(now_s)
    return None


def _is_asked_to_stop(children: Sequence[Child], signals: Signals, companions: Sequence[Companion]) -> bool:
    """Wait until somebody tells something, dies, or is to be started, or a signal comes; pass on one to reload."""
    wait([signals.fileno(), *(sign for child in children for sign in child.signs)], timeout=0.5)
    # Looked at anew: a signal to all of a group may have ended a child, and be heard here a moment later.
    came = signals.take_now()
    if RELOAD in came:
        for child in children:
            child.send(RELOAD)
        reload_all(companions)
    tell_unheeded(came & UNHEEDED)
    return bool(came & STOPS)


def _stop(children: list[BaseProcess]) -> None:
    for child in children:
        if child.is_alive():
            child.terminate()
    clock = SystemClock()
    ends_s = clock.monotonic_s() + STOP_WITHIN_S + LAST_WORDS_S
    for child in children:
        child.join(max(0.0, ends_s - clock.monotonic_s()))
        if child.is_alive():
            child.kill()
            child.join()
