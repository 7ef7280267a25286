"""Counters of the shim, for Prometheus; `/metrics` shows them, of all processes together."""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, generate_latest, multiprocess
from prometheus_client.registry import REGISTRY

import f2b_worker.observe.build_info  # noqa: F401 - it shows the version by itself
from f2b_worker.observe.shared import FOLDER

stored = Counter("f2b_shim_stored", "Infractions that were stored")
answers = Counter("f2b_shim_answers", "Answers to reports of infractions", ["status"])
refused = Counter("f2b_shim_refused", "Infractions, requests or connections that were refused", ["reason"])


def page() -> bytes:
    """Write all counters in Prometheus's text format."""
    if FOLDER not in os.environ:
        return generate_latest(REGISTRY)
    together = CollectorRegistry()
    multiprocess.MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    return generate_latest(together)
