"""How fast an application answers with a producer, beside itself without one: both are asked in turn."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from tests.servers.load import Load
from tests.servers.local_queue import LocalQueue
from tests.servers.served import Running, Server

if TYPE_CHECKING:
    from pathlib import Path

ROUNDS = 7
ROUND_S = 1.0
NOISE_MS = 1.0


class Pace(NamedTuple):
    """The slowest hundredth of answers, in milliseconds.

    Attributes:
        with_ms: In each round with a producer.
        without_ms: In each round without one.
        first_ms: The slowest answer of the first round with a producer: it loads boto3 then.
    """

    with_ms: list[float]
    without_ms: list[float]
    first_ms: float

    @property
    def wrong(self) -> str:
        """Say that it is slower; "" if what was measured could be chance.

        The middle one of 7 rounds is slower than all of 7 others once in thirty tries where nothing differs.
        """
        middle, slowest = median(self.with_ms), max(self.without_ms)
        return f"p99 {middle:.1f} ms, without {slowest:.1f}" if middle > slowest + NOISE_MS else ""


def measure(server: Server, log: Path) -> Pace:
    """Ask a server with a producer and one without in turn."""
    with (
        LocalQueue() as queue,
        Running(server, queue, log) as reporting,
        Running(server, queue, log.with_suffix(".without"), with_producer=False) as silent,
    ):
        first = _round(reporting.port)
        _round(silent.port)
        rounds = [(_round(reporting.port), _round(silent.port)) for _ in range(ROUNDS)]
    return Pace([one.p99_ms() for one, _ in rounds], [other.p99_ms() for _, other in rounds], first.slowest_ms())


def _round(port: int) -> Load:
    with Load(port) as load:
        time.sleep(ROUND_S)
    return load
