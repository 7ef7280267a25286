"""The words in which JSON Schemas are written here: https://json-schema.org/draft/2020-12/schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Schema: TypeAlias = "dict[str, Any]"

TEXT: Schema = {"type": "string"}
TEXTS: Schema = {"type": "array", "items": TEXT}
YES_OR_NO: Schema = {"type": "boolean"}
WHOLE: Schema = {"type": "integer"}
SECONDS: Schema = {"type": "number", "description": "In seconds."}
MAYBE_TEXT: Schema = {"type": ["string", "null"]}
MAYBE_WHOLE: Schema = {"type": ["integer", "null"]}
MAYBE_SECONDS: Schema = {"type": ["number", "null"], "description": "In seconds; null is for ever."}


def an_object(properties: Mapping[str, Schema]) -> Schema:
    """Describe an object that has all of these keys, and no others."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def many(items: Schema) -> Schema:
    """Describe a list."""
    return {"type": "array", "items": items}


def maybe(schema: Schema) -> Schema:
    """Describe what may be null."""
    return {"anyOf": [schema, {"type": "null"}]}


def by_name(values: Schema) -> Schema:
    """Describe an object whose keys are names."""
    return {"type": "object", "additionalProperties": values}


def time(name: str, what: str, *, null: str = "") -> dict[str, Schema]:
    """Describe a time under its two keys."""
    kind: Any = ["number", "null"] if null else "number"
    text: Any = ["string", "null"] if null else "string"
    told = f"{what}{f'; null: {null}' if null else ''}"
    return {
        name: {"type": kind, "description": f"{told}. In seconds since 1970."},
        f"{name}_at": {"type": text, "format": "date-time", "description": f"{told}. As of RFC 3339."},
    }
