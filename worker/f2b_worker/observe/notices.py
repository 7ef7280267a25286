"""How many notices were sent to each target: who sends them tells, and the worker beside it counts."""

from __future__ import annotations

from f2b_worker.observe import metrics


def as_line(target: str, outcome: str) -> bytes:
    """Write what is to be counted."""
    return f"{target} {outcome}".encode()


def count(line: bytes) -> None:
    """Count what such a line says."""
    target, _, outcome = line.decode(errors="replace").partition(" ")
    metrics.notices.labels(target, outcome).inc()
