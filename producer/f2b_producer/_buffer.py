from collections import deque

from f2b_producer._infraction import Infraction
from f2b_producer._stats import Counter

FULL_PACK = 2_500  # about 64 KiB at 23-26 bytes an infraction: no reason to linger for more
TAKE_MAX = 5_000  # infractions in flight at a time: two full packs, of which the thread makes many a second


class Buffer:
    """Infractions that wait to be sent, oldest first, at most *max_buffered* with those in flight.

    `put` takes no lock: request threads and signal handlers never wait for the sending thread. A deque
    and single pops, not list slices, because overflow would move the whole list for every report.
    """

    def __init__(self, max_buffered: int) -> None:
        self._max_buffered = max_buffered
        # Half stays free for what is new, so that a full buffer keeps taking the newest.
        self._take_max = min(TAKE_MAX, max_buffered // 2)
        self._crowd = min(FULL_PACK, max_buffered - self._take_max)
        self._items: deque[Infraction] = deque()
        self.reset()

    def reset(self) -> None:
        """Forget everything, as a forked child does: its parent sends what was in here."""
        self._items.clear()
        self.accepted = Counter()
        self.dropped = Counter()
        self.in_flight = 0
        self._taken_since_s: float | None = None

    def __len__(self) -> int:
        return len(self._items)

    def room(self) -> int:
        """Return how many more fit before the oldest must go."""
        return self._max_buffered - len(self._items) - self.in_flight

    def fullness(self) -> float:
        """Return the share of the room that is taken, from 0 to 1."""
        return min(1.0, (len(self._items) + self.in_flight) / self._max_buffered)

    def oldest_s(self) -> float | None:
        """Return when the oldest that is here, or in flight, was reported, in epoch seconds."""
        if self.in_flight and self._taken_since_s is not None:
            return self._taken_since_s
        try:
            return self._items[0][5]
        except IndexError:
            return None

    def put(self, infraction: Infraction) -> bool:
        """Add *infraction*, dropping the oldest waiting one if full; return whether a pack is full."""
        self.accepted.add()  # first, so that a flush that begins now waits for it
        self._items.append(infraction)
        if len(self._items) < self._crowd:
            return False
        self._drop_oldest()
        return len(self._items) >= FULL_PACK

    def take(self) -> list[Infraction]:
        """Move the oldest into flight and return them; one thread at a time."""
        taken: list[Infraction] = []
        while len(taken) < self._take_max:
            try:
                taken.append(self._items.popleft())
            except IndexError:
                break
            if not self.in_flight:
                self._taken_since_s = taken[0][5]
            self.in_flight += 1  # one by one: counted ahead, `put` would see an overflow
        return taken

    def land(self, infractions: int, *, dropped: bool = False) -> None:
        """Say that so many in flight have arrived, or are lost."""
        self.in_flight -= infractions
        if dropped:
            for _ in range(infractions):
                self.dropped.add()

    def drop_all(self) -> None:
        """Drop and count all that wait."""
        while self._drop_one():
            pass

    def _drop_oldest(self) -> None:
        while len(self._items) + self.in_flight > self._max_buffered:
            if not self._drop_one():
                return

    def _drop_one(self) -> bool:
        try:
            self._items.popleft()
        except IndexError:  # the sending thread was faster
            return False
        self.dropped.add()
        return True
