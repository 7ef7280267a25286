"""How many cores this process may use: its affinity, and the CPU quota of the control groups around it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_NO_QUOTA = ("max", "-1")


def usable_cores(cgroups: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")) -> int:
    """Count the whole cores that this process may use, at least one: half a core is one, and so is one and a half.

    Args:
        cgroups: Where the control groups are mounted, of version 1 or 2.
        membership: Which of them this process is in.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min([allowed, *_quotas(cgroups, membership)])))


def _quotas(cgroups: Path, membership: Path) -> Iterator[float]:
    """Find how many cores each group allows that this process is in, directly or not, where one says so."""
    for folder in _groups(cgroups, membership):
        with suppress(OSError, ValueError, ZeroDivisionError):  # it is not there, or not as documented
            quota, period = _quota(folder)
            if quota not in _NO_QUOTA:
                yield int(quota) / int(period)


def _quota(folder: Path) -> tuple[str, str]:
    both = folder / "cpu.max"
    if both.exists():
        quota, period = both.read_text("ascii").split()
    else:
        quota, period = (
            (folder / f"cpu.cfs_{each}_us").read_text("ascii").strip() for each in ("quota", "period")
        )
    return quota, period


def _groups(cgroups: Path, membership: Path) -> Iterator[Path]:
    """List the groups from the innermost to the root; a container often sees its own as the root."""
    with suppress(OSError, ValueError):
        for line in membership.read_text("utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and "cpu" not in controllers.split(","):
                continue
            root = cgroups / "cpu" if controllers else cgroups
            inner = root / path.strip("/")
            yield from (each for each in (inner, *inner.parents) if each.is_relative_to(root))
