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


REPORTED_BY = "@"
"""Stands in an id between what names the infraction and who reported it, and nowhere else."""

REPORTER_CHARACTERS_MAX = 11
"""So much of a reporter's name is kept: each infraction has it in the ledger, beside an id of 16, and an item with
2,000 infractions stays under 100 KB."""

NOTED = "|"
"""Stands behind the reporter, before the note; neither an id nor a reporter's name has one behind its `@`."""

NOTE_BYTES_MAX = 40
"""So much of a note is kept with the infraction, for the same reason: the path of a request, not a whole line."""


def split_id(infraction_id: str) -> tuple[str, str]:
    """Take what names an infraction apart from who reported it, "" if nobody says; only the first is judged by."""
    name, _, rest = infraction_id.partition(REPORTED_BY)
    return name, rest.partition(NOTED)[0]


def note_of(infraction_id: str) -> str:
    """Read the note that is kept with an infraction, "" if there is none; somebody from outside wrote it."""
    return infraction_id.partition(REPORTED_BY)[2].partition(NOTED)[2]


def noted_id(infraction_id: str, note: str) -> str:
    """Put a note behind an id: as much as is kept, and of that what can be stored and shown."""
    text = note[:NOTE_BYTES_MAX].encode(errors="replace")[:NOTE_BYTES_MAX].decode(errors="ignore")
    shown = "".join(each if each.isprintable() else " " for each in text).strip()
    if not shown:
        return infraction_id
    return f"{infraction_id}{'' if REPORTED_BY in infraction_id else REPORTED_BY}{NOTED}{shown}"


class Infraction(NamedTuple):
    """One report as it came: an address that misbehaved, where and when, which, and for how many it counts.

    The id may say who reported it, too. In the ledger it also has what is kept of the note.
    """

    ip: str
    jail: str
    at_ms: int
    id: str
    note: str | None = None
    weight: int = 1

    def as_item(self) -> dict[str, object]:
        """Write it in the simple wire form."""
        name, reporter = split_id(self.id)
        return simple_item(*self[:3], name, note=self.note, weight=self.weight, reporter=reporter)


def simple_item(  # noqa: PLR0913 - the fields of an infraction
    ip: object,
    jail: object,
    at_ms: int,
    infraction_id: str,
    *,
    note: object = None,
    weight: object = 1,
    reporter: str = "",
) -> dict[str, object]:
    """Write an infraction in the simple wire form, without what is as by default; it may be wrong in any field."""
    item: dict[str, object] = {"ip": ip, "jail": jail, "at": at_ms / 1000}
    if infraction_id:
        item["id"] = infraction_id
    if note is not None:
        item["note"] = note
    if weight != 1 or isinstance(weight, bool):  # True is 1 to Python, and wrong on the wire
        item["weight"] = weight
    if reporter:
        item["reporter"] = reporter
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
