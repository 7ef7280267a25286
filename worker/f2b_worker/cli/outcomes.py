"""How commands show what became of each thing that they were asked to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.acting.outcomes import KEYS
from f2b_worker.cli.output import TABLE, Listing, columns, remark, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from f2b_worker.acting.outcomes import Outcome
    from f2b_worker.domain.acts.act import Act


def show_outcomes(outcomes: Sequence[Outcome], act: Act | None, form: str, *, done: str) -> bool:
    """Print what became of each thing, what was refused beside it; answer whether nothing was.

    Args:
        outcomes: What became of each.
        act: As what the audit remembers it; None of a dry run.
        form: How to print.
        done: What the outcomes that count are called: their number is said.
    """
    table = [("ADDRESS", "JAIL", "OUTCOME", "UNTIL"), *(each.as_row() for each in outcomes)]
    more = {"act": act.id if act else None, done: sum(each.outcome == done for each in outcomes)}
    show(Listing("outcomes", [each.as_object() for each in outcomes], columns(table), "ip", KEYS, more), form)
    for each in outcomes:
        if each.why and (each.is_no or form == TABLE):
            remark(f"{each.shown}: {each.why}")
    return not any(each.is_no for each in outcomes)
