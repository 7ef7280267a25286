"""Infractions inside the envelopes that services of AWS put around what they pass on.

https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html,
https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html and
https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html say what they look like.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from f2b_worker.wire.texts import parse_body
from f2b_worker.wire.values import ID_LONGEST, read_time_ms

ENVELOPES_MAX = 5
"""How many envelopes may lie one inside the other."""

_PLACE_CHARACTERS = len(".99999")
_RAW = "with raw message delivery enabled the subscription needs no envelope"


class EnvelopeError(ValueError):
    """A message of another service in which there is no infraction; the text says which, and what to do."""


class _Opened(NamedTuple):
    """What was in an envelope, what the envelope is called, and its time and id as it says them."""

    data: object
    name: str
    at: object = None
    id: object = None


def unwrap(data: object) -> object:
    """Take an infraction, a list of them or a pack out of the envelopes around it.

    An infraction without a time has that of the innermost envelope, one without an id the envelope's id and its
    place: a notification that comes twice is the same infraction. What is in no envelope is returned as it is.

    Raises:
        EnvelopeError: If there is an envelope, and no infraction in it.
    """
    opened = _open(data)
    if opened is None:
        return data
    at_ms: int | None = None
    name: str | None = None
    for _ in range(ENVELOPES_MAX):
        at_ms = _time_ms(opened.at, at_ms)
        name = _name(opened.id, name)
        further = _open(opened.data)
        if further is None:
            return _named(_checked(opened), at_ms, name)
        opened = further
    raise EnvelopeError(f"more than {ENVELOPES_MAX} envelopes one inside the other: send what is inside")


def _open(data: object) -> _Opened | None:
    """Open one envelope; None if *data* is none."""
    if isinstance(data, str):
        return _opened_text(data)
    if not isinstance(data, dict) or "ip" in data or "dt_ms" in data:
        return None
    if isinstance(data.get("TopicArn"), str) and isinstance(data.get("Message"), str):
        return _opened_notification(data)
    if isinstance(data.get("detail-type"), str) and "detail" in data:
        return _Opened(data["detail"], "an EventBridge event", data.get("time"), data.get("id"))
    _refuse_others(data)
    return None


def _opened_text(text: str) -> _Opened | None:
    """Open JSON that was written as JSON a second time, or as base64."""
    data = _in_text(text)
    return _Opened(data, "a text in quotes") if isinstance(data, (dict, list)) else None


def _in_text(text: str) -> object:
    try:
        return parse_body(text)
    except (ValueError, TypeError):
        return text


def _opened_notification(data: dict[str, Any]) -> _Opened:
    kind = data.get("Type", "Notification")
    if kind == "Notification":
        return _Opened(
            _in_text(data["Message"]), "an SNS notification", data.get("Timestamp"), data.get("MessageId")
        )
    raise EnvelopeError(
        f"an SNS message of type {ascii(kind)[:40]}, no infraction: confirm the subscription once, with the"
        " SubscribeURL in it"
    )


def _refuse_others(data: dict[str, Any]) -> None:
    if data.get("Event") == "s3:TestEvent":
        raise EnvelopeError(f"a test message of S3, no infraction: {_FROM_BUCKET}")
    records = data.get("Records")
    if isinstance(records, list) and records and isinstance(records[0], dict):
        source = records[0].get("eventSource", records[0].get("EventSource"))
        remedy = _FROM_BUCKET if source == "aws:s3" else "send what is in each of the records"
        raise EnvelopeError(f"records of {ascii(source)[:40]}, no infraction: {remedy}")


_FROM_BUCKET = "take this queue out of the bucket's event notifications"


def _checked(opened: _Opened) -> dict[str, Any] | list[Any]:
    data = opened.data
    if isinstance(data, list) or (isinstance(data, dict) and ("ip" in data or "dt_ms" in data)):
        return data
    what = "has no ip" if isinstance(data, dict) else "is neither a JSON object nor a list"
    remedy = f": publish infractions as JSON; {_RAW}" if "SNS" in opened.name else ": send infractions as JSON"
    raise EnvelopeError(f"{opened.name}, and what is in it {what}{remedy}")


def _time_ms(at: object, otherwise_ms: int | None) -> int | None:
    try:
        return otherwise_ms if at is None else read_time_ms(at)
    except ValueError:
        return otherwise_ms  # the infraction is judged, at the time of the next envelope or of the message


def _name(given: object, otherwise: str | None) -> str | None:
    fits = isinstance(given, str) and 0 < len(given) <= ID_LONGEST - _PLACE_CHARACTERS
    return str(given) if fits else otherwise


def _named(data: dict[str, Any] | list[Any], at_ms: int | None, name: str | None) -> object:
    """Give each infraction of the simple form the time and the id that it lacks; a pack has its own."""
    if isinstance(data, list):
        return [_completed(item, at_ms, name, place) for place, item in enumerate(data)]
    return data if "dt_ms" in data else _completed(data, at_ms, name, 0)


def _completed(item: object, at_ms: int | None, name: str | None, place: int) -> object:
    if not isinstance(item, dict):
        return item
    lacking: dict[str, object] = {}
    if at_ms is not None and item.get("at") is None:
        lacking["at"] = at_ms / 1000
    if name is not None and item.get("id") is None:
        lacking["id"] = f"{name}.{place}"
    return item | lacking
