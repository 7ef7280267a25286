"""How commands show what people did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.domain.addresses import display
from f2b_worker.query.wording import did, moment, plain_text

if TYPE_CHECKING:
    from f2b_worker.domain.acts.act import Act

_SHOWN = 3


def act_row(act: Act) -> tuple[str, ...]:
    """Return an act as cells."""
    named = ", ".join(plain_text(display(each)) for each in act.what[:_SHOWN])
    more = (act.count or len(act.what)) - min(_SHOWN, len(act.what))
    what = f"{named} and {more:,} more" if more > 0 else named
    where = f" in {plain_text(act.jail)}" if act.jail else ""
    return moment(act.at_ms), plain_text(act.by), did(act), what + where, plain_text(act.reason)
