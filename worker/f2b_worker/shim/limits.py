"""What the shim allows its clients."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What the interface allows.

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


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What one connection may cost.

    Attributes:
        head_bytes: The longest request line and headers.
        head_s: How long they may take from their first byte.
        body_s: How long the body may take after that.
        idle_s: How long a connection may be open between requests, and before the first.
        write_s: How long a client may leave an answer unread.
        connections_max: How many there may be.
        peer_share: The part of them that one peer may have.
    """

    head_bytes: int = 16 * 1024
    head_s: float = 5.0
    body_s: float = 10.0
    idle_s: float = 30.0
    write_s: float = 10.0
    connections_max: int = 10_000
    peer_share: float = 0.5
