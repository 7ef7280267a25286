"""Twins of what notices need: a target, the places, and a log of bans."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from f2b_worker.ports.notices import Heard, Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from f2b_worker.domain.ban_log.changes import Change
    from f2b_worker.errors import F2bError
    from f2b_worker.ports.notices import Notice


class KeptTarget:
    """Keeps what it is sent.

    Attributes:
        taken: What it took.
        tried: The ids of all that it was sent.
        failures: Raised by the next calls, one each.
        gate: While it is not set, a call hangs.
        is_closed: Whether it was let go of.
    """

    def __init__(self) -> None:
        self.taken: list[Notice] = []
        self.tried: list[str] = []
        self.failures: list[F2bError] = []
        self.gate = threading.Event()
        self.gate.set()
        self.is_closed = False

    def send(self, notice: Notice) -> None:
        """Take one."""
        self.tried.append(notice.id)
        self.gate.wait()
        if self.failures:
            raise self.failures.pop(0)
        self.taken.append(notice)

    def close(self) -> None:
        """Keep that it was called."""
        self.is_closed = True


class MemoryPlaces:
    """Places in memory."""

    def __init__(self) -> None:
        self.places: dict[str, Place] = {}

    def read(self, target: str) -> Place | None:
        """Read the place of a target."""
        return self.places.get(target)

    def keep(self, target: str, place: Place) -> None:
        """Keep it in the place of the one before."""
        self.places[target] = place


class MemoryNews:
    """Follows changes of bans that are in a list: their numbers are their places in it.

    Args:
        changes: The list; who adds to it tells everybody.
    """

    def __init__(self, changes: list[Change]) -> None:
        self._changes = changes
        self._number = 0

    def begin(self, place: Place | None, now_ms: int) -> tuple[Place, Iterable[Change]]:
        """Go on from a place, or from now on; answer what was told before it."""
        place = place or Place(number=len(self._changes), at_ms=now_ms)
        self._number = place.number
        return place, self._changes[: place.number]

    def poll(self) -> Iterator[Heard]:
        """Read what came since."""
        came = self._changes[self._number :]
        yield Heard(came, Place(number=self._number + len(came)))
        self._number += len(came)
