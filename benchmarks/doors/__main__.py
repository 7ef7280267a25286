"""Lets `python -m benchmarks.doors` run."""

from __future__ import annotations

import sys

from benchmarks.doors.bench import main
from benchmarks.processes import BenchError
from demo.fleet import FleetError
from localstack.local_aws import LocalAwsError

try:
    main()
except (BenchError, FleetError, LocalAwsError) as error:
    sys.exit(f"benchmarks.doors: {error}")
