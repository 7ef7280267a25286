"""Metrics of several processes, which prometheus_client adds up in files that they share."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from functools import cache
from multiprocessing import current_process
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, multiprocess, values

from f2b_worker.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prometheus_client import Gauge
    from prometheus_client.metrics_core import Metric

FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client reads it when it is imported
_IN_MEMORY = "/dev/shm"  # noqa: S108 - a folder of our own within it; there even where all disks are read-only

_NOTHING = float("-inf")
"""What a gauge holds in the files once it shows nothing: they keep it, and the largest one is shown."""


@contextmanager
def shared_metrics() -> Iterator[None]:
    """Let processes that are started meanwhile count in shared files.

    Raises:
        StartError: If there is no place for the files.
    """
    place = _IN_MEMORY if os.access(_IN_MEMORY, os.W_OK | os.X_OK) else None
    try:
        folder = tempfile.TemporaryDirectory(prefix="f2b-metrics-", dir=place, ignore_cleanup_errors=True)
    except OSError as error:
        told = "to count in several processes takes a folder that they may write to, such as /dev/shm"
        raise StartError(f"{told}: {error.strerror or error}") from error
    with folder as os.environ[FOLDER]:
        try:
            yield
        finally:
            del os.environ[FOLDER]


@cache
def count_by_name() -> None:
    """Count under this process's name, which its successor inherits and counts on from there.

    By the process id, as it is otherwise, files would pile up with every death. Call it before metrics are made;
    a second call changes nothing: two would write to one file.
    """
    if FOLDER in os.environ:
        name = current_process().name
        values.ValueClass = values.MultiProcessValue(lambda: name)  # type: ignore[no-untyped-call]


@contextmanager
def counting_as(name: str) -> Iterator[None]:
    """Let metrics that are made meanwhile count in the shared files, if there are any, under *name*.

    For the parent, which was there before the files.
    """
    before = values.ValueClass
    if FOLDER in os.environ:
        values.ValueClass = values.MultiProcessValue(lambda: name)  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        values.ValueClass = before


def mark_dead(name: str) -> None:
    """Let the gauges of a dead process show nothing; what it counted stays."""
    if FOLDER in os.environ:
        multiprocess.mark_process_dead(name)  # type: ignore[no-untyped-call]


def remove_files() -> None:
    """Remove the shared files in place of a process that died before it could."""
    if FOLDER in os.environ:
        shutil.rmtree(os.environ[FOLDER], ignore_errors=True)


def show_nothing(gauge: Gauge, *labels: str) -> None:
    """Let *gauge* show nothing with these labels; shared files have no way to remove it."""
    if FOLDER in os.environ:
        gauge.labels(*labels).set(_NOTHING)
    else:
        gauge.remove(*labels)


def registry_of_all() -> CollectorRegistry:
    """Make the registry that shows what all processes counted together."""
    registry = CollectorRegistry()
    registry.register(_Together())
    return registry


class _Together:
    """Collects from the shared files, and leaves out what shows nothing."""

    def __init__(self) -> None:
        self._files = multiprocess.MultiProcessCollector(None, os.environ[FOLDER])  # type: ignore[no-untyped-call]

    def collect(self) -> Iterable[Metric]:
        """Answer each metric that somebody shows."""
        for metric in self._files.collect():  # type: ignore[no-untyped-call]
            metric.samples = [each for each in metric.samples if each.value != _NOTHING]
            yield metric
