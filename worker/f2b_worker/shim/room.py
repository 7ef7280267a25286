"""Who makes room where connections are short: who waits for its client the longest, and never who is served."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from f2b_worker.domain.addresses import network_of_peer

if TYPE_CHECKING:
    from f2b_worker.shim.limits import ConnectionLimits


class Peer:
    """Whoever connects from one network: a client, or a load balancer with thousands of them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.inside: set[Connection] = set()
        self.waiting: dict[Connection, None] = {}  # for their client, the longest first


class Connection(Protocol):
    """A connection, as the room knows it."""

    peer: Peer

    def make_room(self) -> None:
        """End it."""


class Room:
    """Counts the connections of a process.

    A connection waits from its beginning, or from its last answer, until it has sent a whole request. Who means it
    needs milliseconds for that, and so is never the one that waits the longest while others sit idle or drip.

    Args:
        limits: How many there may be, in all and of one peer.
    """

    def __init__(self, limits: ConnectionLimits) -> None:
        self._connections_max = limits.connections_max
        self._peer_max = max(1, int(limits.connections_max * limits.peer_share))
        self._peers: dict[str, Peer] = {}
        self._number = 0
        self._waiting: dict[Connection, None] = {}

    def __len__(self) -> int:
        return self._number

    def enter(self, connection: Connection, address: str) -> tuple[Connection | None, str]:
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

    def waits(self, connection: Connection) -> None:
        """Take it that a connection waits for its client from now on."""
        self._waiting[connection] = connection.peer.waiting[connection] = None

    def is_served(self, connection: Connection) -> None:
        """Take it that the client of a connection waits for us."""
        self._waiting.pop(connection, None)
        connection.peer.waiting.pop(connection, None)

    def leave(self, connection: Connection) -> None:
        """Forget a connection; a second time changes nothing."""
        peer = connection.peer
        if connection not in peer.inside:
            return
        self.is_served(connection)
        peer.inside.discard(connection)
        self._number -= 1
        if not peer.inside:
            self._peers.pop(peer.name, None)
