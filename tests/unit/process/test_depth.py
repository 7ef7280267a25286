"""How many messages wait is shown once a minute, and nothing while nobody knows."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import structlog
from prometheus_client import REGISTRY

from f2b_worker.errors import AccessDenied, F2bError
from f2b_worker.ports.fleet import QueueDepth
from f2b_worker.process.depth import EVERY_S, show_depth
from f2b_worker.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Sequence

STATES = ("waiting", "in_flight", "delayed", "dead_letters")


def shown() -> list[float | None]:
    return [REGISTRY.get_sample_value("f2b_queue_messages", {"state": state}) for state in STATES]


def looking(*answers: QueueDepth | F2bError) -> tuple[list[Sequence[float | None]], list[str], float]:
    """Look so often; tell what was shown after each look, what was logged, and how long it took."""
    clock, stop, seen = FakeClock(), threading.Event(), list[list[float | None]]()
    left = list(answers)

    def look() -> QueueDepth:
        if len(left) < len(answers):
            seen.append(shown())
        answer = left.pop(0)
        if not left:
            stop.set()
        if isinstance(answer, F2bError):
            raise answer
        return answer

    with structlog.testing.capture_logs() as said:
        show_depth(look, clock, stop)
    return [*seen, shown()], [line["event"] for line in said], clock.monotonic_s()


def test_what_waits_is_shown_at_once_and_then_once_a_minute() -> None:
    seen, said, took_s = looking(QueueDepth(1, 2, 3, 4), QueueDepth(5, 0, 0, 0))
    assert seen == [[1, 2, 3, 4], [5, 0, 0, 0]]
    assert (said, took_s) == ([], EVERY_S)


def test_what_is_not_known_is_not_shown_and_is_said_once_a_trouble() -> None:
    denied = AccessDenied("queue f2b-dead: not allowed")
    seen, said, _ = looking(QueueDepth(1, 2, 3, 4), denied, denied, QueueDepth(0, 0, 0, 1), denied)
    nothing = [None] * 4
    assert seen == [[1, 2, 3, 4], nothing, nothing, [0, 0, 0, 1], nothing]
    assert said == ["queue_depth_unknown"] * 2
