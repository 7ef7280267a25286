"""What an invocation counted, as one line in CloudWatch's embedded metric format.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html

The only dimension is the function's name: nothing that an attacker can choose makes a metric, which costs money.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from f2b_worker.observe import metrics
from f2b_worker.observe.printable import printable_json

if TYPE_CHECKING:
    from prometheus_client import Counter

NAMESPACE = "f2b"
COUNTED: dict[str, Counter] = {
    "infractions_judged": metrics.infractions_judged,
    "refused": metrics.refused,
    "ignored": metrics.ignored,
    "ledger_refused": metrics.ledger_refused,
    "aws_failures": metrics.aws_failures,
}
"""The worker's counters that are told, each with all its reasons together."""

UNITS = dict.fromkeys(("messages", "messages_returned", *COUNTED), "Count") | {"duration": "Milliseconds"}


class Tally:
    """Tells how much was counted since the last time."""

    def __init__(self) -> None:
        self._told = _totals()

    def take(self) -> dict[str, int]:
        """Answer what is new."""
        now = _totals()
        new = {name: round(now[name] - self._told[name]) for name in now}
        self._told = now
        return new


def _totals() -> dict[str, float]:
    return {name: _total(counter) for name, counter in COUNTED.items()}


def _total(counter: Counter) -> float:
    samples = [sample for metric in counter.collect() for sample in metric.samples]
    return sum(sample.value for sample in samples if sample.name.endswith("_total"))


def write(values: dict[str, int], *, now_ms: int, is_cold: bool, request_id: str) -> None:
    """Write the line to standard output, from where Lambda takes it to CloudWatch."""
    told = [{"Name": name, "Unit": UNITS[name]} for name in values]
    line = {
        "_aws": {
            "Timestamp": now_ms,
            "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": [["function"]], "Metrics": told}],
        },
        "function": os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "f2b"),
        "event": "invocation",
        "request_id": request_id,
        "cold": is_cold,
        **values,
    }
    sys.stdout.write(f"{printable_json(line)}\n")
    sys.stdout.flush()
