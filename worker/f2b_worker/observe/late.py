"""The log for modules that a short command imports, too: structlog takes 0.1 s, and such a command rarely logs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from structlog.stdlib import BoundLogger


class _LateLog:
    """A logger that is made with its first line."""

    def __getattr__(self, name: str) -> Any:
        import structlog  # noqa: PLC0415 - see above

        if not structlog.is_configured():  # a command's data are on standard output
            structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
        return getattr(structlog.get_logger(), name)


def late_log() -> BoundLogger:
    """Make a logger, and import structlog with its first line only."""
    return cast("BoundLogger", _LateLog())
