"""The workers that have not read their files again, as `f2b status` names them, on a table and on a state file."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.dynamodb.fleet import DynamoFleet
from f2b_worker.adapters.sqlite.fleet import SqliteFleet
from f2b_worker.adapters.sqlite.state import StateFile
from f2b_worker.ports import WorkerSign
from tests.integration.acting import ok, place, told

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from f2b_worker.ports import Fleet
    from tests.integration.provisioning import Cloud

__all__ = ["place"]


@contextmanager
def signing(place: str, cloud: Cloud, folder: Path) -> Iterator[Fleet]:
    """Be a worker that gives signs of life."""
    if place == "table":
        yield DynamoFleet(cloud.dynamodb, "f2b")
        return
    state = StateFile(folder / "f2b.db")
    yield SqliteFleet(state.reader(), state.writer)
    state.close()


def test_status_names_the_workers_that_have_not_reloaded(place: str, cloud: Cloud, tmp_path: Path) -> None:
    now_ms = SystemClock().now_ms()
    a, b = (WorkerSign(f"{name}/17/c0ffee01", now_ms, now_ms, "0.1.0", generation=1) for name in "ab")
    told("reload")
    with signing(place, cloud, tmp_path) as fleet:
        for each in (a, b) if place == "table" else (a,):
            fleet.sign(each)
        assert told("status")["not_reloaded"] == []
        told("reload")
        fleet.sign(replace(a, generation=2))
        found = told("status")
        assert (found["generation"], found["not_reloaded"]) == (2, [b.name] if place == "table" else [])
        assert abs(found["reload_asked"] - now_ms / 1000) < 60
        told("reload")
        behind = f"2 of 2 workers have not reloaded: {a.name}, {b.name}"
        if place == "file":
            behind = f"1 of 1 worker has not reloaded: process {os.getpid()}"
        assert f"reload    {behind} (generation 3, asked " in ok("status").stdout
