"""A message body in, infractions out.

Reading is forgiving where nothing is lost by it: unknown keys are ignored, and an infraction that is wrong
inside a good message is set aside alone.
"""

from __future__ import annotations

from hashlib import blake2b
from itertools import accumulate, repeat
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from f2b_worker.domain.jails import DEFAULT_JAIL, JAIL_NAME, JAIL_NAME_RULE
from f2b_worker.domain.judge.infractions import (
    REPORTED_BY,
    REPORTER_CHARACTERS_MAX,
    Infraction,
    Reason,
    Refusal,
    simple_item,
)
from f2b_worker.wire.envelopes import EnvelopeError, unwrap
from f2b_worker.wire.forms import NOTE_CHARACTERS_MAX, PACK_ITEMS_MAX, VERSION, Pack, Simple
from f2b_worker.wire.texts import parse_body
from f2b_worker.wire.values import ID_LONGEST, read_id, read_time_ms, read_weight, start_hint

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_ID_CHARACTERS_MAX = 16  # longer ids are hashed, as others of more bytes are: the ledger keeps one with each hit


class Body(NamedTuple):
    """A message body as read: what can be judged, what was set aside, and who reported it, or ""."""

    infractions: list[Infraction]
    refused: list[Refusal]
    reporter: str = ""


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
        data = unwrap(parse_body(body))
    except EnvelopeError as error:
        raise UnreadableError(Reason.ENVELOPE, str(error)) from None
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
    if not isinstance(item, dict) or "ip" not in item:
        inside = take_out(item)
        return inside if isinstance(inside, Refusal) else read_simple(inside, fallback_id, sent_at_ms)
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
        return Refusal(Reason.BAD_TIME, str(error), item)
    raw = _Raw(simple.ip, simple.jail, at_ms, item_id, simple.note, _reporter(simple.reporter))
    return _checked(raw, simple.weight, item)


def take_out(item: object) -> dict[str, Any] | Refusal:
    """Take the one infraction out of an envelope that is one item among others, a text of JSON for instance."""
    try:
        inside = unwrap(item)
    except EnvelopeError as error:
        return Refusal(Reason.ENVELOPE, str(error), item)
    if inside is item:
        return _no_infraction(item)
    if isinstance(inside, dict) and not isinstance(inside.get("ip", []), list):
        return inside
    detail = "an envelope with several infractions among others: send it as a message of its own"
    return Refusal(Reason.ENVELOPE, detail, item)


def _no_infraction(item: object) -> Refusal:
    if isinstance(item, dict):
        return Refusal(Reason.NO_IP, "the infraction has no ip", item)
    shown = ascii(item)[:40]
    return Refusal(Reason.BAD_SHAPE, f'{shown} is no infraction: send an object, {{"ip": "203.0.113.7"}}', item)


class _Raw(NamedTuple):
    """An infraction whose text columns nobody has looked at."""

    ip: object
    jail: object
    at_ms: int
    id: str
    note: object
    reporter: str


def _checked(raw: _Raw, weight: object, item: object) -> Infraction | Refusal:
    if not isinstance(raw.ip, str):
        return Refusal(Reason.BAD_ADDRESS, f"ip: {ascii(raw.ip)[:60]} is no text", item)
    if not isinstance(raw.jail, str) or not JAIL_NAME.fullmatch(raw.jail):
        return wrong_jail(raw.jail, item)
    note = raw.note[:NOTE_CHARACTERS_MAX] if isinstance(raw.note, str) else None
    try:
        item_id = _short(raw.id) + _suffix(raw.reporter)
        return Infraction(raw.ip, raw.jail, raw.at_ms, item_id, note, read_weight(weight))
    except ValueError as error:
        return Refusal(Reason.BAD_WEIGHT, str(error), item)


def wrong_jail(jail: object, item: object) -> Refusal:
    """Say of what stands in a jail's place that it names none."""
    return Refusal(Reason.BAD_JAIL, f"jail: {ascii(jail)[:70]} is not {JAIL_NAME_RULE}", item)


def _short(item_id: str) -> str:
    if len(item_id) <= _ID_CHARACTERS_MAX and item_id.isascii() and REPORTED_BY not in item_id:
        return item_id
    return blake2b(item_id.encode(), digest_size=_ID_CHARACTERS_MAX // 2).hexdigest()


def _suffix(reporter: str) -> str:
    if len(reporter) > REPORTER_CHARACTERS_MAX:
        # The end of a pod's name tells it from others, and so does the first part of a machine's.
        reporter = reporter.partition(".")[0][-REPORTER_CHARACTERS_MAX:]
    return f"{REPORTED_BY}{reporter}" if reporter else ""


def _first_error(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}"


def _read_pack(data: dict[str, Any]) -> Body:
    try:
        pack = Pack.model_validate(data)
    except ValidationError as error:
        empty = data.get("dt_ms") == []
        detail = _first_error(error)
        if detail.startswith("t0_ms:"):
            detail += start_hint(data.get("t0_ms"))
        raise UnreadableError(Reason.EMPTY if empty else Reason.BAD_SHAPE, detail) from None
    reporter = _reporter(pack.reporter)
    clean = _read_clean(pack, reporter)
    body = Body(clean, []) if clean is not None else _sorted_by_use(_read_packed(pack, reporter))
    return body._replace(reporter=reporter)


def _reporter(said: object) -> str:
    """Read who reports; it is told to people and never judged, so that what is no name is none."""
    return said if isinstance(said, str) and JAIL_NAME.fullmatch(said) else ""


def _read_clean(pack: Pack, reporter: str) -> list[Infraction] | None:
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
    ids = [f"{pack.id}.{index}" for index in range(number)] if pack.ids is None else _named(pack, number)
    if ids is None:
        return None
    if pack.ids is not None or len(ids[-1]) > _ID_CHARACTERS_MAX:
        ids = list(map(_short, ids))
    if suffix := _suffix(reporter):
        ids = [each + suffix for each in ids]
    rest = repeat(None), repeat(1)
    return list(map(Infraction._make, zip(ips, jails, moments_ms, ids, *rest, strict=False)))


def _named(pack: Pack, number: int) -> list[str] | None:
    """Take the names that the infractions of a pack have of their own; None if any is wrong."""
    given = pack.ids or []
    if len(given) != number or not all(each is None or _is_id(each) for each in given):
        return None
    return [f"{pack.id}.{index}" if each is None else each for index, each in enumerate(given)]


def _is_id(given: object) -> bool:
    return type(given) is str and 1 <= len(given) <= ID_LONGEST


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


def _read_packed(pack: Pack, reporter: str) -> Iterator[Infraction | Refusal]:
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
        given = None if pack.ids is None else _cell(pack.ids, index)
        item = simple_item(ip, jail, at_ms, item_id, note=note, weight=weight, reporter=reporter)
        try:
            item_id = item_id if given is None else read_id(given)
        except ValueError as error:
            yield Refusal(Reason.BAD_SHAPE, str(error), item | {"id": given})
            continue
        item["id"] = item_id
        if ip is None:
            yield Refusal(Reason.NO_IP, f"infraction {index} of the pack has no ip", item)
        else:
            yield _checked(_Raw(ip, jail, at_ms, item_id, note, reporter), weight, item)


def _cell(column: Sequence[Any], index: object) -> Any:
    """Look one cell up; None for whatever is no place in the column."""
    if isinstance(index, int) and not isinstance(index, bool) and 0 <= index < len(column):
        return column[index]
    return None
