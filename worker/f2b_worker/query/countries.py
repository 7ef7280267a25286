"""Where addresses are registered: what is asked of a fleet has an answer without that, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.errors import StartError
from f2b_worker.process.opening import open_countries

if TYPE_CHECKING:
    from f2b_worker.ports import Countries


def countries_if_known() -> Countries | None:
    """Open what the registries say; None where the extra [geo] is not installed."""
    try:
        return open_countries()
    except StartError:
        return None
