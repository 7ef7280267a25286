"""`/state/infractions`, a page of the old service, by what the ledger knows."""

from __future__ import annotations

from heapq import nlargest
from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.domain.acts.lifting import is_running
from f2b_worker.domain.addresses import display
from f2b_worker.domain.judge.verdicts import Ban
from f2b_worker.process.opening import open_ban_book
from f2b_worker.query.memo import Memo
from f2b_worker.query.wording import rfc3339

if TYPE_CHECKING:
    from collections.abc import Sequence

    from f2b_worker.domain.judge.verdicts import Hit, OffenderId
    from f2b_worker.ports import Clock
    from f2b_worker.query.following import Snapshot
    from f2b_worker.query.sources import Sources

OLD_STATE = "/state/infractions"
SHOWN_MAX = 1_000
"""So many bans are read for it: each is an item of the table."""

KEPT_S = 10.0
"""So long the same is shown again, though bans change meanwhile: whoever reaches the port may ask."""


class OldState:
    """Lists addresses with their infractions, as a page of the old service did; any number of threads at once.

    Args:
        sources: They know the bans.
        clock: The time.
    """

    def __init__(self, sources: Sources, clock: Clock | None = None) -> None:
        self._sources = sources
        self._memo = Memo[dict[str, Any]](clock or SystemClock(), KEPT_S)

    def document(self) -> dict[str, Any]:
        """Answer the page.

        Raises:
            F2bError: If nobody can tell.
        """
        known = self._sources.snapshot()
        return self._memo.of(known.number, "", lambda: (_listed(self._sources, known), True))


def _listed(sources: Sources, known: Snapshot) -> dict[str, Any]:
    now_ms = sources.now_ms()
    running = (each for each in known.standing if is_running(each.ban, now_ms))
    newest = nlargest(SHOWN_MAX, running, key=lambda each: each.ban.start_ms)
    bans = open_ban_book(sources.settings).last_bans([each.who for each in newest])
    rows = [_row(who, ban.evidence) for who, ban in bans.items() if isinstance(ban, Ban) and ban.evidence]
    bound = f"The infractions that running bans are backed by; the {SHOWN_MAX:,} latest bans."
    return {"infractions": sorted(rows, key=lambda row: row["last"], reverse=True), "bound": bound}


def _row(who: OffenderId, hits: Sequence[Hit]) -> dict[str, Any]:
    times_ms = [hit.at_ms for hit in hits]
    return {
        "ip": display(who.key),
        "jail": who.jail,
        "infractions": sum(hit.weight for hit in hits),
        "first": rfc3339(min(times_ms)),
        "last": rfc3339(max(times_ms)),
    }
