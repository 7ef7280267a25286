"""How far a process stands back where there are too few cores."""

from __future__ import annotations

import os

import structlog

log: structlog.stdlib.BoundLogger = structlog.get_logger()


def stand_back(by: int) -> None:
    """Let others have the cores first; where a sandbox forbids that, go on as before."""
    try:
        os.nice(by)
    except OSError as error:
        log.warning("priority_unchanged", reason=f"setpriority: {error.strerror}")
