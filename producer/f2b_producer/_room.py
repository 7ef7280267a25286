import sys
import threading
import time
from collections.abc import Callable

from f2b_producer._buffer import Buffer
from f2b_producer._infraction import Infraction
from f2b_producer._stats import Counter

MARGIN = 64  # threads that may pass the look at the room together, before the lock counts them
POLL_S = 0.002


class WaitingRoom:
    """Lets reports wait for room in a full buffer, in turn, for a bounded time.

    Who must not wait goes ahead, and the oldest infraction goes for it: the sending thread, which alone makes
    room, and a thread that runs an asyncio loop, where everything else would wait too.

    Args:
        buffer: Where the infractions go.
        timeout_s: Seconds that one report waits at most.
        urge: Called once by a report that begins to wait; has the buffer emptied now.
        gone: Whether waiting has become useless.
    """

    def __init__(
        self, buffer: Buffer, timeout_s: float, *, urge: Callable[[], None], gone: Callable[[], bool]
    ) -> None:
        self._buffer = buffer
        self._timeout_s = timeout_s
        self._urge = urge
        self._gone = gone
        self.sending_thread: int | None = None
        self.blocked = Counter()
        self.renew_lock()

    def renew_lock(self) -> None:
        """Make the lock again, of the kind that `threading` makes now."""
        self._turn = threading.Lock()

    def put(self, infraction: Infraction) -> bool:
        """Add *infraction* to the buffer, when there is room or time is up; return whether a pack is full."""
        if self._buffer.room() > MARGIN or not self._may_wait():
            return self._buffer.put(infraction)
        deadline_s = time.monotonic() + self._timeout_s
        if self._buffer.room() <= 0:
            self.blocked.add()
            self._urge()
        # Bounded too: a signal handler may have interrupted the very thread that holds it.
        turn = self._turn
        in_turn = turn.acquire(timeout=self._timeout_s)
        try:
            self._wait(deadline_s)
            return self._buffer.put(infraction)
        finally:
            if in_turn:
                turn.release()

    def _wait(self, deadline_s: float) -> None:
        while self._buffer.room() <= 0 and time.monotonic() < deadline_s and not self._gone():
            time.sleep(POLL_S)

    def _may_wait(self) -> bool:
        if threading.get_ident() == self.sending_thread:
            return False
        asyncio = sys.modules.get("asyncio")  # who runs a loop has imported it
        if asyncio is None:
            return True
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return True
        return False
