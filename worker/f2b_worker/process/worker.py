"""One worker process: runs its loops, heeds signals, reads the jails again, stops in order."""

from __future__ import annotations

import os
import threading
from functools import partial
from typing import TYPE_CHECKING

import structlog

from f2b_worker import __version__
from f2b_worker.adapters.aws_calls import CALLS
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.allocator import keep_memory_together
from f2b_worker.collector import look_for_garbage_seldom
from f2b_worker.config.jails_file import read_jails
from f2b_worker.enforcer.alarms import Alarms
from f2b_worker.errors import F2bError, StartError, StuckError
from f2b_worker.http.listening import listen_on_port
from f2b_worker.observe import metrics
from f2b_worker.observe.http import health_app, serve
from f2b_worker.observe.jail_metrics import jails as jail_metrics
from f2b_worker.observe.log import finish
from f2b_worker.open_files import raise_limit
from f2b_worker.process.assembly import open_worker, warn_of_bans_without_a_place
from f2b_worker.process.aws_metrics import AwsMetrics
from f2b_worker.process.companions import open_companions, pids_of, reload_all, with_companions
from f2b_worker.process.opening import chosen_blocklists
from f2b_worker.process.orders import Orders
from f2b_worker.process.orphans import reap_orphans
from f2b_worker.process.rules import follow_orders
from f2b_worker.signals import end_undisturbed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from wsgiref.types import WSGIApplication

    from f2b_worker.config.settings import WorkerSettings
    from f2b_worker.intake.loop import Intake
    from f2b_worker.process.companion import Companion
    from f2b_worker.process.parts import Condition, Parts

log: structlog.stdlib.BoundLogger = structlog.get_logger()

EXIT_STOPPED = 0
EXIT_PART_DIED = 4

STOP_WITHIN_S = 8.5
"""Container platforms kill ten seconds after SIGTERM; the end of a child, and of its parent, takes time, too."""

_CHECK_EVERY_S = 1.0


def run_worker(
    settings: WorkerSettings, config: Path | None, *, tell: Callable[[Condition], None] | None = None
) -> int:
    """Run one worker process until a signal stops it or a part dies; answer the exit code.

    Args:
        settings: The worker's settings.
        config: The jails file.
        tell: Told how this process does, once a second; without it, it tells by HTTP, if the settings ask for it.

    Raises:
        StartError: If it cannot start as configured.
    """
    return run_parts(lambda: open_worker(settings, config), settings, config, tell=tell)


def run_parts(
    open_parts: Callable[[], Parts],
    settings: WorkerSettings,
    config: Path | None,
    *,
    tell: Callable[[Condition], None] | None = None,
) -> int:
    """Open the parts of a process, and run them until a signal stops it or one of them dies; see `run_worker`."""
    raise_limit()
    orders = Orders(is_alone=tell is None)
    keep_memory_together()
    companions = [] if tell else open_companions(settings, config)
    calls = AwsMetrics(SystemClock())
    CALLS.listener = calls
    parts = with_companions(open_parts(), companions)
    died = threading.Event()
    if settings.metrics_port and not tell:
        serve_health(
            settings.metrics_host,
            settings.metrics_port,
            health_app(
                dead=lambda: "a part of this worker died" if died.is_set() else None,
                problem=lambda: parts.problem,
                conflict=lambda: parts.conflict,
            ),
        )
    orders.stop_by(parts.leave)
    look_for_garbage_seldom()
    reload = partial(reload_all, companions, partial(reload_jails, parts, settings, config))
    _show_start(parts)
    threads = start(parts, died, reload)
    blocklists = {each.name: list(each.ip_sets) for each in parts.blocklists}
    log.info("working", **_where(settings), blocklists=blocklists)
    _wait(parts, orders.reloads, reload, partial(_tell, parts, calls, tell), companions)
    parts.end()
    code = end(threads, died)
    end_undisturbed()
    return code


def _show_start(parts: Parts) -> None:
    metrics.generation.set(parts.rules.followed)
    metrics.version_info.labels(exporter=__version__, fail2ban=__version__).set(1)
    for kind in ("retryable", "permanent"):
        metrics.errors.labels(kind)  # it shows 0 from now on
    jail_metrics.use(parts.rules.policy_of_file)


def _where(settings: WorkerSettings) -> dict[str, object]:
    """Say for the log where infractions come from, and where bans are kept."""
    if settings.standalone:
        place = {"uds": settings.uds} if settings.uds else {"port": settings.port}
        return {"state": str(settings.state_file), **place}
    if settings.enforce_only:
        return {"enforce_only": True, "table": settings.table}
    return {"queue": settings.queue, "table": settings.table}


def serve_health(host: str, port: int, app: WSGIApplication) -> None:
    """Serve health and metrics where the settings say.

    Raises:
        StartError: If the port is taken, or the host is no address of this machine.
    """
    serve(listen_on_port(host, port, "--metrics-"), app)


def report_conflicts(parts: Parts, alarms: Alarms) -> None:
    """Log where another configuration is enforced; call it as often as you like."""
    for each in parts.regions:
        metrics.enforcer_configured_otherwise.labels(each.region).set(bool(each.conflict))
        if each.conflict:
            remedy = "the other worker's blocklists are enforced; give all workers on one table the same ones"
            alarms.ring("configured_otherwise", each.region, reason=each.conflict, remedy=remedy)


def start(
    parts: Parts, died: threading.Event, reload: Callable[[], None] = lambda: None
) -> list[threading.Thread]:
    """Start each loop in its thread; one that dies sets *died* and stops the others.

    Args:
        parts: The loops.
        died: Told of it.
        reload: Has the file read again.
    """

    def guarded(name: str, loop: Callable[[], None]) -> None:
        try:
            loop()
        except BaseException as error:  # noqa: BLE001 - whatever kills a part must stop the process, and be seen
            died.set()  # first: a probe must hear of it whatever becomes of the line
            parts.end()
            known = isinstance(error, F2bError)
            log.error("part_died", part=name, **({"reason": str(error)} if known else {"exc_info": error}))

    threads = [
        threading.Thread(target=guarded, args=(name, loop), name=name, daemon=True)
        for name, loop in _loops(parts, reload).items()
    ]
    for thread in threads:
        thread.start()
    return threads


def _loops(parts: Parts, reload: Callable[[], None]) -> dict[str, Callable[[], None]]:
    """Name each loop."""
    clock = SystemClock()
    loops: dict[str, Callable[[], None]] = {
        **(_judging(parts, parts.intake) if parts.intake else {}),
        "watch": lambda: _watch(parts),
        "orders": lambda: follow_orders(parts.rules, parts.hand_over, reload, clock, parts.stop),
        **{name: partial(run, parts) for name, run in parts.others.items()},
    }
    for number, (enforcer, wake) in enumerate(zip(parts.enforcers, parts.wakes, strict=True)):
        loops[f"enforcer-{number}"] = partial(enforcer.run, wake, parts.stop)
    return loops


def _judging(parts: Parts, intake: Intake) -> dict[str, Callable[[], None]]:
    def close() -> None:
        parts.stop.wait()
        parts.close()

    return {
        "intake": lambda: intake.run(parts.stop),
        "close": close,  # beside the intake, which may need long for what it has in hand
        "keeper": lambda: intake.keep_in_hand(parts.stop),
    }


def _watch(parts: Parts) -> None:
    """Die of a loop that is stuck: the process ends with it, and whoever started it starts it anew."""
    while not parts.stop.wait(_CHECK_EVERY_S):
        stuck = parts.stuck
        if stuck:
            raise StuckError(stuck)


def _wait(
    parts: Parts,
    reloads: list[int],
    reload: Callable[[], None],
    tell: Callable[[], None],
    companions: Sequence[Companion],
) -> None:
    """Wait for the stop; who is told how this process does may be dead, and is found so by telling."""
    alarms = Alarms(SystemClock())
    tell()
    while not parts.stop.wait(_CHECK_EVERY_S):
        if reloads:
            reloads.clear()
            reload()
        report_conflicts(parts, alarms)
        reap_orphans(pids_of(companions))
        tell()


def _tell(parts: Parts, calls: AwsMetrics, tell: Callable[[Condition], None] | None) -> None:
    calls.show_cost()
    condition = parts.condition
    metrics.up.set(condition.problem is None)
    if tell:
        tell(condition)


def reload_jails(parts: Parts, settings: WorkerSettings, config: Path | None) -> None:
    """Read the jails file again; one that cannot be used leaves the old jails in force, and is named."""
    generation = parts.rules.control.generation  # before the file: who asks meanwhile is not answered by it
    try:
        jails = read_jails(config)
        blocklists = chosen_blocklists(jails, settings)
    except StartError as error:
        log.error("jails_kept", reason=str(error))
        return
    parts.rules.use_file(jails, generation)
    parts.hand_over()
    metrics.generation.set(generation)
    jail_metrics.use(jails.policy)
    changed = set(blocklists) != set(parts.blocklists)
    log.info(
        "jails_reloaded",
        jails=sorted(jails.policy.jails),
        **({"blocklists": "changed in the file: restart the worker to use them"} if changed else {}),
    )
    warn_of_bans_without_a_place(jails.policy, parts.blocklists)


def end(threads: list[threading.Thread], died: threading.Event) -> int:
    """Wait for the threads, but no longer than a platform does; answer the exit code."""
    clock = SystemClock()
    ends_s = clock.monotonic_s() + STOP_WITHIN_S
    for thread in threads:
        thread.join(max(0.0, ends_s - clock.monotonic_s()))
    code = EXIT_PART_DIED if died.is_set() else EXIT_STOPPED
    late = [thread.name for thread in threads if thread.is_alive()]
    if late:
        # A call to AWS hangs. Nothing is lost: what it held becomes visible again. Waiting for the
        # executor's threads at interpreter exit would outlast the platform's patience.
        log.warning("stopped_late", parts=late)
        finish()
        os._exit(code)
    log.info("stopped", code=code)
    return code
