"""What one connection may cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What one connection may cost. By default as the shim's settings have it; a test holds the two together.

    Attributes:
        head_bytes: The longest request line and headers.
        head_s: How long they may take from their first byte.
        body_s: How long the body may take after that.
        idle_s: How long a connection may be open between requests, and before the first.
        write_s: How long an answer may wait, also the last one, until the client has read so much that the kernel
            takes the rest of it.
        connections_max: How many there may be.
        peer_share: The part of them that one peer may have.
        bodies_bytes_max: How much of bodies may be in memory at once.
        lingering_max: How many more there may be that have their last answer and still send.
    """

    head_bytes: int = 16 * 1024
    head_s: float = 5.0
    body_s: float = 10.0
    idle_s: float = 65.0
    write_s: float = 10.0
    connections_max: int = 10_000
    peer_share: float = 0.5
    bodies_bytes_max: int = 64 * 1024 * 1024
    lingering_max: int = 256
