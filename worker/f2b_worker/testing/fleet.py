"""The fleet's signs of life in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from f2b_worker.ports import WorkerSign


class MemoryFleet:
    """The twin of `adapters.dynamodb.fleet`."""

    def __init__(self) -> None:
        self._signs: dict[str, WorkerSign] = {}

    def sign(self, sign: WorkerSign) -> None:
        """Store a sign in the place of the one before it."""
        self._signs[sign.name] = sign

    def leave(self, name: str) -> None:
        """Forget a worker that stops."""
        self._signs.pop(name, None)

    def signs(self) -> list[WorkerSign]:
        """Read the last sign of every worker that has not left."""
        return [self._signs[name] for name in sorted(self._signs)]
