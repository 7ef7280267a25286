"""Several worker processes under one parent, which restarts who dies, and ends when one cannot live."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

import structlog

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.errors import F2bError, StartError
from f2b_worker.observe import log as log_lines
from f2b_worker.runtime import EXIT_PART_DIED, EXIT_STOPPED, STOP_WITHIN_S, run_worker

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess
    from pathlib import Path

    from f2b_worker.settings import WorkerSettings

log: structlog.stdlib.BoundLogger = structlog.get_logger()

LIVES_S = 60.0
"""Who lived for so long was well: its next death is a first one."""

RESTARTS_MAX = 5
"""So many deaths in a row, none of them after a life worth the name, and the whole pool ends."""

_PAUSE_MAX_S = 30.0


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


class _Child:
    """One worker process, and its successors."""

    def __init__(self, settings: WorkerSettings, config: Path | None, number: int) -> None:
        self._arguments = (settings, config, number)
        self._restarts = Restarts()
        self._started_s = 0.0
        self._has_worked = False
        self.process: BaseProcess | None = None
        self.starts_s = float("-inf")

    def start(self, now_s: float) -> None:
        # Spawned, not forked: boto3's clients and locks do not survive a fork.
        number = self._arguments[-1]
        self.process = get_context("spawn").Process(target=_work, args=self._arguments, name=f"worker-{number}")
        self._started_s = now_s
        self.process.start()

    def bury(self, now_s: float) -> int | None:
        """Plan the restart of a dead child; answer the exit code if there is to be none."""
        dead = self.process
        assert dead is not None
        self.process = None
        pause_s = self._restarts.pause_s(now_s - self._started_s)
        if dead.exitcode == StartError.exit_code and not self._has_worked:
            return StartError.exit_code  # it has said why, and nothing will change
        self._has_worked = self._has_worked or now_s - self._started_s >= LIVES_S
        log.error("worker_died", worker=dead.name, exit_code=dead.exitcode, restart_in_s=pause_s)
        self.starts_s = now_s + (pause_s or 0)
        return EXIT_PART_DIED if pause_s is None else None

    def send(self, number: int) -> None:
        if self.process and self.process.is_alive() and self.process.pid:
            os.kill(self.process.pid, number)


def run_pool(settings: WorkerSettings, config: Path | None) -> int:
    """Run `settings.processes` workers until a signal stops them or one cannot live; answer the exit code."""
    children = [_Child(settings, config, number) for number in range(settings.processes)]
    asked_to_stop = _forward_signals(children)
    code: int | None = None
    while code is None:
        code = EXIT_STOPPED if asked_to_stop else _tend(children, SystemClock().monotonic_s())
        if code is None:
            _wait(children)
    _stop([child.process for child in children if child.process])
    log.info("pool_stopped", code=code)
    return code


def _tend(children: list[_Child], now_s: float) -> int | None:
    """Start who is due, and look after who died; answer the exit code if the pool must end."""
    for child in children:
        if child.process and child.process.exitcode is not None:
            code = child.bury(now_s)
            if code is not None:
                return code
        if child.process is None and child.starts_s <= now_s:
            child.start(now_s)
    return None


def _wait(children: list[_Child]) -> None:
    """Wait until somebody dies, or is to be started, or a signal came: the system's wait goes on after one."""
    wait([child.process.sentinel for child in children if child.process], timeout=0.5)


def _work(settings: WorkerSettings, config: Path | None, number: int) -> None:
    log_lines.configure(settings.log_level)
    structlog.contextvars.bind_contextvars(worker=number)
    try:
        code = run_worker(settings, config, number=number)
    except F2bError as error:
        log.error("cannot_start", reason=str(error))
        code = StartError.exit_code
    raise SystemExit(code)


def _forward_signals(children: list[_Child]) -> list[int]:
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
    for child in children:
        child.join(STOP_WITHIN_S)
        if child.is_alive():
            child.kill()
            child.join()
