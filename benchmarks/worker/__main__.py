"""Lets `python -m benchmarks.worker` run."""

from __future__ import annotations

import sys

from benchmarks.processes import BenchError
from benchmarks.worker.bench import main

try:
    main()
except BenchError as error:
    sys.exit(f"benchmark: {error}")
