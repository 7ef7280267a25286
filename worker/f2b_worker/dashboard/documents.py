"""What programs read: the numbers of the pages, as JSON."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from f2b_worker.dashboard.asked import WrongQuery
from f2b_worker.dashboard.old_state import OLD_STATE, OldState
from f2b_worker.errors import Unavailable
from f2b_worker.query.search import Search
from f2b_worker.query.selection import SORTS
from f2b_worker.query.series import RANGES, USUAL_RANGE, series_object
from f2b_worker.query.status import status_object

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from f2b_worker.dashboard.asked import Asked
    from f2b_worker.query.following import Snapshot
    from f2b_worker.query.sources import Sources

_SEARCHED = ("q", "note", "jail", "by", "country", "state")


def documents_of(sources: Sources) -> Mapping[str, Callable[[Asked], object]]:
    """Name the documents by their paths; each raises WrongQuery for what is wrong in a query."""
    old_state = OldState(sources)
    return {
        "/status.json": lambda _: _status(sources),
        "/bans.json": partial(_bans, sources),
        "/series.json": partial(_series, sources),
        OLD_STATE: lambda _: _old_state(sources, old_state),
    }


def _known(sources: Sources) -> Snapshot:
    """Answer what is known now, and nothing older: a program does not see that it is old."""
    found = sources.snapshot()
    if found.problem:
        raise Unavailable(found.problem)
    return found


def _status(sources: Sources) -> dict[str, Any]:
    """Tell what `f2b status --json` does, with what the first line of a page says beside that."""
    found = _known(sources)
    if found.rest_problem:
        raise Unavailable(found.rest_problem)
    return status_object(found.status) | {"ok": not found.problems, "problems": found.problems}


def _series(sources: Sources, asked: Asked) -> dict[str, Any]:
    """Tell the numbers over time, by kind and jail."""
    since = asked.query.get("since", USUAL_RANGE)
    if since not in RANGES:
        raise WrongQuery(f"since: must be one of {', '.join(RANGES)}")
    return series_object(sources.series(RANGES[since][0]))


def _old_state(sources: Sources, old_state: OldState) -> dict[str, Any]:
    _known(sources)
    return old_state.document()


def _bans(sources: Sources, asked: Asked) -> dict[str, Any]:
    """List a page of the bans that are looked for, as `f2b list --json` has each."""
    sort = asked.query.get("sort", "until")
    if sort not in SORTS:
        raise WrongQuery(f"sort: must be one of {', '.join(SORTS)}")
    page = asked.query.get("page", "1")
    if not (page.isascii() and page.isdigit() and 0 < len(page) < 9):
        raise WrongQuery("page: must be a number from 1 on")
    _known(sources)
    found = sources.bans(Search(**{name: asked.query.get(name, "") for name in _SEARCHED}), sort, int(page))
    return {
        "bans": [row.as_object() for row in found.rows],
        "total": found.total,
        "page": found.page,
        "pages": found.pages,
        "remark": found.remark or None,
    }
