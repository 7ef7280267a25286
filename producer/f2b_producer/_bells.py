import threading


class Bell:
    """Wakes one waiting thread. Ringing never blocks, also from a signal handler.

    `threading.Event` takes a lock to set, so a handler that interrupts a setter would hang. The lock is of the
    kind that `threading` makes at the time.
    """

    __slots__ = ("_lock", "silent")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self.silent = self._lock.locked

    def ring(self) -> None:
        """Let the next (or present) `wait` return at once."""
        if self._lock.locked():
            try:
                self._lock.release()
            except RuntimeError:  # someone else rang in between
                return

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it rings, at most *timeout_s* seconds; return whether it rang."""
        return self._lock.acquire(timeout=-1 if timeout_s is None else max(0.0, timeout_s))

    def hush(self) -> None:
        """Forget that it rang."""
        self._lock.acquire(blocking=False)


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
