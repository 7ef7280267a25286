"""What is wrong with a value of a setting or of the jails file, in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.domain.jails import JAIL_NAME_RULE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic_core import ErrorDetails

_TO = 'write to = "sns", "eventbridge", "webhook", "command" or "apprise"'
_BY_TYPE = {
    "missing": "is missing",
    "string_type": "must be text, in quotes",
    "finite_number": "must be a finite number",
    "too_short": "must name one at least",
    "greater_than": "must be more than {gt:.15g}",
    "greater_than_equal": "must be {ge:.15g} or more",
    "less_than": "must be less than {lt:.15g}",
    "less_than_equal": "must be {le:.15g} or less",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "union_tag_not_found": "to: is missing: " + _TO,
    "union_tag_invalid": "to: " + _TO,
    "string_pattern_mismatch": f"must be a name: {JAIL_NAME_RULE}",
}
_BY_KIND = {
    "int": "must be a whole number",
    "float": "must be a number",
    "bool": "must be true or false",
    "tuple": "must be a list, in [ ]",
    "list": "must be a list, in [ ]",
}


def line(place: Iterable[int | str], text: str) -> str:
    """Begin a line with the place in the file that it is about."""
    return f"{'.'.join(str(part) for part in place if part != '[key]')}: {text}"


def plain(error: ErrorDetails) -> str:
    """Say in plain words what a value must be.

    The value itself is not in the words: it may be a token.
    """
    kind = error["type"]
    if kind in _BY_TYPE:
        return _BY_TYPE[kind].format_map(error.get("ctx", {}))
    if kind in {"dict_type", "model_type"}:
        return "must be a table" + _begun_with(error["loc"])
    return _BY_KIND.get(kind.split("_")[0], error["msg"].removeprefix("Value error, "))


def _begun_with(place: tuple[int | str, ...]) -> str:
    names = [part for part in place if isinstance(part, str)]
    return f": begin it with [{'.'.join(names)}]" if len(names) == len(place) else ""
