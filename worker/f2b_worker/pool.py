"""Several worker processes under one parent, which restarts who dies, and ends when one cannot live.

Each child tells once a second how it does; so the parent answers for all of them, and adds up what they count.
"""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

import structlog
from prometheus_client import Counter

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.errors import F2bError, StartError
from f2b_worker.observe import log as log_lines
from f2b_worker.observe.http import health_app
from f2b_worker.observe.shared import mark_dead, registry_of_all, remove_files, shared_metrics
from f2b_worker.runtime import EXIT_PART_DIED, EXIT_STOPPED, STOP_WITHIN_S, State, run_worker, serve_health

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess
    from pathlib import Path

    from f2b_worker.ports import Clock
    from f2b_worker.settings import WorkerSettings

log: structlog.stdlib.BoundLogger = structlog.get_logger()

LIVES_S = 60.0
"""Who lived for so long was well: its next death is a first one."""

RESTARTS_MAX = 5
"""So many deaths in a row, none of them after a life worth the name, and the whole pool ends."""

SILENT_S = 10.0
"""Who tells nothing for so long hangs: it tells every second, from a thread that waits for nobody."""

STARTS_WITHIN_S = 120.0
"""Who starts waits for SQS, DynamoDB and WAF in turn, half a minute for each, before it tells anything."""

_PAUSE_MAX_S = 30.0

_TOLD_MAX = 1000
"""Characters of a reason: what a pipe takes at once, so that the reader never waits for the rest of it."""


@dataclass(slots=True)
class Restarts:
    """How often one child died in a row."""

    deaths: int = 0

    def pause_s(self, lived_s: float) -> float | None:
        """Tell how long to wait before the child is started again; None if it cannot live."""
        self.deaths = 1 if lived_s >= LIVES_S else self.deaths + 1
        if self.deaths > RESTARTS_MAX:
            return None
        return min(_PAUSE_MAX_S, 0.5 * float(2**self.deaths))


@dataclass(slots=True)
class Health:
    """What is known of one worker process and its successors.

    Attributes:
        name: What people call it.
        runs: Whether a process of this name runs.
        since_s: When it started, or last told how it does.
        told: How it does; None until it has told.
    """

    name: str
    runs: bool = False
    since_s: float = 0.0
    told: State | None = None

    def start(self, now_s: float) -> None:
        """Take it that a process was started."""
        self.runs, self.since_s, self.told = True, now_s, None

    def hear(self, told: State, now_s: float) -> None:
        """Take note of what the process tells."""
        self.told, self.since_s = told, now_s

    def end(self) -> None:
        """Take it that the process is dead."""
        self.runs, self.told = False, None

    def dead(self, now_s: float) -> str | None:
        """Say in one line that it is dead or hangs, or answer None."""
        if not self.runs:
            return f"{self.name} is dead, and is started again soon"
        silent_s = now_s - self.since_s
        if silent_s > (SILENT_S if self.told else STARTS_WITHIN_S):
            return f"{self.name} hangs: it gave no sign of life for {silent_s:.0f} s"
        return None

    def unready(self, now_s: float) -> str | None:
        """Say in one line why it does not do its work now, or answer None."""
        if dead := self.dead(now_s):
            return dead
        if not self.told:
            return f"{self.name} starts"
        return f"{self.name}: {self.told.problem}" if self.told.problem else None

    def remark(self) -> str | None:
        """Say in one line what somebody should see to although it does its work, or answer None."""
        told = self.told
        return f"{self.name}: {told.conflict}" if told and told.conflict else None


class _Child:
    """One worker process, and its successors."""

    def __init__(self, settings: WorkerSettings, config: Path | None, number: int) -> None:
        self._settings, self._config, self._number = settings, config, number
        self._restarts = Restarts()
        self._started_s = 0.0
        self._has_worked = False
        self._refusal = ""
        self._tells: Connection | None = None
        self.health = Health(f"worker-{number}")
        self.process: BaseProcess | None = None
        self.starts_s = float("-inf")

    @property
    def signs(self) -> Iterator[Connection | int]:
        """What becomes readable when it tells something, or dies."""
        if self._tells:
            yield self._tells
        if self.process:
            yield self.process.sentinel

    def start(self, now_s: float) -> None:
        # Spawned, not forked: boto3's clients and locks do not survive a fork.
        context = get_context("spawn")
        self._tells, speaks = context.Pipe(duplex=False)
        arguments = (self._settings, self._config, self._number, speaks)
        self.process = context.Process(target=_work, args=arguments, name=self.health.name)
        self._started_s, self._refusal = now_s, ""
        self.health.start(now_s)
        with speaks, _blocked(signal.SIGHUP):
            self.process.start()

    def listen(self, now_s: float) -> None:
        """Take note of all that it has told."""
        with suppress(EOFError, OSError):  # it is dead: so says its sentinel
            while self._tells and self._tells.poll():
                self._hear(self._tells.recv(), now_s)

    def _hear(self, told: State | str, now_s: float) -> None:
        if isinstance(told, str):
            self._refusal = told
        else:
            self.health.hear(told, now_s)
            self._has_worked = True

    def bury(self, now_s: float) -> int | None:
        """Plan the restart of a dead child; answer the exit code if there is to be none.

        Raises:
            StartError: If it cannot start as configured: nothing will change.
        """
        dead = self.process
        assert dead is not None
        self.listen(now_s)  # to its last words
        self._forget()
        if self._refusal and not self._has_worked:
            raise StartError(self._refusal)
        pause_s = self._restarts.pause_s(now_s - self._started_s)
        said = {"reason": self._refusal} if self._refusal else {}
        log.error("worker_died", worker=dead.name, exit_code=dead.exitcode, restart_in_s=pause_s, **said)
        self.starts_s = now_s + (pause_s or 0)
        return EXIT_PART_DIED if pause_s is None else None

    def _forget(self) -> None:
        self.process = None
        self.health.end()
        mark_dead(self.health.name)
        if self._tells:
            self._tells.close()
            self._tells = None

    def send(self, number: int) -> None:
        with suppress(ProcessLookupError):  # a signal may come while its death is being noticed
            if self.process and self.process.is_alive() and self.process.pid:
                os.kill(self.process.pid, number)


def run_pool(settings: WorkerSettings, config: Path | None) -> int:
    """Run `settings.processes` workers until a signal stops them or one cannot live; answer the exit code.

    Raises:
        StartError: If they cannot start as configured, or their health and metrics cannot be served.
    """
    children = [_Child(settings, config, number) for number in range(settings.processes)]
    asked_to_stop = _forward_signals(children)
    with shared_metrics() if settings.metrics_port else nullcontext():
        deaths = Counter("f2b_process_deaths", "Worker processes that died", registry=None)
        if settings.metrics_port:
            _serve(settings.metrics_port, [child.health for child in children], asked_to_stop, deaths)
        return _run(children, asked_to_stop, deaths)


def _run(children: Sequence[_Child], asked_to_stop: Sequence[int], deaths: Counter) -> int:
    code: int | None = None
    try:
        while code is None:
            code = EXIT_STOPPED if asked_to_stop else _tend(children, SystemClock().monotonic_s(), deaths)
            if code is None:
                _wait(children)
    finally:
        _stop([child.process for child in children if child.process])
    log.info("pool_stopped", code=code)
    return code


def _serve(port: int, every: Sequence[Health], asked_to_stop: Sequence[int], deaths: Counter) -> None:
    registry = registry_of_all()
    registry.register(deaths)
    clock = SystemClock()
    app = health_app(
        dead=lambda: dead(every, clock),
        unready=lambda: "stopping" if asked_to_stop else unready(every, clock),
        remark=lambda: next(filter(None, (each.remark() for each in every)), None),
        registry=registry,
    )
    serve_health(port, app)


def dead(every: Sequence[Health], clock: Clock) -> str | None:
    """Say in one line which process is dead or hangs, or answer None."""
    return next(filter(None, (each.dead(clock.monotonic_s()) for each in every)), None)


def unready(every: Sequence[Health], clock: Clock) -> str | None:
    """Say in one line which process does not do its work now, and why, or answer None."""
    return next(filter(None, (each.unready(clock.monotonic_s()) for each in every)), None)


def _tend(children: Sequence[_Child], now_s: float, deaths: Counter) -> int | None:
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


def _wait(children: Sequence[_Child]) -> None:
    """Wait until somebody tells something, dies, or is to be started, or a signal came: it cuts no wait short."""
    wait([sign for child in children for sign in child.signs], timeout=0.5)


def _work(settings: WorkerSettings, config: Path | None, number: int, speaks: Connection) -> None:
    log_lines.configure(settings.log_level)
    structlog.contextvars.bind_contextvars(worker=number)
    try:
        code = run_worker(settings, config, tell=lambda state: _tell(speaks, state))
    except F2bError as error:
        with suppress(OSError):  # the parent is dead, too
            speaks.send(str(error))
        code = StartError.exit_code
    raise SystemExit(code)


def _tell(speaks: Connection, state: State) -> None:
    short = State(*(text and text[:_TOLD_MAX] for text in (state.problem, state.conflict)))
    try:
        speaks.send(short)
    except OSError:  # nobody would restart this process or stop it
        log.warning("parent_died")
        remove_files()
        signal.raise_signal(signal.SIGTERM)


@contextmanager
def _blocked(number: signal.Signals) -> Iterator[None]:
    """Block a signal in what is started meanwhile, until that has a handler; none that comes here is lost."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _forward_signals(children: Sequence[_Child]) -> list[int]:
    """Pass signals on to the children; the answer fills when one came that asks for the stop."""
    came: list[int] = []

    def stop(number: int, _frame: object) -> None:
        came.append(number)
        for child in children:
            child.send(signal.SIGTERM)

    def reload(number: int, _frame: object) -> None:
        for child in children:
            child.send(number)

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, stop)
    signal.signal(signal.SIGHUP, reload)
    return came


def _stop(children: list[BaseProcess]) -> None:
    for child in children:
        if child.is_alive():
            child.terminate()
    clock = SystemClock()
    ends_s = clock.monotonic_s() + STOP_WITHIN_S
    for child in children:
        child.join(max(0.0, ends_s - clock.monotonic_s()))
        if child.is_alive():
            child.kill()
            child.join()
