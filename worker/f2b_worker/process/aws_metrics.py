"""What the metrics tell of the calls to AWS: how long they took, and what they cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.observe import metrics
from f2b_worker.observe.spending import Spending

if TYPE_CHECKING:
    from prometheus_client import Histogram

    from f2b_worker.adapters.aws_calls import Call
    from f2b_worker.ports import Clock


class AwsMetrics:
    """Hears of each call of this process, from any thread.

    Args:
        clock: Tells what was spent within an hour.
    """

    def __init__(self, clock: Clock) -> None:
        self._spending = Spending(clock.monotonic_s)
        # prometheus_client looks them up in 1.5 µs, by texts that it makes anew.
        self._times: dict[tuple[str, str, str], Histogram] = {}

    def __call__(self, call: Call) -> None:
        """Take note of a call."""
        of = call[:3]
        times = self._times.get(of)
        if times is None:
            times = self._times[of] = metrics.aws_request_s.labels(*of)
        times.observe(call.took_s)
        if call.service == "sqs":
            self._spending.spend("sqs_request", 1)
        for units in call.units:
            metrics.aws_capacity_units.labels(units.table, units.kind).inc(units.number)
            self._spending.spend(f"{units.kind}_unit", units.number)

    def show_cost(self) -> None:
        """Show what an hour costs."""
        metrics.cost_dollars_per_hour.set(self._spending.dollars_per_hour())
