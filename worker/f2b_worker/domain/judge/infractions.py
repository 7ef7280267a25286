"""What is reported: an infraction, and why one may be refused."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Reason(StrEnum):
    """Why a message or an infraction was refused: the label of its counter."""

    NOT_JSON = "not_json"
    ENVELOPE = "envelope"
    UNKNOWN_VERSION = "unknown_version"
    EMPTY = "empty"
    BAD_SHAPE = "bad_shape"
    NO_IP = "no_ip"
    BAD_ADDRESS = "bad_address"
    BAD_JAIL = "bad_jail"
    BAD_TIME = "bad_time"
    BAD_WEIGHT = "bad_weight"
    TOO_OLD = "too_old"
    IN_FUTURE = "in_future"
    LEDGER_REFUSED = "ledger_refused"
    STATE_UNREADABLE = "state_unreadable"


class Infraction(NamedTuple):
    """One report as it came: an address that misbehaved, where and when, which, and for how many it counts."""

    ip: str
    jail: str
    at_ms: int
    id: str
    note: str | None = None
    weight: int = 1

    def as_item(self) -> dict[str, object]:
        """Write it in the simple wire form."""
        return simple_item(*self[:4], note=self.note, weight=self.weight)


def simple_item(  # noqa: PLR0913 - the fields of an infraction
    ip: object, jail: object, at_ms: int, infraction_id: str, *, note: object = None, weight: object = 1
) -> dict[str, object]:
    """Write an infraction in the simple wire form, without what is as by default; it may be wrong in any field."""
    item: dict[str, object] = {"ip": ip, "jail": jail, "at": at_ms / 1000}
    if infraction_id:
        item["id"] = infraction_id
    if note is not None:
        item["note"] = note
    if weight != 1 or isinstance(weight, bool):  # True is 1 to Python, and wrong on the wire
        item["weight"] = weight
    return item


@dataclass(frozen=True, slots=True)
class Refusal:
    """One infraction that does not count.

    Attributes:
        reason: The counter's label.
        detail: One clear line for people.
        item: What was refused, in the simple wire form where it could be read so far.
    """

    reason: Reason
    detail: str
    item: object
