"""What histograms of this process observe while something is done."""

from __future__ import annotations

from typing import NamedTuple

from prometheus_client import REGISTRY


class Observed(NamedTuple):
    """How many values, and their sum."""

    number: float
    total: float


class Since:
    """What histograms without labels, or with these, observed since this was made."""

    def __init__(self, *names: str, **labels: str) -> None:
        self._labels = labels
        self._before = {name: self._all(name) for name in names}

    def __call__(self, name: str) -> Observed:
        now, before = self._all(name), self._before[name]
        return Observed(now.number - before.number, round(now.total - before.total, 6))

    def _all(self, name: str) -> Observed:
        number, total = (REGISTRY.get_sample_value(f"{name}_{what}", self._labels) for what in ("count", "sum"))
        return Observed(number or 0.0, total or 0.0)
