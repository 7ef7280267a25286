"""One thread writes to the state file: whatever waits at the same time shares a transaction, and one fsync."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from f2b_worker.adapters.sqlite_file import sqlite_errors
from f2b_worker.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

TOGETHER_MAX = 256


class Writer(Protocol):
    """Runs work that writes."""

    def do(self, doing: str, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run *work* in a transaction; returns only when what it wrote is on disk.

        Args:
            doing: For the text of an error.
            work: May run more than once; only what its last run wrote counts.

        Raises:
            F2bError: If nothing, or perhaps nothing, of it was stored.
        """
        ...


@dataclass(slots=True, eq=False)
class _Job:
    doing: str
    work: Callable[[sqlite3.Connection], Any]
    future: Future[Any] = field(default_factory=Future)


class GroupWriter:
    """Writes for any number of threads.

    Args:
        connection: Used by nobody else; closed with this.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="state-writer", daemon=True)
        self._thread.start()

    def do(self, doing: str, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run *work* in a transaction, others' work beside it; returns only when it is on disk."""
        return self.submit(doing, work).result()

    def submit(self, doing: str, work: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Have *work* run soon; the future is done when what it wrote is on disk, in the writer's thread."""
        job = _Job(doing, work)
        with self._closing:
            if self._closed:
                raise Unavailable(f"{doing}: the state file is closed")
            self._jobs.put(job)
        return job.future

    def close(self) -> None:
        """Finish what was submitted, and close the connection; closing twice is no error."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        going_on = True
        while going_on:
            jobs, going_on = self._next()
            if jobs:
                self._commit(jobs)
        self._connection.close()

    def _next(self) -> tuple[list[_Job], bool]:
        """Wait for work, and take all that is there."""
        job = self._jobs.get()
        jobs: list[_Job] = []
        while job is not None:
            if job.future.set_running_or_notify_cancel():
                jobs.append(job)
            if len(jobs) == TOGETHER_MAX:
                return jobs, True
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return jobs, True
        return jobs, False

    def _commit(self, jobs: list[_Job]) -> None:
        """Run *jobs* in one transaction; if that fails, each in one of its own, so that each fails for itself."""
        try:
            results = in_one_transaction(self._connection, [job.work for job in jobs], jobs[0].doing)
        except Exception as error:  # noqa: BLE001 - whoever waits for it hears it, whatever it is
            if len(jobs) == 1:
                jobs[0].future.set_exception(error)
                return
            for job in jobs:
                self._commit([job])
        else:
            for job, result in zip(jobs, results, strict=True):
                job.future.set_result(result)


class LoneWriter:
    """Writes from a command, beside a worker that has the file open.

    Args:
        connection: Used by one thread.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def do(self, doing: str, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run *work* in a transaction of its own."""
        (result,) = in_one_transaction(self._connection, [work], doing)
        return result


def in_one_transaction(
    connection: sqlite3.Connection, works: list[Callable[[sqlite3.Connection], T]], doing: str
) -> list[T]:
    """Run all of *works* and commit, or store nothing of any.

    Raises:
        F2bError: If SQLite failed.
    """
    with sqlite_errors(doing):
        connection.execute("BEGIN IMMEDIATE")
        try:
            results = [work(connection) for work in works]
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # SQLite has rolled back by itself after some failures
                connection.execute("ROLLBACK")
            raise
    return results
