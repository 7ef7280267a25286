"""How many files a process may have open."""

from __future__ import annotations

import resource
import subprocess
import sys

SHOW = """
import resource
from f2b_worker.open_files import raise_limit
print(raise_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def test_the_limit_is_raised_to_what_the_platform_allows() -> None:
    lower = (64, 512)
    done = subprocess.run(
        [sys.executable, "-c", SHOW],
        check=True,
        capture_output=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, lower),
    )
    assert done.stdout.split() == [b"512"] * 3
