import threading

from f2b_producer._stats import Bell


class Bells:
    """What the sending thread of a pump waits for.

    All of it has the kind of lock that `threading` makes at the time. gevent and eventlet put another kind in its
    place: their threads must wait for that one, for a lock of the older kind stops all of them.
    """

    def __init__(self) -> None:
        self._kind = threading.Lock
        self.arrived = Bell()  # rung by the first report since the thread looked
        self.hurry = Bell()  # ends the linger
        self.urgent = Bell()  # ends the pause between rounds
        self.left = Bell()  # rung by the thread when it has left
        self.turning = threading.Lock()

    def fit(self) -> bool:
        """Whether `threading` makes this kind of lock still."""
        return self._kind is threading.Lock

    def ring(self) -> None:
        """Have the thread look now, whatever it waits for."""
        for bell in (self.arrived, self.hurry, self.urgent):
            bell.ring()
