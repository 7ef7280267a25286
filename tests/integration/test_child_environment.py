"""The processes that tests start import what whoever installs f2b has, and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import packages_distributions, requires
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localstack.local_aws import LocalAws

IMPORTED = """
import sys
before = set(sys.modules)
import f2b_worker.cli.worker, f2b_worker.process.worker
print(*{name.partition(".")[0] for name in set(sys.modules) - before})
"""


def brought(name: str) -> set[str]:
    """List the distributions that come with one, without extras."""
    found, left = set[str](), [name]
    while left:
        found.add(each := left.pop().lower())
        needed = [line for line in requires(each) or [] if "extra ==" not in line]
        left += {re.split(r"[^\w.-]", line)[0].lower() for line in needed} - found
    return {each.replace("_", "-") for each in found}


def test_a_worker_under_test_imports_only_what_its_requirements_bring(local_aws: LocalAws) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED],
        env=local_aws.child_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    known = packages_distributions()
    imported = {each.lower().replace("_", "-") for name in done.stdout.split() for each in known.get(name, [])}
    # certifi only says where a file lies; tools that a child may need cannot do without it.
    assert {"botocore", "structlog"} <= imported - {"certifi"} <= brought("f2b-worker")
