"""How commands show what people did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from f2b_worker.cli.show import moment, plain_text, time_object
from f2b_worker.domain.addresses import display

if TYPE_CHECKING:
    from f2b_worker.domain.acts.act import Act

ACT_KEYS = ("time", "time_at", "by", "verb", "what", "count", "jail", "reason", "id")
_SHOWN = 3


def act_object(act: Act) -> dict[str, Any]:
    """Return an act as a JSON object."""
    return {
        **time_object("time", act.at_ms),
        "by": act.by,
        "verb": act.verb.value,
        "what": [display(each) for each in act.what],
        "count": act.count or len(act.what),
        "jail": act.jail or None,
        "reason": act.reason,
        "id": act.id,
    }


def act_row(act: Act) -> tuple[str, ...]:
    """Return an act as cells."""
    named = ", ".join(plain_text(display(each)) for each in act.what[:_SHOWN])
    more = (act.count or len(act.what)) - min(_SHOWN, len(act.what))
    what = f"{named} and {more:,} more" if more > 0 else named
    where = f" in {plain_text(act.jail)}" if act.jail else ""
    return moment(act.at_ms), plain_text(act.by), act.verb.value, what + where, plain_text(act.reason)
