"""Whether pages can say in which country an address is registered."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from f2b_worker.query.countries import countries_if_known

if TYPE_CHECKING:
    from typing import Any


@cache
def knows_countries() -> bool:
    """Tell whether the extra [geo] is installed."""
    return countries_if_known() is not None


def countries_shown(are_known: bool) -> dict[str, Any]:  # noqa: FBT001 - it is what it is about
    """Return what templates need to know: the footer names the source of what is shown, as its licence asks."""
    return {"has_countries": are_known} | ({"countries": True} if are_known else {})
