"""Who makes room where connections are short: who waits for its client the longest, and never who is served."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from f2b_worker.domain.addresses import network_of_peer
from f2b_worker.http.turns import Turns

if TYPE_CHECKING:
    from f2b_worker.http.limits import ConnectionLimits
    from f2b_worker.http.unread import Unread


class Peer:
    """Whoever connects from one network: a client, or a load balancer with thousands of them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.inside: set[Waiting] = set()
        self.waiting: dict[Waiting, None] = {}  # for their client, the longest first


class Waiting(Protocol):
    """A connection that waits for its client, or for us, as the room knows it."""

    peer: Peer

    def make_room(self, why: Unread) -> None:
        """End it."""


class Leaving(Protocol):
    """A connection that has its last answer, as the room knows it."""

    def abort(self) -> None:
        """Close it now."""


class Room:
    """Counts the connections of a process.

    A connection waits from its beginning, or from its last answer, until it has sent a whole request. Who means it
    needs milliseconds for that, and so is never the one that waits the longest while others sit idle or drip.

    Args:
        limits: How many there may be, in all and of one peer.

    Attributes:
        ending: Whether the process is to stop: each answer is then the last one of its connection.
        is_closed: Whether nobody new comes any more: the process ends within seconds.
        turns: For connections that have much to parse.
    """

    def __init__(self, limits: ConnectionLimits) -> None:
        self.ending = False
        self.is_closed = False
        self.turns = Turns()
        self._connections_max = limits.connections_max
        self._peer_max = max(1, int(limits.connections_max * limits.peer_share))
        self._peers: dict[str, Peer] = {}
        self._number = 0
        self._waiting: dict[Waiting, None] = {}
        self._bodies_bytes_max = limits.bodies_bytes_max
        self._bodies: dict[Waiting, int] = {}  # what each holds of a body, the earliest begun first
        self._bodies_bytes = 0
        self._lingering_max = limits.lingering_max
        self._lingering: dict[Leaving, None] = {}  # who lingers at the door, the longest first

    def enter(self, connection: Waiting, address: str) -> tuple[Waiting | None, str]:
        """Take a connection in.

        Args:
            connection: The newcomer.
            address: Where it comes from.

        Returns:
            Who has to go for it, and why: nobody; one that waits; the newcomer, if no other waits.
        """
        name = network_of_peer(address)
        peer = connection.peer = self._peers.setdefault(name, Peer(name))
        peer.inside.add(connection)
        self._number += 1
        self.waits(connection)
        if len(peer.inside) > self._peer_max:
            return next(iter(peer.waiting)), "peer_connections"
        if self._number > self._connections_max:
            return next(iter(self._waiting)), "connections"
        return None, ""

    def waits(self, connection: Waiting) -> None:
        """Take it that a connection waits for its client from now on; one that has left waits for nobody."""
        if connection in self._waiting:  # it would stay where it began to wait before
            self.is_served(connection)
        if connection in connection.peer.inside:
            self._waiting[connection] = connection.peer.waiting[connection] = None

    def is_served(self, connection: Waiting) -> None:
        """Take it that the client of a connection waits for us."""
        self._waiting.pop(connection, None)
        connection.peer.waiting.pop(connection, None)

    def holds(self, connection: Waiting, more_bytes: int) -> Waiting | None:
        """Count a part of a body; answer who has to go for it, if all bodies together are too large."""
        self._bodies[connection] = self._bodies.get(connection, 0) + more_bytes
        self._bodies_bytes += more_bytes
        if self._bodies_bytes <= self._bodies_bytes_max:
            return None
        return next((each for each in self._bodies if each in self._waiting), connection)

    def holds_nothing(self, connection: Waiting) -> None:
        """Take it that the body of a connection was used or given up."""
        self._bodies_bytes -= self._bodies.pop(connection, 0)

    def leave(self, connection: Waiting) -> None:
        """Forget a connection; a second time changes nothing."""
        peer = connection.peer
        if connection not in peer.inside:
            return
        self.holds_nothing(connection)
        self.is_served(connection)
        peer.inside.discard(connection)
        self._number -= 1
        if not peer.inside:
            self._peers.pop(peer.name, None)

    def linger(self, connection: Leaving) -> Leaving | None:
        """Count a connection that has left and lingers; answer which one has to go, if they are too many."""
        self._lingering[connection] = None
        return next(iter(self._lingering)) if len(self._lingering) > self._lingering_max else None

    def forget(self, connection: Leaving) -> None:
        """Take it that a connection lingers no more; a second time changes nothing."""
        self._lingering.pop(connection, None)
