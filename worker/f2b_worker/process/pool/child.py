"""One worker process of a pool: as its parent sees it, and what it does."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from multiprocessing import get_context
from select import select
from typing import TYPE_CHECKING

import structlog

from f2b_worker.domain.backoff import Restarts
from f2b_worker.errors import F2bError, GaveUp, StartError
from f2b_worker.observe import log as log_lines
from f2b_worker.observe.shared import mark_dead, remove_files
from f2b_worker.process.parts import Condition
from f2b_worker.process.pool.liveness import Health
from f2b_worker.process.worker import EXIT_PART_DIED, run_worker
from f2b_worker.signals import RELOAD, UNHEEDED, blocked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess
    from pathlib import Path

    from f2b_worker.config.settings import WorkerSettings

log: structlog.stdlib.BoundLogger = structlog.get_logger()

_TOLD_MAX = 450
"""Characters of a reason: a pipe takes two of them at once, whatever they are, and nobody waits for the rest."""


class Child:
    """One worker process, and its successors.

    Args:
        settings: Of every process of the pool.
        config: The jails file, which each process reads for itself.
        number: Tells it from the others.

    Attributes:
        health: What is known of it.
        process: The one that runs; None while it is dead.
        starts_s: When it may be started again.
    """

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
        """Start a process, which tells from then on how it does."""
        # Spawned, not forked: boto3's clients and locks do not survive a fork.
        context = get_context("spawn")
        self._tells, speaks = context.Pipe(duplex=False)
        arguments = (self._settings, self._config, self._number, speaks)
        self.process = context.Process(target=_work, args=arguments, name=self.health.name)
        self._started_s, self._refusal = now_s, ""
        self.health.start(now_s)
        # SIGTERM is not: who only starts may die of it.
        with speaks, blocked(RELOAD, signal.SIGINT, signal.SIGQUIT, *UNHEEDED):
            self.process.start()

    def listen(self, now_s: float) -> None:
        """Take note of all that it has told."""
        with suppress(EOFError, OSError):  # it is dead: so says its sentinel
            while self._tells and self._tells.poll():
                self._hear(self._tells.recv(), now_s)

    def _hear(self, told: Condition | str, now_s: float) -> None:
        if isinstance(told, str):
            self._refusal = told
        else:
            self.health.hear(told, now_s)
            self._has_worked = True

    def bury(self, now_s: float) -> int | None:
        """Plan the restart of a dead child; answer the exit code if there is to be none.

        Raises:
            GaveUp: If AWS was away for too long.
            StartError: If it cannot start as configured: nothing will change.
        """
        dead = self.process
        assert dead is not None
        self.listen(now_s)  # to its last words
        self._forget()
        if self._refusal and not self._has_worked:
            raise (GaveUp if dead.exitcode == GaveUp.exit_code else StartError)(self._refusal)
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
        """Send a signal, if there is anybody to get it."""
        with suppress(ProcessLookupError):  # a signal may come while its death is being noticed
            if self.process and self.process.is_alive() and self.process.pid:
                os.kill(self.process.pid, number)


def _work(settings: WorkerSettings, config: Path | None, number: int, speaks: Connection) -> None:
    log_lines.configure(settings.log_level, worker=number)
    try:
        code = run_worker(settings, config, tell=lambda condition: _tell(speaks, condition))
    except F2bError as error:
        with suppress(OSError):  # the parent is dead, too
            speaks.send(str(error))
        code = getattr(error, "exit_code", StartError.exit_code)
    raise SystemExit(code)


def _tell(speaks: Connection, condition: Condition) -> None:
    short = Condition(*(text and text[:_TOLD_MAX] for text in (condition.problem, condition.conflict)))
    try:
        # A parent that is stopped reads nothing. Who waits for it could not stop.
        if select([], [speaks], [], 0)[1]:
            speaks.send(short)
    except OSError:  # nobody would restart this process or stop it
        remove_files()
        signal.raise_signal(signal.SIGTERM)
        log.warning("parent_died")
