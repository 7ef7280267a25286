"""Notices as they are told: the targets, the place up to which each was told, and whence the news come."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from f2b_worker.domain.ban_log.changes import Change


@dataclass(frozen=True, slots=True)
class Notice:
    """One message for people or programs.

    Attributes:
        id: Of this message; the same if it is sent again.
        kind: What it is about: `ban`, `surge` …
        severity: `info`, `warning` or `critical`.
        subject: One line.
        text: For people.
        detail: The same for programs, as a JSON object.
        at_ms: When it was made.
    """

    id: str
    kind: str
    severity: str
    subject: str
    text: str
    detail: Mapping[str, Any]
    at_ms: int


class Target(Protocol):
    """Where notices go; called by one thread, which waits for nobody else.

    Each call ends by itself, whatever the other end does.
    """

    def send(self, notice: Notice) -> None:
        """Send one.

        Raises:
            Invalid: If this notice will never be taken.
            F2bError: If it was not, or perhaps not, taken.
        """
        ...

    def close(self) -> None:
        """Let go of what is open."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """How far a target was told.

    Attributes:
        log: Of which log.
        number: Everything up to this number was told.
        seen: What was told above it.
        at_ms: Ends of bans up to this time were told.
        conditions: What began, and was told: the names of conditions.
    """

    log: str = ""
    number: int = 0
    seen: tuple[int, ...] = ()
    at_ms: int = 0
    conditions: tuple[str, ...] = ()


class Places(Protocol):
    """Where it is kept how far each target was told; several threads at once."""

    def read(self, target: str) -> Place | None:
        """Read the place of a target; None of one that was never told anything, or whose place cannot be read."""
        ...

    def keep(self, target: str, place: Place) -> None:
        """Keep it in the place of the one before."""
        ...


@dataclass(frozen=True, slots=True)
class Heard:
    """Changes of bans since a place.

    Attributes:
        changes: Each as it is after the change; to be gone through once.
        place: Where to go on, without conditions.
        is_certain: Whether all that was told before is known.
        is_all: Whether these are all bans.
    """

    changes: Iterable[Change]
    place: Place
    is_certain: bool = True
    is_all: bool = False


class NewsSource(Protocol):
    """Follows the bans for one target, by one thread."""

    def begin(self, place: Place | None, now_ms: int) -> tuple[Place, Iterable[Change]]:
        """Go on from a place, or from now on if there is none.

        Returns:
            Where it begins, and the bans that were told before, as far as they can be had.
        """
        ...

    def poll(self) -> Iterator[Heard]:
        """Read what came since, piece by piece; whoever stops in between goes on there."""
        ...


@dataclass(frozen=True, slots=True)
class ConditionsSeen:
    """What holds now.

    Attributes:
        at_ms: When it was looked at.
        texts: What holds, by the name of the condition, each with one line that says it.
    """

    at_ms: int
    texts: Mapping[str, str] = field(default_factory=dict)
