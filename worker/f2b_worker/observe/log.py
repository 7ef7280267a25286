"""Log lines as an event and keys: readable on a terminal, JSON for everybody else.

A log call never raises and never waits for who reads standard error. Whatever else is written there, by warnings,
tracebacks and other libraries, goes the same way.
"""

from __future__ import annotations

import atexit
import io
import logging
import os
import sys
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

import structlog
from prometheus_client import REGISTRY, Counter

from f2b_worker.observe.lines import Lines, LinesFile
from f2b_worker.observe.printable import printable, printable_json
from f2b_worker.observe.repeats import Repeats
from f2b_worker.observe.shared import count_by_name, counting_as

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prometheus_client import CollectorRegistry
    from structlog.typing import EventDict, Processor

STANDARD_ERROR = 2

ENDS_WITHIN_S = 0.5
"""So long the end of a process waits for who takes its last lines."""

count_by_name()


class _Dropped:
    """Counts the lines that nobody reads: those that were dropped, and those that were left out."""

    def __init__(self) -> None:
        self._make(REGISTRY)

    def count(self) -> None:
        """Count one that was dropped."""
        self._dropped.inc()

    def count_left_out(self, event: str) -> None:
        """Count one that was left out."""
        self._left_out.labels(event).inc()

    def count_for_all(self) -> None:
        """Count from now on where the processes that are started count, too."""
        with counting_as("parent"):
            self._make(None)

    def _make(self, registry: CollectorRegistry | None) -> None:
        told = "Log lines that were dropped: standard error did not take them"
        self._dropped = Counter("f2b_log_lines_dropped", told, registry=registry)
        told = "Log lines that were left out: their event had been logged often within a minute"
        self._left_out = Counter("f2b_log_lines_left_out", told, ["event"], registry=registry)


dropped = _Dropped()
_repeats = Repeats(dropped.count_left_out)


def configure(level: str, **in_each: object) -> None:
    """Send log lines to standard error.

    Args:
        level: The lowest one that is shown: debug, info, warning or error.
        in_each: What each line says besides, of whatever thread it is.
    """
    lines = None if _is_replaced() else _lines()
    _repeats.tell()
    _repeats.begin()
    structlog.configure(
        processors=_processors(in_each),
        wrapper_class=_unfailing(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=_Logger(lines) if lines else structlog.PrintLoggerFactory(sys.stderr),
    )


def finish() -> None:
    """Write what is still held before the process ends; whoever does not take it is not waited for."""
    _repeats.tell()
    if not _is_replaced() and isinstance(sys.stderr, _StandardError):
        sys.stderr.flush()
        if _lines().drain(ENDS_WITHIN_S):
            sys.stderr = sys.__stderr__


def flush() -> None:
    """Write what is held before the process is frozen; whoever does not take it is not waited for for long."""
    _repeats.tell()
    if not _is_replaced():
        _lines().drain(ENDS_WITHIN_S)


def _processors(in_each: Mapping[str, object]) -> list[Processor]:
    def add(_logger: object, _method: str, line: EventDict) -> EventDict:
        return {**in_each, **line}

    readable = sys.stderr is not None and sys.stderr.isatty()
    as_json = structlog.processors.JSONRenderer(serializer=printable_json)
    # A traceback is text by then. Where rich is installed, structlog would warn of that.
    console = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    last: list[Processor] = [_printable, console] if readable else [as_json]
    return [
        _repeats,
        add,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        *last,
    ]


def _printable(_logger: object, _method: str, line: EventDict) -> EventDict:
    """Take care of texts; the renderer writes all else as Python does."""
    return {
        name: printable(value, keep="\n" if name == "exception" else "") if isinstance(value, str) else value
        for name, value in line.items()
    }


def _is_replaced() -> bool:
    """Tell whether somebody, a test for instance, has put a stream of their own in place of standard error."""
    return sys.stderr is not sys.__stderr__ and not isinstance(sys.stderr, _StandardError)


class _StandardError(io.TextIOWrapper):
    """Standard error as everybody else in this process sees it."""


@cache
def _lines() -> Lines:
    """Put the buffer in place of standard error, once and for all."""

    def tell(number: int, reason: str) -> bytes:
        log = structlog.wrap_logger(structlog.ReturnLogger(), processors=structlog.get_config()["processors"])
        return _encoded(log.warning("log_lines_dropped", lines=number, reason=reason))

    lines = Lines(STANDARD_ERROR, on_drop=dropped.count, tell=tell)
    os.register_at_fork(after_in_child=lines.begin)
    sys.stderr = _StandardError(
        LinesFile(lines, STANDARD_ERROR),  # type: ignore[arg-type]
        encoding="utf-8",
        errors="backslashreplace",
        line_buffering=True,
    )
    atexit.register(finish)
    return lines


class _Logger:
    """The last in structlog's chain, and what makes it; every level goes the same way."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    def __call__(self, *_: object) -> _Logger:
        """Answer itself."""
        return self

    def msg(self, text: str) -> None:
        """Hand a line over."""
        self._lines.put(_encoded(text))

    debug = info = warning = error = critical = msg


def _encoded(line: str) -> bytes:
    return f"{line}\n".encode(errors="backslashreplace")


def _unfailing(level: int) -> Any:
    """Make the class of loggers that show *level* and above, and of which no call ever fails."""
    filtering: Any = structlog.make_filtering_bound_logger(level)

    class Unfailing(filtering):  # type: ignore[misc]
        def _proxy_to_logger(self, method_name: str, event: str | None = None, **details: Any) -> None:
            try:
                super()._proxy_to_logger(method_name, event, **details)
            except Exception as error:  # noqa: BLE001 - whoever logs goes on, whatever cannot be shown
                with suppress(Exception):
                    said = {"about": ascii(event), "reason": type(error).__name__}
                    super()._proxy_to_logger("error", "log_line_failed", **said)

    return Unfailing
