"""Several worker processes under one parent that forwards signals and ends when a child dies."""

from __future__ import annotations

import os
import signal
from multiprocessing import get_context
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

import structlog

from f2b_worker.errors import F2bError, StartError
from f2b_worker.observe import log as log_lines
from f2b_worker.runtime import EXIT_PART_DIED, EXIT_STOPPED, STOP_WITHIN_S, run_worker

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.process import BaseProcess
    from pathlib import Path

    from f2b_worker.settings import WorkerSettings

log: structlog.stdlib.BoundLogger = structlog.get_logger()


def run_pool(settings: WorkerSettings, config: Path | None) -> int:
    """Run `settings.processes` workers until a signal stops them or one dies; answer the exit code."""
    # Spawned, not forked: boto3's clients and locks do not survive a fork.
    spawn = get_context("spawn")
    children: list[BaseProcess] = [
        spawn.Process(target=_child, args=(settings, config, number), name=f"worker-{number}")
        for number in range(settings.processes)
    ]
    asked_to_stop = _forward_signals(children)
    for child in children:
        child.start()
    wait([child.sentinel for child in children])
    code = EXIT_STOPPED if asked_to_stop else _first_failure(children)
    _stop(children)
    log.info("pool_stopped", code=code)
    return code


def _child(settings: WorkerSettings, config: Path | None, number: int) -> None:
    log_lines.configure(settings.log_level)
    structlog.contextvars.bind_contextvars(worker=number)
    try:
        code = run_worker(settings, config, number=number)
    except F2bError as error:
        log.error("cannot_start", reason=str(error))
        code = StartError.exit_code
    raise SystemExit(code)


def _forward_signals(children: Sequence[BaseProcess]) -> list[int]:
    """Pass signals on to the children; the answer fills when one came that asks for the stop."""
    came: list[int] = []

    def forward(number: int, _frame: object) -> None:
        came.append(number)
        for child in children:
            if child.is_alive():
                child.terminate()

    def reload(number: int, _frame: object) -> None:
        for child in children:
            if child.is_alive() and child.pid:
                os.kill(child.pid, number)

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, forward)
    signal.signal(signal.SIGHUP, reload)
    return came


def _first_failure(children: Sequence[BaseProcess]) -> int:
    for child in children:
        if child.exitcode is not None:
            log.error("worker_died", worker=child.name, exit_code=child.exitcode)
            return StartError.exit_code if child.exitcode == StartError.exit_code else EXIT_PART_DIED
    return EXIT_PART_DIED


def _stop(children: Sequence[BaseProcess]) -> None:
    for child in children:
        if child.is_alive():
            child.terminate()
    for child in children:
        child.join(STOP_WITHIN_S)
        if child.is_alive():
            child.kill()
            child.join()
