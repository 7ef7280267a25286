"""When a client of ours must be made anew, and when its connection is too old to be trusted."""

import math
from collections.abc import Callable

RENEW_FIRST_S = 1.0
RENEW_MAX_S = 30.0  # credentials that are back are found so much later at most; a new client costs 50 ms of CPU
# Whatever stands between may forget a silent connection without a word: AWS's NAT gateways and load balancers do
# after 350 s, other firewalls sooner. Who sends into one waits for the read timeout; a new one takes milliseconds.
SILENT_MAX_S = 60.0


class Renewal:
    """The pauses between one making of a client and the next; they double as long as nothing gets through.

    Args:
        clock: Seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.succeeded()

    def succeeded(self) -> None:
        """Something got through: the next trouble is a new one, and renews at once."""
        self._pause_s = RENEW_FIRST_S
        self._not_before_s = -math.inf

    def due(self) -> bool:
        """Return whether a client may be made now, and if so begin the next pause."""
        now_s = self._clock()
        if now_s < self._not_before_s:
            return False
        self._not_before_s = now_s + self._pause_s
        self._pause_s = min(RENEW_MAX_S, 2 * self._pause_s)
        return True


class Silence:
    """For how long a connection has not been used.

    Args:
        clocks: Some stand still while a machine sleeps or a process is frozen, and some are set back. Of two that
            are of different kinds, the one that went further knows more.
    """

    def __init__(self, *clocks: Callable[[], float]) -> None:
        self._clocks = clocks
        self.end()

    def end(self) -> None:
        """The connection is used now."""
        self._since_s = [clock() for clock in self._clocks]

    def is_long(self) -> bool:
        """Return whether the connection may be dead by now."""
        return (
            max(clock() - since_s for clock, since_s in zip(self._clocks, self._since_s, strict=True))
            > SILENT_MAX_S
        )
