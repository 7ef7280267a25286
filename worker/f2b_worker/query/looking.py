"""What an operator sees of a running fleet, beside the bans: its workers, its queue, and who enforces."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from f2b_worker.ports.fleet import Holder, QueueDepth, WorkerSign
from f2b_worker.process.opening import open_queue, open_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from f2b_worker.config.names import Names

ALIVE_MS = 180_000
"""Who gave no sign for so long is taken for dead: three signs are missing."""


def alive_of(signs: Iterable[WorkerSign], now_ms: int) -> list[WorkerSign]:
    """Choose the workers that gave a sign of life of late."""
    return [each for each in signs if now_ms - each.at_ms <= ALIVE_MS]


def nobody_enforces(region: str) -> str:
    """Say that nobody enforces in a Region, and what to do."""
    return f"nobody enforces in {region}: give a worker the blocklists of {region}"


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen.

    Attributes:
        workers: Their signs of life, which may be old; None where there are none to be had.
        queue: How much waits; None where no queue is named.
        holders: Who enforces, by Region.
        oldest_ms: How old the oldest message is: of a fleet, of those that workers received lately; of a file, of
            those that wait. None: nobody knows.
    """

    workers: Sequence[WorkerSign] | None
    queue: QueueDepth | None
    holders: Mapping[str, Holder]
    oldest_ms: int | None = None


def look_at_fleet(settings: Names, regions: Iterable[str], now_ms: int) -> Seen:
    """Look at what works on the ledger that *settings* name.

    Args:
        settings: They name ledger and queue.
        regions: Where something is to be enforced.
        now_ms: When.
    """
    if settings.state_file:
        return _look_at_file(settings.state_file, now_ms)
    from f2b_worker.adapters.dynamodb.fleet import DynamoFleet  # noqa: PLC0415 - a file needs none of it
    from f2b_worker.adapters.dynamodb.lease import holder_of  # noqa: PLC0415

    client = open_table(settings)
    holders = {region: holder_of(client, settings.table, f"enforcer/{region}") for region in regions}
    queue = _look_at_queue(settings) if settings.queue else None
    signs = DynamoFleet(client, settings.table).signs()
    return Seen(signs, queue, holders, _oldest_ms(signs, now_ms) if queue else None)


def _oldest_ms(signs: Sequence[WorkerSign], now_ms: int) -> int | None:
    return max((each.oldest_ms for each in alive_of(signs, now_ms) if each.oldest_ms is not None), default=None)


def _look_at_queue(settings: Names) -> QueueDepth:
    from f2b_worker.adapters.sqs.depth import depth_of  # noqa: PLC0415 - as above

    return depth_of(*open_queue(settings))


def _look_at_file(path: Path, now_ms: int) -> Seen:
    from f2b_worker.adapters.sqlite.file import open_existing  # noqa: PLC0415 - as above
    from f2b_worker.adapters.sqlite.fleet import signs_in  # noqa: PLC0415
    from f2b_worker.adapters.sqlite.looking import depth_of_file, oldest_in_file, worker_of_file  # noqa: PLC0415

    with closing(open_existing(path)) as connection:
        signs, depth = signs_in(connection), depth_of_file(connection)
        sent_ms = oldest_in_file(connection)
    oldest_ms = 0 if sent_ms is None else max(0, now_ms - sent_ms)
    return Seen(_of_file(worker_of_file(path), signs, now_ms), depth, {}, oldest_ms)


def _of_file(worker: int | None, signs: Sequence[WorkerSign], now_ms: int) -> Sequence[WorkerSign] | None:
    """Tell who works on a file: only one at a time does, so the last sign is its own.

    Args:
        worker: The process that holds the file's lock, which is a sign of life of its own; 0 if none does, None if
            nobody knows.
        signs: What workers wrote into the file.
        now_ms: The time.
    """
    if worker is None:
        return signs or None
    if not worker:
        return []
    name = f"process {worker}"
    last = max(signs, key=lambda each: each.at_ms, default=WorkerSign(name, now_ms, now_ms, ""))
    return [replace(last, name=name, at_ms=now_ms)]
