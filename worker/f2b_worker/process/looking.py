"""What an operator sees of a running fleet, beside the bans: its workers, its queue, and who enforces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from f2b_worker.ports.fleet import Holder, QueueDepth, WorkerSign
from f2b_worker.process.opening import open_queue, open_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from f2b_worker.config.names import Names

ALIVE_MS = 180_000
"""Who gave no sign for so long is taken for dead: three signs are missing."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen.

    Attributes:
        workers: Their signs of life, which may be old; None where there are none to be had.
        queue: How much waits; None where no queue is named.
        holders: Who enforces, by Region.
    """

    workers: Sequence[WorkerSign] | None
    queue: QueueDepth | None
    holders: Mapping[str, Holder]


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
    return Seen(DynamoFleet(client, settings.table).signs(), queue, holders)


def _look_at_queue(settings: Names) -> QueueDepth:
    from f2b_worker.adapters.sqs.depth import depth_of  # noqa: PLC0415 - as above

    return depth_of(*open_queue(settings))


def _look_at_file(path: Path, now_ms: int) -> Seen:
    from f2b_worker.adapters.sqlite.file import open_existing  # noqa: PLC0415 - as above
    from f2b_worker.adapters.sqlite.looking import depth_of_file, worker_of_file  # noqa: PLC0415

    depth = depth_of_file(open_existing(path))
    worker = worker_of_file(path)
    alive = None if worker is None else [WorkerSign(f"process {worker}", now_ms, now_ms, "")] if worker else []
    return Seen(alive, depth, {})
