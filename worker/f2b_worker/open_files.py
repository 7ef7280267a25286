"""How many files this process may have open: each connection is one, and so is each call to AWS."""

from __future__ import annotations

import resource
import sys
from contextlib import suppress


def raise_limit() -> int:
    """Raise the limit of open files to what the platform allows, and tell it; first of all where a port opens."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):  # macOS names no hard limit, and takes none: the soft one stays
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return allowed if allowed != resource.RLIM_INFINITY else sys.maxsize
