"""What waits in the queue, and the dead letters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.dashboard.asked import Page
from f2b_worker.dashboard.pages.verdict import verdict_of
from f2b_worker.query.letter_reader import BEING_READ
from f2b_worker.query.letters import has_reason

if TYPE_CHECKING:
    from f2b_worker.dashboard.asked import Asked
    from f2b_worker.query.sources import Sources

LETTERS_SHOWN = 50
BODY_SHOWN = 2_000
"""So many characters of a message stand on the page: of 256 KB nobody reads more, and `f2b dlq show` has all."""


def queue(asked: Asked, sources: Sources) -> Page:
    """Answer the page."""
    snapshot = sources.whole_snapshot()
    depth = snapshot.status.seen.queue
    found = sources.letters() if depth else None
    letters = found.letters if found else []
    problem = found.problem if found and found.problem else ""
    reason = asked.query.get("reason", "")
    chosen = [each for each in letters if has_reason(each, reason or None)]
    context = {
        "title": "Queue",
        "streams": True,
        "verdict": verdict_of(snapshot),
        "queue": depth,
        "oldest_ms": snapshot.status.seen.oldest_ms,
        "reasons": found.reasons.most_common() if found else [],
        "reason": reason,
        "letters": chosen[:LETTERS_SHOWN],
        "total": len(chosen),
        "read": len(letters),
        "is_whole": found.is_whole if found else True,
        "is_being_read": problem == BEING_READ,
        "problem": problem,
        "body_shown": BODY_SHOWN,
    }
    return Page(200, "queue.html", context)
