"""Counters of the shim, for Prometheus; `/metrics` shows them, of all processes together."""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess
from prometheus_client.registry import REGISTRY

import f2b_worker.observe.build_info  # noqa: F401 - it shows the version by itself
from f2b_worker.observe.shared import FOLDER

stored = Counter("f2b_shim_stored", "Infractions that were stored")
stored_late = Counter(
    "f2b_shim_stored_late", "Infractions that the queue stored after their reports were answered 503"
)
repeated = Counter(
    "f2b_shim_repeated", "Reports by GET that were answered 503 shortly before and came again: both count once"
)
answers = Counter("f2b_shim_answers", "Answers to reports of infractions", ["status"])
refused = Counter("f2b_shim_refused", "Infractions, requests or connections that were refused", ["reason"])

# One observation a request would cost it 2 to 3 % of its CPU. A message costs a call to the queue besides.
store_s = Histogram(
    "f2b_shim_store_seconds",
    "How long the first report of a message waited until that was stored. One observation a message, which many"
    " reports share",
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 1.7),
)


def page() -> bytes:
    """Write all counters in Prometheus's text format."""
    if FOLDER not in os.environ:
        return generate_latest(REGISTRY)
    together = CollectorRegistry()
    multiprocess.MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    return generate_latest(together)
