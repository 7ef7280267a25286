"""Infractions of many requests, gathered until they fill a message body."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from f2b_worker.wire import write_pack

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


def write_body(infractions: Sequence[Infraction]) -> str:
    """Write infractions as one message body: a pack, or a list of objects where one has an id of its own."""
    if any(each.id for each in infractions):
        return json.dumps([each.as_item() for each in infractions], separators=(",", ":"))
    notes = {place: each.note for place, each in enumerate(infractions) if each.note is not None}
    weights = [each.weight for each in infractions]
    rows = [each[:3] for each in infractions]
    return write_pack(rows, notes=notes, weights=None if max(weights) == 1 else weights)


class Parcel:
    """One message body in the making, and who waits for it.

    Args:
        named: See below.
        expires: Starts the timer that fails the parcel when it is not stored in time.

    Attributes:
        named: Whether its infractions have ids of their own; the two kinds are never mixed.
        infractions: What goes into it.
        waiting: One future for each request that has infractions in it.
        size_bytes: About how long the body will be.
    """

    __slots__ = ("_expiry", "infractions", "named", "size_bytes", "waiting")

    def __init__(self, *, named: bool, expires: Callable[[Parcel], asyncio.TimerHandle]) -> None:
        self.named = named
        self.infractions: list[Infraction] = []
        self.waiting: list[asyncio.Future[F2bError | None]] = []
        self.size_bytes = 0
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

    def settle(self, failure: F2bError | None) -> None:
        """Tell everybody who waits how it went; telling a second time changes nothing."""
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        waiting, self.waiting = self.waiting, []
        for future in waiting:
            if not future.done():  # its client may have gone
                future.set_result(failure)
