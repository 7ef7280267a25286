"""One worker process: opens what it needs, runs the intake and the enforcers, stops in order."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import structlog

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.collector import look_for_garbage_seldom
from f2b_worker.config.jails_file import read_jails
from f2b_worker.enforcer import Enforcer, LedgerAdopter
from f2b_worker.enforcer.alarms import Alarms
from f2b_worker.errors import StartError
from f2b_worker.intake.loop import Intake
from f2b_worker.intake.receivers import Receivers
from f2b_worker.observe import metrics
from f2b_worker.observe.http import health_app, serve
from f2b_worker.process.assembly import (
    chosen_blocklists,
    open_fronts,
    open_inbox,
    open_ledger,
    patiently,
    warn_of_bans_without_a_place,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from wsgiref.types import WSGIApplication

    from f2b_worker.config.jails_file import Jails
    from f2b_worker.config.settings import WorkerSettings
    from f2b_worker.domain.addresses import Networks
    from f2b_worker.domain.blocklists import Blocklist
    from f2b_worker.ports import Inbox, Ledger
    from f2b_worker.process.assembly import Front

log: structlog.stdlib.BoundLogger = structlog.get_logger()

EXIT_STOPPED = 0
EXIT_PART_DIED = 4

STOP_WITHIN_S = 9.0
"""Container platforms kill ten seconds after SIGTERM."""

_CHECK_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class State:
    """How one worker process does.

    Attributes:
        problem: What keeps it from doing its work now, in one line, or None.
        conflict: What somebody should see to although it does its work, in one line, or None.
    """

    problem: str | None
    conflict: str | None


@dataclass(slots=True)
class Parts:
    """The loops of one worker process, and the events that stop and wake them.

    Attributes:
        reloads: The signals that asked to read the jails again since that was done.
        close: Ends what feeds the intake, after it.
        interrupt: Ends what the intake may be waiting for.
        others: Further loops by name; each ends by itself once `stop` is set.
        wakes: One event an enforcer: each clears its own.
        fronts: What each enforcer works with.
        blocklists: What the enforcers enforce until this process ends.
    """

    intake: Intake
    enforcers: Sequence[Enforcer] = ()
    wakes: Sequence[threading.Event] = ()
    fronts: Sequence[Front] = ()
    stop: threading.Event = field(default_factory=threading.Event)
    reloads: list[int] = field(default_factory=list)
    blocklists: tuple[Blocklist, ...] = ()
    close: Callable[[], None] = lambda: None
    interrupt: Callable[[], None] = lambda: None
    others: Mapping[str, Callable[[], None]] = field(default_factory=dict)

    def end(self) -> None:
        """Ask every loop to stop."""
        self.stop.set()
        self.interrupt()
        _set_all(self.wakes)


def _set_all(events: Sequence[threading.Event]) -> None:
    for each in events:
        each.set()


def run_worker(
    settings: WorkerSettings, config: Path | None, *, tell: Callable[[State], None] | None = None
) -> int:
    """Run one worker process until a signal stops it or a part dies; answer the exit code.

    Args:
        settings: The worker's settings.
        config: The jails file.
        tell: Told how this process does, once a second; without it, it tells by HTTP, if the settings ask for it.

    Raises:
        StartError: If it cannot start as configured.
    """
    return run_parts(lambda: _open(settings, config), settings, config, tell=tell)


def run_parts(
    open_parts: Callable[[], Parts],
    settings: WorkerSettings,
    config: Path | None,
    *,
    tell: Callable[[State], None] | None = None,
) -> int:
    """Open the parts of a process, and run them until a signal stops it or one of them dies; see `run_worker`."""
    reloads = _note_reloads()
    parts = open_parts()
    parts.reloads = reloads
    died = threading.Event()
    if settings.metrics_port and not tell:
        serve_health(
            settings.metrics_port,
            health_app(
                dead=lambda: "a part of this worker died" if died.is_set() else None,
                unready=lambda: problem_of(parts),
                remark=lambda: conflict_of(parts),
            ),
        )
    _stop_on_signals(parts)
    look_for_garbage_seldom()
    threads = start(parts, died)
    blocklists = {each.name: list(each.ip_sets) for each in parts.blocklists}
    where = (
        {"state": str(settings.state_file), "port": settings.port}
        if settings.standalone
        else {"queue": settings.queue, "table": settings.table}
    )
    log.info("working", **where, blocklists=blocklists)
    _wait(parts, settings, config, tell or (lambda _state: None))
    parts.end()
    return end(threads, died)


def _open(settings: WorkerSettings, config: Path | None) -> Parts:
    jails = read_jails(config)
    blocklists = chosen_blocklists(jails, settings)
    clock = SystemClock()
    queue = patiently(settings, lambda: open_inbox(settings), config)
    inbox = Receivers(queue, threads=settings.receivers, poll_s=settings.poll_s)
    ledger = patiently(settings, lambda: open_ledger(settings, jails.policy, clock), config)
    fronts = patiently(settings, lambda: open_fronts(settings, blocklists, clock), config)
    parts = assemble(settings, jails, inbox=inbox, ledger=ledger, fronts=fronts)
    parts.close = inbox.close
    return parts


def assemble(
    settings: WorkerSettings, jails: Jails, *, inbox: Inbox, ledger: Ledger, fronts: Sequence[Front]
) -> Parts:
    """Make the loops out of what was opened."""
    blocklists = chosen_blocklists(jails, settings)
    warn_of_bans_without_a_place(jails.policy, blocklists)
    wakes = [threading.Event() for _ in fronts]
    intake = Intake(
        inbox,
        ledger,
        jails.policy,
        SystemClock(),
        max_age_ms=settings.max_age,
        poll_s=settings.poll_s,
        linger_s=settings.linger_s,
        extend_resolution_s=settings.extend_resolution_s,
        on_ban=partial(_set_all, wakes),
    )
    enforcers = [_enforcer(front, ledger, intake, allowed=jails.allowed, settings=settings) for front in fronts]
    return Parts(intake, enforcers, wakes, fronts, blocklists=blocklists)


def _enforcer(
    front: Front, ledger: Ledger, intake: Intake, *, allowed: Networks, settings: WorkerSettings
) -> Enforcer:
    clock = SystemClock()
    return Enforcer(
        front.bans,
        front.finder,
        front.lease,
        front.notebook,
        blocklists=front.blocklists,
        allowed=allowed,
        clock=clock,
        region=front.region,
        unban_lag_s=settings.unban_lag_s,
        max_new_bans_per_minute=settings.max_new_bans_per_minute,
        adopter=LedgerAdopter(ledger, lambda: intake.policy, clock),
    )


def serve_health(port: int, app: WSGIApplication) -> None:
    """Serve health and metrics on the port that the settings name.

    Raises:
        StartError: If it is taken.
    """
    try:
        serve(port, app)
    except OSError as error:
        raise StartError(f"--metrics-port {port}: {error.strerror or error}") from error


def problem_of(parts: Parts) -> str | None:
    """Say in one line what keeps the loops from doing their work now, or None."""
    if parts.stop.is_set():
        return "stopping"
    problems = (parts.intake.problem, *(each.trouble for each in parts.enforcers))
    return next((each for each in problems if each), None)


def conflict_of(parts: Parts) -> str | None:
    """Say in one line which other configuration is enforced, or None.

    A new deployment stands by until the old one stops, and may have to be ready before that: so it is.
    """
    return next((each.conflict for each in parts.fronts if each.conflict), None)


def state_of(parts: Parts) -> State:
    """Say how this process does."""
    return State(problem_of(parts), conflict_of(parts))


def report_conflicts(parts: Parts, alarms: Alarms) -> None:
    """Log where another configuration is enforced; call it as often as you like."""
    for each in parts.fronts:
        metrics.enforcer_configured_otherwise.labels(each.region).set(bool(each.conflict))
        if each.conflict:
            remedy = "the other worker's blocklists are enforced; give all workers on one table the same ones"
            alarms.ring("configured_otherwise", each.region, reason=each.conflict, remedy=remedy)


def _stop_on_signals(parts: Parts) -> None:
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda _signal, _frame: parts.end())


def _note_reloads() -> list[int]:
    """Make the list that fills with each SIGHUP; before the jails are read, so that no change is missed."""
    came: list[int] = []  # no event: a signal may come while its handler runs, and wait for a lock that it holds
    signal.signal(signal.SIGHUP, lambda number, _frame: came.append(number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # who started this blocked it until now
    return came


def start(parts: Parts, died: threading.Event) -> list[threading.Thread]:
    """Start each loop in its thread; one that dies sets *died* and stops the others."""

    def take_in() -> None:
        parts.intake.run(parts.stop)
        parts.close()

    loops: dict[str, Callable[[], None]] = {
        "intake": take_in,
        "keeper": lambda: parts.intake.keep_in_hand(parts.stop),
        **parts.others,
    }
    for number, (enforcer, wake) in enumerate(zip(parts.enforcers, parts.wakes, strict=True)):
        loops[f"enforcer-{number}"] = partial(enforcer.run, wake, parts.stop)

    def guarded(name: str, loop: Callable[[], None]) -> None:
        try:
            loop()
        except Exception:  # whatever kills a part must stop the process, and be seen
            log.exception("part_died", part=name)
            died.set()
            parts.end()

    threads = [
        threading.Thread(target=guarded, args=(name, loop), name=name, daemon=True) for name, loop in loops.items()
    ]
    for thread in threads:
        thread.start()
    return threads


def _wait(parts: Parts, settings: WorkerSettings, config: Path | None, tell: Callable[[State], None]) -> None:
    """Wait for the stop, or for the death of the parent: nobody else would stop an orphan."""
    parent = os.getppid()
    alarms = Alarms(SystemClock())
    tell(state_of(parts))
    while not parts.stop.wait(_CHECK_EVERY_S):
        if parts.reloads:
            parts.reloads.clear()
            reload_jails(parts, settings, config)
        report_conflicts(parts, alarms)
        tell(state_of(parts))
        if os.getppid() != parent:
            log.warning("parent_died")
            parts.stop.set()


def reload_jails(parts: Parts, settings: WorkerSettings, config: Path | None) -> None:
    """Read the jails file again; one that cannot be used leaves the old jails in force, and is named."""
    try:
        jails = read_jails(config)
        blocklists = chosen_blocklists(jails, settings)
    except StartError as error:
        log.error("jails_kept", reason=str(error))
        return
    parts.intake.use(jails.policy)
    for enforcer in parts.enforcers:
        enforcer.allow(jails.allowed)
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
        os._exit(code)
    log.info("stopped", code=code)
    return code
