"""Reports that were answered 503 though they may be stored: whoever comes again with one means the same."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import asyncio

    from f2b_worker.domain.judge.infractions import Infraction
    from f2b_worker.errors import F2bError
    from f2b_worker.shim.outbox import SentError

KEPT_S = 10.0
"""For so long after its 503: the client was asked to come again in a second, and may be slower."""
KEPT_MAX = 50_000
"""As many as may wait to be stored at once, so that all of them may come again; some 600 bytes each."""


class Report(NamedTuple):
    """What makes a GET the same as another one: who sent it, and what it says."""

    peer: str
    ip: str
    jail: str


class Unanswered:
    """One infraction that was sent, once or several times under one name, and not answered for.

    Attributes:
        report: What its client sent.
        infraction: What was sent to the queue, under its name.
        was_sent: Whether it was sent at all.
    """

    __slots__ = ("_fates", "infraction", "report", "was_sent")

    def __init__(self, report: Report, infraction: Infraction) -> None:
        self.report = report
        self.infraction = infraction
        self.was_sent = False
        self._fates: list[asyncio.Future[F2bError | None]] = []

    @property
    def is_stored(self) -> bool:
        """Tell whether one of the sends is known to have stored it."""
        return any(fate.done() and fate.result() is None for fate in self._fates)

    @property
    def undecided(self) -> list[asyncio.Future[F2bError | None]]:
        """The sends that may still be answered."""
        return [fate for fate in self._fates if not fate.done()]

    def sent(self, error: SentError) -> None:
        """Note one more send."""
        self.infraction = error.infraction
        self.was_sent = True
        self._fates = [fate for fate in self._fates if not fate.done() or fate.result() is None]
        if error.fate is not None:
            self._fates.append(error.fate)


class UnansweredReports:
    """Keeps them for some seconds; each is found once for each time that it was answered 503.

    Args:
        kept_s: For how long after that.
        kept_max: How many at once; beyond that, the oldest is forgotten.
    """

    def __init__(self, *, kept_s: float = KEPT_S, kept_max: int = KEPT_MAX) -> None:
        self._kept_s = kept_s
        self._kept_max = kept_max
        self._ends_s: OrderedDict[Unanswered, float] = OrderedDict()  # in the order in which they were kept
        self._by_report: dict[Report, deque[Unanswered]] = {}  # the same order

    def __len__(self) -> int:
        """Count them, at no cost for a request: with those whose time is over since one was looked for."""
        return len(self._ends_s)

    def keep(self, one: Unanswered, now_s: float) -> None:
        """Keep one that is answered 503 now."""
        self._ends_s[one] = now_s + self._kept_s
        self._by_report.setdefault(one.report, deque()).append(one)
        self._forget_old(now_s)

    def take(self, report: Report, now_s: float) -> Unanswered | None:
        """Find the oldest that *report* repeats, and keep it no longer."""
        self._forget_old(now_s)
        found = self._by_report.get(report)
        return self._let_go(found[0]) if found else None

    def _forget_old(self, now_s: float) -> None:
        while self._ends_s:
            oldest, ends_s = next(iter(self._ends_s.items()))
            if ends_s > now_s and len(self._ends_s) <= self._kept_max:
                return
            self._let_go(oldest)

    def _let_go(self, one: Unanswered) -> Unanswered:
        del self._ends_s[one]
        alike = self._by_report[one.report]
        alike.remove(one)  # the first of them
        if not alike:
            del self._by_report[one.report]
        return one
