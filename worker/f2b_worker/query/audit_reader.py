"""What people did, for pages: what is older than a day is read seldom, since it does not change."""

from __future__ import annotations

import threading
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.domain.jails import DAY_MS, MINUTE_MS
from f2b_worker.process.opening import open_acts
from f2b_worker.query.pages import PER_PAGE, AuditPage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from f2b_worker.config.operator import OperatorSettings
    from f2b_worker.domain.acts.act import Act
    from f2b_worker.errors import Unreadable
    from f2b_worker.ports import Clock

KEPT_MS = 10 * MINUTE_MS
"""So long it is believed that nothing becomes known that is older than a day."""

PAGES_MAX = 100
"""So many pages there are: who asks for the millionth has nobody read, and keep, the acts of a year."""


class _Old(NamedTuple):
    """The acts up to a time, as they were read: the newest *number* of them, or all."""

    until_ms: int
    read_ms: int
    number: int
    acts: Sequence[Act]
    unreadable: Sequence[Unreadable]

    def reaches(self, number: int) -> bool:
        """Tell whether the newest *number* of them are among these."""
        return self.number >= number or len(self.acts) < self.number


class AuditReader:
    """Reads the audit, a page at a time; any number of threads at once.

    Each month of a table is a question, and a year has twelve: too many for a page that is kept up to date.

    Args:
        settings: They say where the ledger is, and for how long acts are kept.
        clock: The time.
    """

    def __init__(self, settings: OperatorSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._old: _Old | None = None

    def page(self, page: int = 1, per_page: int = PER_PAGE) -> AuditPage:
        """Tell who did what, the newest first.

        Args:
            page: Which page, from 1 on; there are `PAGES_MAX`, and behind them is the last one.
            per_page: So many acts are a page.

        Raises:
            F2bError: If nobody can tell.
        """
        page = min(max(1, page), PAGES_MAX)
        first = (page - 1) * per_page
        number = first + per_page + 1
        old = self._older(number, PAGES_MAX * per_page + 1)
        unreadable: list[Unreadable] = []
        new = islice(open_acts(self._settings, aside=unreadable.append).audit(old.until_ms + 1), number)
        found = [*new, *old.acts][first:number]
        told = [*unreadable, *old.unreadable]
        has_more, is_end = len(found) > per_page, page == PAGES_MAX
        return AuditPage(found[:per_page], page, is_end or not has_more, told, is_cut=is_end and has_more)

    def _older(self, number: int, most: int) -> _Old:
        now_ms = self._clock.now_ms()
        with self._lock:
            old = self._old
        if old and old.reaches(number) and now_ms - old.read_ms < KEPT_MS:
            return old
        number = min(most, 1 << number.bit_length())  # who goes on from page to page has few of them read again
        until_ms = now_ms - DAY_MS
        unreadable: list[Unreadable] = []
        acts = open_acts(self._settings, aside=unreadable.append)
        since_ms = max(0, now_ms - self._settings.audit_days * DAY_MS)
        found = _Old(until_ms, now_ms, number, list(islice(acts.audit(since_ms, until_ms), number)), unreadable)
        with self._lock:
            self._old = found
        return found
