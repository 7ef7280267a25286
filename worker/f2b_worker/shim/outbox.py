"""Where the shim puts what it took: a port small enough for a queue, and for a database in the same process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from f2b_worker.errors import Unavailable

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from f2b_worker.domain.judge.infractions import Infraction
    from f2b_worker.errors import F2bError


class TellableError(Unavailable):
    """Why something was not stored, in words that whoever reported it may read.

    Other errors are for the log: what AWS says names accounts and roles.
    """


class SentError(Unavailable):
    """One infraction was sent to be stored, and perhaps it is.

    Attributes:
        infraction: What was sent, under its name: if it is stored again under that, it counts once.
        fate: Done when it is known how that went, with None if it is stored. None where nobody will know.
    """

    def __init__(
        self, message: str, infraction: Infraction, fate: asyncio.Future[F2bError | None] | None = None
    ) -> None:
        super().__init__(message)
        self.infraction = infraction
        self.fate = fate


class Outbox(Protocol):
    """A store for infractions, used from one event loop.

    An infraction with an empty `id` has no name of its own, and the outbox gives it one that nobody else has. One
    with an `id` keeps it: whoever reports it again reports the same infraction.
    """

    async def store(self, infractions: Sequence[Infraction]) -> None:
        """Store infractions; returns only when all of them would survive the death of this process.

        Raises:
            SentError: If the one infraction was sent, and may be stored or not; an outbox need not know that.
            F2bError: If some may not have been stored. Storing them again does no harm to those that have an id.
        """
        ...

    async def check(self) -> None:
        """Return if a `store` would probably succeed now; cheap enough to be asked every second.

        Raises:
            F2bError: If it would not.
        """
        ...

    async def close(self) -> None:
        """Let go of connections and files; nothing is stored afterwards."""
        ...


class Queue(Protocol):
    """A queue that takes message bodies in batches: what an outbox that packs stands on."""

    async def send(
        self, bodies: Sequence[str], *, within_s: float, followed_s: float
    ) -> Sequence[F2bError | None]:
        """Send up to ten bodies as one batch, trying again while *within_s* allows it.

        Args:
            bodies: What is sent.
            within_s: How long somebody waits for it. Nothing is sent later.
            followed_s: How much longer an answer to what was sent is awaited.

        Returns:
            For each body None when it is stored, or why it is not. Nothing is raised.
        """
        ...

    async def check(self) -> None:
        """Return if the queue answers; raise an `F2bError` if it does not."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
