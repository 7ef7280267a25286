"""The body of a POST: one infraction, a list, or one a line; each is read for itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from f2b_worker.domain.addresses import BOM, plain_address
from f2b_worker.domain.judge.infractions import Infraction, Reason, Refusal
from f2b_worker.domain.judge.sorting import FUTURE_ALLOWED_MS
from f2b_worker.shim.packing import PACK_BYTES_MAX, size_bytes
from f2b_worker.wire import EnvelopeError, parse_body, read_simple, take_out, unwrap

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LINES = (b"ndjson", b"jsonl", b"json-seq")
_BOM = BOM.encode()
CHUNK_ITEMS_MAX = 1_000


class Placed(NamedTuple):
    """An infraction and its place in the request."""

    place: int
    infraction: Infraction


@dataclass(slots=True)
class Items:
    """A request body, as far as it was read.

    Attributes:
        good: What can be stored.
        bad: What cannot, by its place.
    """

    good: list[Placed] = field(default_factory=list)
    bad: dict[int, Refusal] = field(default_factory=dict)

    @property
    def number(self) -> int:
        """How many items there are."""
        return len(self.good) + len(self.bad)


def read_items(items: Items, documents: Sequence[object], *, jail: str | None, now_ms: int) -> None:
    """Read more documents of the same request into *items*.

    Args:
        items: What was read of it so far.
        documents: The next of them, in their order.
        jail: For infractions that name none.
        now_ms: For infractions that carry no time, and the measure of times that lie ahead.
    """
    for index, document in enumerate(documents, items.number):
        is_read = not isinstance(document, Refusal)
        one = read_infraction(document, jail=jail, now_ms=now_ms) if is_read else document
        if isinstance(one, Infraction):
            items.good.append(Placed(index, one))
        elif isinstance(one, Refusal):
            items.bad[index] = one


def read_infraction(item: object, *, jail: str | None, now_ms: int) -> Infraction | Refusal:
    """Read one infraction, as strictly as the worker that will judge it; 3.0 is a whole number here."""
    if not isinstance(item, dict) or "ip" not in item:
        item = take_out(item)
        if isinstance(item, Refusal):
            return item
    if jail is not None:
        item = {"jail": jail} | item
    weight = item.get("weight")
    if isinstance(weight, float) and weight.is_integer():  # JSON Schema, and so OpenAPI, takes 3.0 for 3
        item = item | {"weight": int(weight)}
    one = read_simple(item, "", now_ms)
    if isinstance(one, Refusal):
        return one
    try:
        ip = plain_address(one.ip)
    except ValueError as error:
        return Refusal(Reason.BAD_ADDRESS, str(error), item)
    if one.at_ms > now_ms + FUTURE_ALLOWED_MS:
        return Refusal(Reason.IN_FUTURE, "at: this is more than 5 minutes ahead of this clock", item)
    # A worker that is older than this shim reads nothing around an address.
    return one if ip is one.ip else one._replace(ip=ip)


def chunks(items: Sequence[Placed]) -> Iterator[list[Placed]]:
    """Cut into parts that are stored as one message each, all or none."""
    for named in (False, True):
        part: list[Placed] = []
        part_bytes = 0
        for item in items:
            if (item.infraction.id != "") is not named:
                continue
            more_bytes = size_bytes(item.infraction)
            if part and (part_bytes + more_bytes > PACK_BYTES_MAX or len(part) >= CHUNK_ITEMS_MAX):
                yield part
                part, part_bytes = [], 0
            part.append(item)
            part_bytes += more_bytes
        if part:
            yield part


def documents(body: bytes, content_type: bytes) -> list[Any]:
    """Cut a request body, or what is in the envelopes around it, into its items.

    One that is no JSON is there as its refusal.

    Lines are found, too, where the content type does not announce them: curl's is always the same.
    """
    body = body.lstrip().removeprefix(_BOM)
    if any(kind in content_type.lower() for kind in _LINES):
        return list(_lines(body))
    data = _parsed(body)
    if isinstance(data, Refusal) and b"\n" in body.strip() and body.lstrip()[:1] == b"{":
        return list(_lines(body))
    try:
        data = unwrap(data)
    except EnvelopeError as error:
        data = Refusal(Reason.ENVELOPE, str(error), None)
    return data if isinstance(data, list) else [data]


def _lines(body: bytes) -> Iterator[Any]:
    for line in body.split(b"\n"):
        text = line.strip(b" \t\r\x1e")  # RS begins each text of a JSON sequence, RFC 7464
        if text:
            yield _parsed(text)


def _parsed(text: bytes) -> Any:
    try:
        return parse_body(text)
    except (ValueError, TypeError) as error:
        return Refusal(Reason.NOT_JSON, f"not JSON: {error}", None)
