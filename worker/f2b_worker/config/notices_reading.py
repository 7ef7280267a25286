"""Reading `[notices]` of the jails file; a file that has none does not wait for its models: 30 ms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from f2b_worker.config.jails_schema import did_you_mean
from f2b_worker.config.notices_schema import BY_KIND, NoticesTable, TargetTable, as_notices
from f2b_worker.config.wording import line, plain

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from f2b_worker.config.notices import Notices


def read_notices(table: dict[str, Any]) -> tuple[Notices | None, list[str]]:
    """Read it; answer None if it names no target, and a line for each thing that is wrong."""
    try:
        read = NoticesTable.model_validate(table)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)
        return None, [line(("notices", *_as_in_file(one["loc"])), _message(one)) for one in wrong]
    return as_notices(read) if read.targets else None, []


def _as_in_file(place: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Leave out of a place what only the models have: the table of targets, and the kind of each."""
    if place[:1] != ("targets",):
        return place
    kind = place[2:3]
    return (*place[1:2], *(place[3:] if kind and kind[0] in BY_KIND else kind))


def _message(one: ErrorDetails) -> str:
    return _no_such_key(one["loc"]) if one["type"] == "extra_forbidden" else plain(one)


def _no_such_key(place: tuple[int | str, ...]) -> str:
    key = str(place[-1])
    model = BY_KIND.get(str(place[2]), TargetTable) if len(place) > 2 else NoticesTable
    hint = did_you_mean(key, [name for name in model.model_fields if name != "targets"])
    if model is NoticesTable and not hint:
        return f"no such key; a target is written as [notices.{key}]"
    return "no such key" + hint
