"""The first line of every page: whether it works, and what somebody should see to."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.query.wording import moment

if TYPE_CHECKING:
    from f2b_worker.query.following import Snapshot


class Verdict(NamedTuple):
    """What stands there: `f2b status` says the same."""

    is_ok: bool
    word: str
    text: str
    more: tuple[str, ...] = ()


def verdict_of(snapshot: Snapshot) -> Verdict:
    """Say whether it works.

    What cannot be read now is no reason to say nothing: the page then shows what was known, and since when.
    """
    if snapshot.problem:
        known = f"This page shows what was known at {moment(snapshot.at_ms)}."
        return Verdict(is_ok=False, word="NOT KNOWN", text=snapshot.problem, more=(known,))
    if snapshot.rest_problem:
        return Verdict(is_ok=False, word="NOT KNOWN", text=snapshot.rest_problem, more=(_rest_told(snapshot),))
    problems = snapshot.problems
    if problems:
        return Verdict(is_ok=False, word="NOT OK", text=problems[0], more=tuple(problems[1:]))
    total = sum(snapshot.status.bans.values())
    run = "1 ban runs" if total == 1 else f"{total:,} bans run"
    return Verdict(is_ok=True, word="OK", text=f"{run} in {snapshot.status.ledger}.")


def _rest_told(snapshot: Snapshot) -> str:
    """Say what of a page is of now."""
    if not snapshot.is_rest_known:
        return "Only the bans are known."
    return f"The bans are those of now. The rest was seen at {moment(snapshot.status.now_ms)}."
