"""Infractions of many requests, gathered until they fill a message body."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from f2b_worker.wire import name_in_pack, new_pack_id, write_pack

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from f2b_worker.domain.judge.infractions import Infraction
    from f2b_worker.errors import F2bError

# SQS bills 64 KiB chunks (https://aws.amazon.com/sqs/pricing/). Some room is left for the names of the columns,
# and for the escapes of the request that carries the body.
PACK_BYTES_MAX = 56 * 1024
PACK_ITEMS_MAX = 5_000
_COLUMNS_BYTES = 24  # a time step, a place, quotes and commas
_OBJECT_BYTES = 96  # the keys of the simple form


def size_bytes(infraction: Infraction) -> int:
    """Estimate what one infraction adds to a body, never too little."""
    ip, jail, _, name, note, _ = infraction
    total = len(ip) + _COLUMNS_BYTES
    if name:
        total += len(name) * 6 + _OBJECT_BYTES
    if note is None:
        return total + len(jail)
    return total + len(jail) + len(json.dumps(note)) + _COLUMNS_BYTES


def write_body(infractions: Sequence[Infraction], *, pack_id: str | None = None) -> str:
    """Write infractions as one message body: a pack, or a list of objects where one has an id of its own.

    Args:
        infractions: At least one.
        pack_id: Names the pack; a new random one by default.
    """
    if any(each.id for each in infractions):
        return json.dumps([each.as_item() for each in infractions], separators=(",", ":"))
    notes = {place: each.note for place, each in enumerate(infractions) if each.note is not None}
    weights = [each.weight for each in infractions]
    rows = [each[:3] for each in infractions]
    return write_pack(rows, notes=notes, weights=None if max(weights) == 1 else weights, pack_id=pack_id)


class Parcel:
    """One message body in the making, and who waits for it.

    Args:
        named: See below.
        began_s: See below.
        expires: Starts the timer that fails the parcel when it is not stored in time.

    Attributes:
        named: Whether its infractions have ids of their own; the two kinds are never mixed.
        began_s: When it was begun, on the loop's clock.
        infractions: What goes into it.
        waiting: One future for each request that has infractions in it.
        size_bytes: About how long the body will be.
        sending: The task that sends it, once it has left.
        is_sent: Whether it was handed to the queue: it may be stored, whatever is heard of it.
        fate: Says how it went to those who heard that nobody knew; there is one once they have heard that.
    """

    __slots__ = (
        "_expiry",
        "_pack_id",
        "_places",
        "began_s",
        "fate",
        "infractions",
        "is_sent",
        "named",
        "sending",
        "size_bytes",
        "waiting",
    )

    def __init__(self, *, named: bool, began_s: float, expires: Callable[[Parcel], asyncio.TimerHandle]) -> None:
        self.named = named
        self.began_s = began_s
        self.infractions: list[Infraction] = []
        self.waiting: list[asyncio.Future[F2bError | None]] = []
        self.size_bytes = 0
        self.sending: asyncio.Task[None] | None = None
        self.is_sent = False
        self.fate: asyncio.Future[F2bError | None] | None = None
        self._pack_id = ""
        self._places: dict[int, int] = {}
        self._expiry: asyncio.TimerHandle | None = expires(self)

    def has_room(self, more_bytes: int) -> bool:
        """Tell whether an infraction of *more_bytes* still fits."""
        return self.size_bytes + more_bytes <= PACK_BYTES_MAX and len(self.infractions) < PACK_ITEMS_MAX

    def add(self, infraction: Infraction, more_bytes: int) -> None:
        """Put one infraction in."""
        self.infractions.append(infraction)
        self.size_bytes += more_bytes

    def join(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[F2bError | None]:
        """Wait with it: the future says how it went."""
        fate = loop.create_future()
        self.waiting.append(fate)
        return fate

    @property
    def is_settled(self) -> bool:
        """Tell whether everybody who waited for it has heard how it went, or that nobody knows."""
        return self._expiry is None

    def body(self) -> str:
        """Write the message, whose infractions have names from now on."""
        self._pack_id = new_pack_id()
        return write_body(self.infractions, pack_id=self._pack_id)

    def named_one(self, infraction: Infraction) -> Infraction:
        """Answer an infraction of this message under its name: in another message, it is the same one."""
        if infraction.id:
            return infraction
        if not self._places:  # only after a failure, and then for everybody who waited
            self._places = {id(each): place for place, each in enumerate(self.infractions)}
        return infraction._replace(id=name_in_pack(self._pack_id, self._places[id(infraction)]))

    def leave_undecided(self, loop: asyncio.AbstractEventLoop, failure: F2bError) -> None:
        """Tell everybody who waits that nobody knows how it went."""
        self.fate = loop.create_future()
        self._tell(failure)

    def settle(self, failure: F2bError | None) -> None:
        """Tell everybody who waits how it went, or who waited; telling a second time changes nothing."""
        if self.fate is not None and not self.fate.done():
            self.fate.set_result(failure)
        self._tell(failure)

    def _tell(self, failure: F2bError | None) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        waiting, self.waiting = self.waiting, []
        for future in waiting:
            if not future.done():  # its client may have gone
                future.set_result(failure)
