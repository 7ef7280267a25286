"""What every benchmark says: where it was measured, and its figures with their spread."""

from __future__ import annotations

import json
import os
import platform
import statistics
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def machine() -> dict[str, object]:
    """Say where this was measured, and how busy it was before."""
    return {
        "machine": platform.node(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
    }


def spread(values: Sequence[float], digits: int = 0) -> dict[str, float]:
    """Sum up several runs."""
    return {
        "median": round(statistics.median(values), digits),
        "min": round(min(values), digits),
        "max": round(max(values), digits),
    }


def show(report: Mapping[str, object], *, as_json: bool) -> None:
    """Print a report, as one JSON object or a line for each figure."""
    if as_json:
        print(json.dumps(report))
        return
    width = max(map(len, report))
    for name, value in report.items():
        print(f"{name:{width}}  {value}")
