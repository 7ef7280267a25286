"""`/state/infractions`, a page of the old service, by what the ledger knows."""

from __future__ import annotations

from heapq import nlargest
from typing import TYPE_CHECKING, Any

from f2b_worker.domain.acts.lifting import is_running
from f2b_worker.domain.addresses import display
from f2b_worker.domain.judge.verdicts import Ban
from f2b_worker.process.opening import open_ban_book
from f2b_worker.query.wording import rfc3339

if TYPE_CHECKING:
    from collections.abc import Sequence

    from f2b_worker.domain.judge.verdicts import Hit, OffenderId
    from f2b_worker.query.sources import Sources

OLD_STATE = "/state/infractions"
SHOWN_MAX = 1_000
"""So many bans are read for it: each is an item of the table."""


def old_state(sources: Sources) -> dict[str, Any]:
    """List addresses with their infractions, as a page of the old service did: here by the ledger."""
    now_ms = sources.now_ms()
    running = (each for each in sources.snapshot().standing if is_running(each.ban, now_ms))
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
