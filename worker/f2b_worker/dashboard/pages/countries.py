"""Whether pages can say in which country an address is registered."""

from __future__ import annotations

from functools import cache

from f2b_worker.query.countries import countries_if_known


@cache
def knows_countries() -> bool:
    """Tell whether the extra [geo] is installed."""
    return countries_if_known() is not None
