"""Lets `python -m benchmarks.rolling` run."""

from __future__ import annotations

import sys

from benchmarks.processes import BenchError
from benchmarks.rolling.bench import main
from demo.fleet import FleetError

try:
    main()
except (BenchError, FleetError) as error:
    sys.exit(f"benchmarks.rolling: {error}")
