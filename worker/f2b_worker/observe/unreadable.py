"""Stored items that cannot be read: each is named once in the log, and counted."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from f2b_worker.observe.late import late_log

if TYPE_CHECKING:
    from f2b_worker.errors import Unreadable

log = late_log()

_NAMED_MAX = 10_000


class SetAside:
    """Names each item once while this process lives, however often it is met; for any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._named: set[tuple[str, str]] = set()

    def __call__(self, error: Unreadable) -> None:
        """Take note of an item that could not be read."""
        with self._lock:
            if (error.item, error.attribute) in self._named:
                return
            if len(self._named) >= _NAMED_MAX:
                self._named.clear()  # better twice than never
            self._named.add((error.item, error.attribute))
        from f2b_worker.observe import metrics  # noqa: PLC0415 - a short command starts sooner without it

        metrics.unreadable.labels(error.kind).inc()
        log.error("unreadable", kind=error.kind, item=error.item, attribute=error.attribute, remedy=error.remedy)


set_aside = SetAside()
"""Of this process."""
