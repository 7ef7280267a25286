"""The packed wire form (docs/wire.md): many infractions as columns in one message body."""

import base64
import json
import os
from collections.abc import Callable, Iterable
from typing import NamedTuple

from f2b_producer._infraction import Infraction

MAX_BODY_BYTES = 65_536  # SQS bills a message for each 64 KiB begun
MAX_INFRACTIONS = 10_000  # the wire format's bound
DEFAULT_JAIL = "default"
REST_EVERY = 512  # infractions; about a millisecond of encoding

_FRAME_BYTES = len('{"v":1,"id":"","t0_ms":,"dt_ms":[],"ip":[]}')
_OF_BYTES = len(',"of":[]')
_JAIL_BYTES = len(',"jail":[]')
_IN_BYTES = len(',"in":[]')
_NOTE_BYTES = len(',"note":{}')
_WEIGHT_BYTES = len(',"weight":[]')
_IDS_BYTES = len(',"ids":[]')
_NO_ID_BYTES = len("null,")
_REPORTER_BYTES = len(',"reporter":""')


class Pack(NamedTuple):
    """One message, ready to send; sending the same pack twice reports nothing twice.

    Attributes:
        id: The pack's random id, 12 of ``A-Z a-z 0-9 _ -``.
        body: JSON, ASCII only, at most 65,536 bytes.
        infractions: How many are in it, at most 10,000.
    """

    id: str
    body: str
    infractions: int


def random_id() -> str:
    """Return 12 characters with 72 bits from the kernel, so that no two forks draw the same."""
    return base64.urlsafe_b64encode(os.urandom(9)).decode()


def encode(
    infractions: Iterable[Infraction],
    *,
    new_id: Callable[[], str] = random_id,
    rest: Callable[[], None] = lambda: None,
    reporter: str = "",
) -> list[Pack]:
    """Return packs that hold *infractions* in their order, each as full as it can be.

    Args:
        infractions: What to encode.
        new_id: Makes the id of each pack.
        rest: Called every 512 infractions; may let other threads run.
        reporter: Who reports them, 1-64 of ``A-Z a-z 0-9 . _ -``; "" does not say.
    """
    packs = []
    draft = _Draft(new_id(), reporter)
    for number, infraction in enumerate(infractions, start=1):
        if number % REST_EVERY == 0:
            rest()
        if not draft.add(infraction):
            packs.append(draft.pack())
            draft = _Draft(new_id(), reporter)
            draft.add(infraction)  # one infraction always fits: it takes 2,800 bytes at most
    if draft.dt_ms:
        packs.append(draft.pack())
    return packs


class _Column:
    """Texts of which many are the same: the distinct ones, and for each row the index of its own.

    The sizes are those of the JSON lists, less their names and brackets.
    """

    __slots__ = ("distinct", "distinct_bytes", "rows", "rows_bytes")

    def __init__(self) -> None:
        self.distinct: dict[str, int] = {}
        self.rows: list[int] = []
        self.distinct_bytes = self.rows_bytes = -1  # one comma less than values

    def add(self, text: str) -> None:
        index = self.distinct.get(text)
        if index is None:
            self.distinct[text] = index = len(self.distinct)
            self.distinct_bytes += len(text) + 3
        self.rows.append(index)
        self.rows_bytes += len(str(index)) + 1

    def repeats(self) -> bool:
        """Whether some row names a text again, so that the rows' indices must be sent."""
        return len(self.distinct) < len(self.rows)

    def undo(self, text: str) -> None:
        """Take the last row back, which was *text*; the sizes are not needed any more."""
        if self.rows.pop() not in self.rows:
            del self.distinct[text]


class _Draft:
    """A pack that grows and always knows its exact size, so that nothing is serialised twice."""

    __slots__ = (
        *("_at_ms", "_dt_bytes", "_id", "_ips", "_jails", "_notes", "_notes_bytes", "_t0_ms"),
        *("_ids", "_ids_bytes", "_reporter", "_weights", "_weights_digits", "dt_ms"),
    )

    def __init__(self, pack_id: str, reporter: str) -> None:
        self._id = pack_id
        self._reporter = reporter
        self._t0_ms = self._at_ms = 0
        self.dt_ms: list[int] = []
        self._dt_bytes = self._notes_bytes = -1
        self._ips = _Column()
        self._jails = _Column()
        self._notes: dict[str, str] = {}
        self._ids: dict[int, str] = {}  # of the rows that have one
        self._ids_bytes = 0  # more than the null that each row has
        self._weights: dict[int, int] = {}  # of the rows whose weight is not 1
        self._weights_digits = 0  # more than the one that each row has

    def add(self, infraction: Infraction) -> bool:
        """Add *infraction*, or leave it out and return False: then the draft is full and to be packed."""
        ip, jail, at_s, note, weight, _, identity = infraction
        if len(self.dt_ms) == MAX_INFRACTIONS:
            return False
        self._add_time(round(at_s * 1000))
        self._ips.add(ip)
        self._jails.add(jail)
        if note:
            self._add_note(note)
        if weight != 1:
            self._weights[len(self.dt_ms) - 1] = weight
            self._weights_digits += len(str(weight)) - 1
        if identity:
            self._ids[len(self.dt_ms) - 1] = identity
            self._ids_bytes += len(json.dumps(identity)) + 1 - _NO_ID_BYTES
        if self._bytes() <= MAX_BODY_BYTES:
            return True
        self._undo(ip, jail)
        return False

    def pack(self) -> Pack:
        """Return the message; its body has exactly the size that was reckoned."""
        columns: dict[str, object] = {"v": 1, "id": self._id, "t0_ms": self._t0_ms, "dt_ms": self.dt_ms}
        columns["ip"] = list(self._ips.distinct)
        if self._ips.repeats():
            columns["of"] = self._ips.rows
        if self._names_jails():
            columns["jail"] = list(self._jails.distinct)
        if len(self._jails.distinct) > 1:
            columns["in"] = self._jails.rows
        if self._notes:
            columns["note"] = self._notes
        if self._weights:
            columns["weight"] = [self._weights.get(row, 1) for row in range(len(self.dt_ms))]
        if self._ids:
            columns["ids"] = [self._ids.get(row) for row in range(len(self.dt_ms))]
        if self._reporter:
            columns["reporter"] = self._reporter
        return Pack(self._id, json.dumps(columns, separators=(",", ":")), len(self.dt_ms))

    def _add_time(self, at_ms: int) -> None:
        if not self.dt_ms:
            self._t0_ms = self._at_ms = at_ms
        dt_ms = at_ms - self._at_ms
        self._at_ms = at_ms
        self.dt_ms.append(dt_ms)
        self._dt_bytes += len(str(dt_ms)) + 1

    def _add_note(self, note: str) -> None:
        row = str(len(self.dt_ms) - 1)
        self._notes[row] = note
        self._notes_bytes += len(row) + len('"":,') + len(json.dumps(note))

    def _undo(self, ip: str, jail: str) -> None:
        self.dt_ms.pop()
        self._notes.pop(str(len(self.dt_ms)), None)
        self._weights.pop(len(self.dt_ms), None)
        self._ids.pop(len(self.dt_ms), None)
        self._ips.undo(ip)
        self._jails.undo(jail)

    def _names_jails(self) -> bool:
        return len(self._jails.distinct) > 1 or DEFAULT_JAIL not in self._jails.distinct

    def _bytes(self) -> int:
        size = _FRAME_BYTES + len(self._id) + len(str(self._t0_ms)) + self._dt_bytes + self._ips.distinct_bytes
        if self._ips.repeats():
            size += _OF_BYTES + self._ips.rows_bytes
        if self._names_jails():
            size += _JAIL_BYTES + self._jails.distinct_bytes
        if len(self._jails.distinct) > 1:
            size += _IN_BYTES + self._jails.rows_bytes
        if self._notes:
            size += _NOTE_BYTES + self._notes_bytes
        if self._weights:
            size += _WEIGHT_BYTES + 2 * len(self.dt_ms) - 1 + self._weights_digits
        if self._ids:
            size += _IDS_BYTES + _NO_ID_BYTES * len(self.dt_ms) - 1 + self._ids_bytes
        if self._reporter:
            size += _REPORTER_BYTES + len(self._reporter)
        return size
