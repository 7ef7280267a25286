"""What the shim allows its clients."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What the interface allows. By default as the settings have it; a test holds the two together.

    Attributes:
        tokens: Bearer tokens; any of them opens it. With none it is open.
        rate_per_s: Requests a second that one peer may make; 0 is no limit.
        body_bytes: The longest body.
        waiting_max: How many infractions may wait to be stored at once.
        expose_state: Whether the pages below `/state` are there.
    """

    tokens: tuple[str, ...] = ()
    rate_per_s: float = 0.0
    body_bytes: int = 512 * 1024
    waiting_max: int = 50_000
    expose_state: bool = False
