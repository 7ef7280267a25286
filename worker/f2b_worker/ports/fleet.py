"""What the workers of a fleet tell of themselves, and how much waits for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class WorkerSign:
    """A sign of life of one worker process.

    Attributes:
        name: The process: host/pid/random.
        at_ms: When it gave the sign.
        started_ms: When it began to work.
        version: Of f2b.
        remark: What keeps it from its work, or what somebody should look at, in one line; empty: nothing.
        generation: How often somebody had asked for a reload when it last read its file; None: it does not say.
        judges: Whether it takes infractions; one that does not only enforces.
        oldest_ms: How old the oldest message was of those that it received of late; None: it does not say.
    """

    name: str
    at_ms: int
    started_ms: int
    version: str
    remark: str = ""
    generation: int | None = None
    judges: bool = True
    oldest_ms: int | None = None


class Fleet(Protocol):
    """Where workers give signs of life; called by one thread at a time."""

    def sign(self, sign: WorkerSign) -> None:
        """Store a sign in the place of the one before it."""
        ...

    def leave(self, name: str) -> None:
        """Forget a worker that stops."""
        ...

    def signs(self) -> Sequence[WorkerSign]:
        """Read the last sign of every worker that has not left; one that died may be among them for a day."""
        ...


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """How many messages wait; SQS's own numbers, which are a little late.

    Attributes:
        waiting: To be received.
        in_flight: Received, and not yet deleted.
        delayed: Not yet to be received.
        dead_letters: In the dead-letter queue.
    """

    waiting: int
    in_flight: int
    delayed: int
    dead_letters: int


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lease.

    Attributes:
        owner: The process; empty if nobody does.
        enforces: What it enforces, for people.
    """

    owner: str = ""
    enforces: str = ""
