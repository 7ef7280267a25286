"""The wire format, version 1: a message body in, infractions out. docs/wire.md describes it for people.

Reading is forgiving where nothing is lost by it: unknown keys are ignored, and an infraction that is wrong
inside a good message is set aside alone. `python -m f2b_worker.wire` prints the JSON Schema.
"""

from __future__ import annotations

import json
import math
import re
import secrets
import sys
from datetime import datetime
from hashlib import blake2b
from itertools import accumulate, pairwise, repeat
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, WithJsonSchema
from pydantic_core import from_json

from f2b_worker.domain.addresses import BOM
from f2b_worker.domain.jails import DEFAULT_JAIL, FOREVER_MS, JAIL_NAME, JAIL_NAME_RULE
from f2b_worker.domain.judge.infractions import Infraction, Reason, Refusal, simple_item

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

VERSION = 1
PACK_ITEMS_MAX = 10_000
NOTE_CHARACTERS_MAX = 200
WEIGHT_MAX = 1000
_NUMBER = re.compile(r"\s*[0-9]{1,40}(\.[0-9]*)?\s*")
_LEAP_SECOND = re.compile(r"(T\d\d:\d\d):60")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
# Every escape of JSON is found whole, so that neither half of a pair, nor a "u" behind an escaped backslash, is
# taken for a half alone.
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u(?P<half>[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_ID_CHARACTERS_MAX = 16  # longer ids are hashed: the ledger keeps one with each hit
_ID_LONGEST = 64
_EARLIEST_MS, _LATEST_MS = -(2**53), 2**53
_LATEST_S = FOREVER_MS // 1000  # what is later was meant in a smaller unit
_SMALLER_UNITS = (("milliseconds", 10**3), ("microseconds", 10**6), ("nanoseconds", 10**9))
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")

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
                {"type": "string", "minLength": 1, "maxLength": _ID_LONGEST},
                {"type": "number"},
                {"type": "null"},
            ]
        }
    ),
]
_Weight = Annotated[Any, WithJsonSchema({"type": "integer", "minimum": 1, "maximum": WEIGHT_MAX})]
_At = Annotated[Any, WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "number"}]})]


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


class Body(NamedTuple):
    """A message body as read: what can be judged, and what was set aside."""

    infractions: list[Infraction]
    refused: list[Refusal]


class UnreadableError(ValueError):
    """Nothing in the message can be used; it belongs into the dead-letter queue as it is.

    Attributes:
        reason: The counter's label.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def read_body(body: str, *, message_id: str, sent_at_ms: int) -> Body:
    """Read one message body of either form.

    Args:
        body: The text of the message.
        message_id: Names infractions without an id of their own: a redelivery has the same one.
        sent_at_ms: The time of infractions that carry none.

    Raises:
        UnreadableError: If nothing in it can be used.
    """
    try:
        data = parse_json(body)
    except (ValueError, TypeError) as error:
        raise UnreadableError(Reason.NOT_JSON, f"not JSON: {error}") from None
    if isinstance(data, dict):
        if data.get("v", VERSION) != VERSION or isinstance(data.get("v"), bool):
            shown = ascii(data["v"])[:40]
            raise UnreadableError(Reason.UNKNOWN_VERSION, f"version {shown} is not known; this worker reads 1")
        if "dt_ms" in data or isinstance(data.get("ip"), list):
            return _read_pack(data)
        data = [data]
    if not isinstance(data, list):
        raise UnreadableError(Reason.BAD_SHAPE, "an infraction is a JSON object, or a list of such objects")
    if not data:
        raise UnreadableError(Reason.EMPTY, "the list is empty")
    if len(data) > PACK_ITEMS_MAX:
        detail = f"a list holds {PACK_ITEMS_MAX:,} infractions at most, this one {len(data):,}: send several"
        raise UnreadableError(Reason.BAD_SHAPE, detail)
    return _sorted_by_use(
        read_simple(item, f"{message_id}.{place}", sent_at_ms) for place, item in enumerate(data)
    )


def parse_json(text: str | bytes) -> Any:
    """Parse JSON, which may begin with a BOM, and in which half a surrogate pair stands for U+FFFD.

    Programs that cut text to a length make such halves; one in a note must not cost a whole list.

    Raises:
        ValueError, TypeError: If it is no JSON.
    """
    try:
        return from_json(text, allow_inf_nan=False)
    except (ValueError, TypeError):
        whole = _decoded(text) if isinstance(text, bytes) else text
        mended = whole.lstrip().removeprefix(BOM)
        mended = _LONE_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", mended)
        mended = _ESCAPE.sub(lambda escape: r"\ufffd" if escape["half"] else escape[0], mended)
        if mended == whole:
            raise
        return from_json(mended, allow_inf_nan=False)


def _decoded(text: bytes) -> str:
    if text.startswith(_UTF_16):
        raise ValueError("it is UTF-16: send UTF-8")
    return text.decode()


def _sorted_by_use(read: Iterator[Infraction | Refusal]) -> Body:
    body = Body([], [])
    for one in read:
        if isinstance(one, Refusal):
            body.refused.append(one)
        else:
            body.infractions.append(one)
    return body


def read_simple(item: object, fallback_id: str, sent_at_ms: int) -> Infraction | Refusal:
    """Read one infraction of the simple form; *fallback_id* and *sent_at_ms* stand in for what it leaves out."""
    if not isinstance(item, dict):
        return Refusal(Reason.BAD_SHAPE, "an infraction is a JSON object with at least an ip", item)
    if "ip" not in item:
        return Refusal(Reason.NO_IP, "the infraction has no ip", item)
    try:
        simple = Simple.model_validate(item)
    except ValidationError as error:
        return Refusal(Reason.BAD_SHAPE, _first_error(error), item)
    try:
        item_id = fallback_id if simple.id is None else read_id(simple.id)
    except ValueError as error:
        return Refusal(Reason.BAD_SHAPE, str(error), item)
    try:
        at_ms = sent_at_ms if simple.at is None else read_time_ms(simple.at)
    except ValueError as error:
        # 1e999 is read as infinity, which JSON cannot hold.
        return Refusal(Reason.BAD_TIME, str(error), item | {"at": simple.at if _finite(simple.at) else "inf"})
    raw = _Raw(simple.ip, simple.jail, at_ms, item_id, simple.note)
    return _checked(raw, simple.weight, item)


def _finite(at: object) -> bool:
    return not isinstance(at, float) or math.isfinite(at)


def read_time_ms(at: object) -> int:
    """Read a time, RFC 3339 with a zone or epoch seconds, into epoch milliseconds.

    Raises:
        ValueError: Saying what is wrong with it.
    """
    if isinstance(at, str):
        try:
            # RFC 3339 allows a lower-case z and the leap second, which datetime does not know.
            moment = datetime.fromisoformat(_LEAP_SECOND.sub(r"\1:59", at.upper()))
        except ValueError:
            raise ValueError(f"at: {at[:40]!a} is neither RFC 3339 nor epoch seconds{_quotes_hint(at)}") from None
        if moment.tzinfo is None:
            raise ValueError(f"at: {at[:40]!a} has no zone; add Z or an offset{_quotes_hint(at)}")
        return round(moment.timestamp() * 1000)
    if isinstance(at, bool) or not isinstance(at, (int, float)):
        raise ValueError(f"at: {ascii(at)[:40]} is neither RFC 3339 nor epoch seconds")  # noqa: TRY004
    if not _EARLIEST_MS <= at * 1000 < FOREVER_MS:
        raise ValueError(f"at: {ascii(at)[:40]} is no time in epoch seconds{_unit_hint(at)}")
    return round(at * 1000)


def _unit_hint(at: float) -> str:
    """Name the smaller unit in which a time was given that is too late in seconds; nothing for other numbers."""
    if at < _LATEST_S:
        return ""
    units = (f"; it is in {name}: divide it by {each:,}" for name, each in _SMALLER_UNITS if at < _LATEST_S * each)
    return next(units, "")


def _quotes_hint(at: str) -> str:
    """Say that a number stands in quotes; nothing for other texts."""
    if not _NUMBER.fullmatch(at):
        return ""
    return f"; it is a number in quotes: leave the quotes out{_unit_hint(float(at))}"


def read_id(given: object) -> str:
    """Read what names an infraction; a number is its text.

    Raises:
        ValueError: Saying what is wrong with it.
    """
    if isinstance(given, float) and given.is_integer():
        given = int(given)  # to JSON, 66.0 is 66
    is_number = isinstance(given, (int, float)) and not isinstance(given, bool) and _finite(given)
    text = str(given) if is_number else given
    if not isinstance(text, str) or not 1 <= len(text) <= _ID_LONGEST:
        raise ValueError(f"id: {ascii(given)[:40]} is neither 1-{_ID_LONGEST} characters nor a number")
    return text


def read_weight(weight: object) -> int:
    """Read for how many infractions one counts.

    Raises:
        ValueError: Saying what is wrong with it.
    """
    if type(weight) is not int or not 1 <= weight <= WEIGHT_MAX:  # a bool is no number here
        raise ValueError(f"weight: {ascii(weight)[:40]} is no whole number from 1 to {WEIGHT_MAX}")
    return weight


class _Raw(NamedTuple):
    """An infraction whose text columns nobody has looked at."""

    ip: object
    jail: object
    at_ms: int
    id: str
    note: object


def _checked(raw: _Raw, weight: object, item: object) -> Infraction | Refusal:
    if not isinstance(raw.ip, str):
        return Refusal(Reason.BAD_ADDRESS, f"ip: {ascii(raw.ip)[:60]} is no text", item)
    if not isinstance(raw.jail, str) or not JAIL_NAME.fullmatch(raw.jail):
        detail = f"jail: {ascii(raw.jail)[:70]} is not {JAIL_NAME_RULE}"
        return Refusal(Reason.BAD_JAIL, detail, item)
    note = raw.note[:NOTE_CHARACTERS_MAX] if isinstance(raw.note, str) else None
    try:
        return Infraction(raw.ip, raw.jail, raw.at_ms, _short(raw.id), note, read_weight(weight))
    except ValueError as error:
        return Refusal(Reason.BAD_WEIGHT, str(error), item)


def _short(item_id: str) -> str:
    if len(item_id) <= _ID_CHARACTERS_MAX:
        return item_id
    return blake2b(item_id.encode(), digest_size=_ID_CHARACTERS_MAX // 2).hexdigest()


def _first_error(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}"


def _read_pack(data: dict[str, Any]) -> Body:
    try:
        pack = Pack.model_validate(data)
    except ValidationError as error:
        empty = data.get("dt_ms") == []
        raise UnreadableError(Reason.EMPTY if empty else Reason.BAD_SHAPE, _first_error(error)) from None
    clean = _read_clean(pack)
    return Body(clean, []) if clean is not None else _sorted_by_use(_read_packed(pack))


def _read_clean(pack: Pack) -> list[Infraction] | None:
    """Read a pack in which every cell is right, as nearly all are: a column at a time, in a fifth of the time.

    None if any cell is wrong, and for packs with notes or weights.
    """
    if pack.note or pack.weight is not None:
        return None
    number = len(pack.dt_ms)
    ips = _picked(pack.ip, pack.of, number)
    jails = _picked(pack.jail or [DEFAULT_JAIL], [0] * number if pack.in_ is None else pack.in_, number)
    if ips is None or jails is None or not all(map(JAIL_NAME.fullmatch, set(jails))):
        return None
    moments_ms = accumulate(pack.dt_ms, initial=pack.t0_ms)
    next(moments_ms)
    ids = [f"{pack.id}.{index}" for index in range(number)]
    if len(ids[-1]) > _ID_CHARACTERS_MAX:
        ids = list(map(_short, ids))
    rest = repeat(None), repeat(1)
    return list(map(Infraction._make, zip(ips, jails, moments_ms, ids, *rest, strict=False)))


def _picked(texts: Sequence[Any], indices: Sequence[Any] | None, number: int) -> list[str] | None:
    """Look up a whole column of texts; None if any cell is not there or no text."""
    if set(map(type, texts)) != {str}:
        return None
    if indices is None:
        return list(texts) if len(texts) == number else None
    if (
        len(indices) != number
        or set(map(type, indices)) != {int}
        or not 0 <= min(indices) <= max(indices) < len(texts)
    ):
        return None
    return [texts[index] for index in indices]


def _read_packed(pack: Pack) -> Iterator[Infraction | Refusal]:
    moments_ms = accumulate(pack.dt_ms, initial=pack.t0_ms)
    next(moments_ms)
    jails = pack.jail or [DEFAULT_JAIL]
    notes = pack.note if isinstance(pack.note, dict) else {}
    weights = pack.weight
    for index, at_ms in enumerate(moments_ms):
        ip = _cell(pack.ip, index if pack.of is None else _cell(pack.of, index))
        jail = _cell(jails, 0 if pack.in_ is None else _cell(pack.in_, index))
        note = notes.get(str(index)) if notes else None
        weight = 1 if weights is None else _cell(weights, index)
        item_id = f"{pack.id}.{index}"
        item = simple_item(ip, jail, at_ms, item_id, note=note, weight=weight)
        if ip is None:
            yield Refusal(Reason.NO_IP, f"infraction {index} of the pack has no ip", item)
        else:
            yield _checked(_Raw(ip, jail, at_ms, item_id, note), weight, item)


def _cell(column: Sequence[Any], index: object) -> Any:
    """Look one cell up; None for whatever is no place in the column."""
    if isinstance(index, int) and not isinstance(index, bool) and 0 <= index < len(column):
        return column[index]
    return None


def write_pack(
    infractions: Sequence[tuple[str, str, int]],
    *,
    notes: Mapping[int, str] | None = None,
    weights: Sequence[int] | None = None,
) -> str:
    """Write (ip, jail, at_ms) infractions as one pack with a new random id.

    Args:
        infractions: At least one.
        notes: By place among them.
        weights: One for each of them; all 1 by default.
    """
    ips = _places(ip for ip, _, _ in infractions)
    jails = _places(jail for _, jail, _ in infractions)
    moments_ms = [at_ms for _, _, at_ms in infractions]
    pack: dict[str, object] = {
        "v": VERSION,
        "id": secrets.token_urlsafe(9),
        "t0_ms": moments_ms[0],
        "dt_ms": [0, *(later - earlier for earlier, later in pairwise(moments_ms))],
        "ip": list(ips),
    }
    if len(ips) < len(infractions):
        pack["of"] = [ips[ip] for ip, _, _ in infractions]
    if list(jails) != [DEFAULT_JAIL]:
        pack["jail"] = list(jails)
    if len(jails) > 1:
        pack["in"] = [jails[jail] for _, jail, _ in infractions]
    if notes:
        pack["note"] = {str(place): note for place, note in notes.items()}
    if weights is not None:
        pack["weight"] = list(weights)
    return json.dumps(pack, separators=(",", ":"))


def _places(texts: Iterable[str]) -> dict[str, int]:
    """Number the distinct texts in the order of their first appearance."""
    return {text: place for place, text in enumerate(dict.fromkeys(texts))}


def schema() -> dict[str, Any]:
    """Return the JSON Schema of both forms."""
    adapter: TypeAdapter[Any] = TypeAdapter(
        Pack | Simple | Annotated[list[Simple], Field(min_length=1, max_length=PACK_ITEMS_MAX)]
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "f2b message body, version 1",
    } | (adapter.json_schema())


if __name__ == "__main__":
    sys.stdout.write(json.dumps(schema(), indent=2) + "\n")
