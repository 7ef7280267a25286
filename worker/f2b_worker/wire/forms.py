"""The two forms of an infraction as models, and the JSON Schema that is published of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, WithJsonSchema

from f2b_worker.domain.jails import DEFAULT_JAIL, JAIL_NAME
from f2b_worker.wire.values import EARLIEST_MS, ID_LONGEST, LATEST_S, WEIGHT_MAX

VERSION = 1
"""What `v` of a body may be; absent in the simple form, it is this."""

PACK_ITEMS_MAX = 10_000
"""How many infractions a pack or a list may hold."""

NOTE_CHARACTERS_MAX = 200
"""How much of a note is kept."""

_EARLIEST_MS, _LATEST_MS = -(2**53), 2**53

# Read loosely and checked one by one, so that one wrong item costs the others nothing; published strictly.
_AddressText = Annotated[Any, WithJsonSchema({"type": "string", "description": "IPv4 or IPv6 address"})]
_JailText = Annotated[Any, WithJsonSchema({"type": "string", "pattern": f"^{JAIL_NAME.pattern}$"})]
_Index = Annotated[Any, WithJsonSchema({"type": "integer", "minimum": 0})]
_Note = Annotated[Any, WithJsonSchema({"type": "string", "maxLength": NOTE_CHARACTERS_MAX})]
_Notes = Annotated[Any, WithJsonSchema({"type": "object", "additionalProperties": {"type": "string"}})]
_Id = Annotated[
    Any,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1, "maxLength": ID_LONGEST},
                # Its text is the name, sign included.
                {
                    "type": "number",
                    "exclusiveMinimum": -(10 ** (ID_LONGEST - 1)),
                    "exclusiveMaximum": 10**ID_LONGEST,
                },
                {"type": "null"},
            ]
        }
    ),
]
_Weight = Annotated[Any, WithJsonSchema({"type": "integer", "minimum": 1, "maximum": WEIGHT_MAX})]
_Reporter = Annotated[Any, WithJsonSchema({"type": "string", "pattern": f"^{JAIL_NAME.pattern}$"})]
_Seconds = {"type": "number", "minimum": EARLIEST_MS // 1000 + 1, "maximum": LATEST_S - 1}
_At = Annotated[Any, WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, _Seconds]})]


class Simple(BaseModel):
    """One infraction: the form for any language and for the command line."""

    model_config = ConfigDict(extra="ignore", title="Infraction")

    v: Literal[1] = 1
    ip: _AddressText
    jail: _JailText = DEFAULT_JAIL
    at: _At = None
    id: _Id = None
    note: _Note = None
    weight: _Weight = 1
    reporter: _Reporter = None


class Pack(BaseModel):
    """Many infractions as columns: what the producer and the shim send."""

    model_config = ConfigDict(extra="ignore", strict=True, title="Pack")

    v: Literal[1]
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
    t0_ms: Annotated[int, Field(ge=_EARLIEST_MS, le=_LATEST_MS)]
    dt_ms: Annotated[
        list[Annotated[int, Field(ge=_EARLIEST_MS, le=_LATEST_MS)]],
        Field(min_length=1, max_length=PACK_ITEMS_MAX),
    ]
    ip: list[_AddressText]
    of: list[_Index] | None = None
    jail: list[_JailText] | None = None
    in_: Annotated[list[_Index] | None, Field(alias="in")] = None
    note: _Notes = None
    weight: list[_Weight] | None = None
    ids: list[_Id] | None = None
    reporter: _Reporter = None


def schema() -> dict[str, Any]:
    """Return the JSON Schema of both forms."""
    adapter: TypeAdapter[Any] = TypeAdapter(
        Pack | Simple | Annotated[list[Simple], Field(min_length=1, max_length=PACK_ITEMS_MAX)]
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "f2b message body, version 1",
    } | (adapter.json_schema())
