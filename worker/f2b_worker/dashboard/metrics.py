"""Counters of the dashboard, for Prometheus; `/metrics` of its port shows them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from f2b_worker.observe.build_info import build_info

REGISTRY = CollectorRegistry()
"""Of its own: the dashboard is a process that shows nothing of the shim or of a worker."""

REGISTRY.register(build_info)

answers = Counter("f2b_dashboard_answers", "Answers of the dashboard", ["code"], registry=REGISTRY)
refused = Counter(
    "f2b_dashboard_refused",
    "Requests or connections that the dashboard refused",
    ["reason"],
    registry=REGISTRY,
)
acts = Counter(
    "f2b_dashboard_acts",
    "Acts that the dashboard did for somebody, wholly or in part",
    ["action"],
    registry=REGISTRY,
)
streams = Gauge(
    "f2b_dashboard_streams",
    "Pages that are open and hear of each change",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)


def page() -> bytes:
    """Write all of them in Prometheus's text format."""
    return generate_latest(REGISTRY)
