"""Lets `python -m benchmarks.end_to_end` run."""

from __future__ import annotations

import sys

from benchmarks.end_to_end.bench import main
from benchmarks.processes import BenchError
from localstack.local_aws import LocalAwsError

try:
    main()
except (BenchError, LocalAwsError) as error:
    sys.exit(f"benchmarks.end_to_end: {error}")
