import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from f2b_producer._buffer import TAKE_MAX, Buffer
from f2b_producer._pack import Pack, encode
from f2b_producer._sender import Outcome, Sender, deliver
from f2b_producer._states import Lost, StateLog
from f2b_producer._stats import Counter

if TYPE_CHECKING:
    from f2b_producer._bells import Bell

# A thread that computes is made to let go of the interpreter only every 5 ms, which an event loop would feel.
REST_S = 0.000_05


class Rounds:
    """Sends what is buffered, a round of attempts at a time, and counts what became of it.

    What is unsent after a round is kept for the next. One thread at a time sends; the pump sees to it.

    Args:
        buffer: Where infractions wait.
        sender: Sends batches.
        refused: How many reports were refused, by reason.
        state_log: Is told how it goes.
        reporter: Who reports; "" does not say.
        clock: Seconds that only go forward.
    """

    def __init__(  # noqa: PLR0913 - the parts of a pump
        self,
        buffer: Buffer,
        sender: Sender,
        refused: Mapping[str, Counter],
        state_log: StateLog,
        *,
        reporter: str,
        clock: Callable[[], float],
    ) -> None:
        self._buffer = buffer
        self._sender = sender
        self._refused = refused
        self._state_log = state_log
        self._reporter = reporter
        self._clock = clock
        self._ours = True
        self.flushing: list[Bell] = []  # of those who wait
        self.kept: list[Pack] = []
        self.sent = self.send_errors = 0
        self.last_error: str | None = None
        self.answers: bool | None = None
        self._dropped_told = self._malformed = 0

    def leave_to_parent(self) -> None:
        """Count nothing any more: a greenlet lives on in a forked child, and what it sends is its parent's."""
        self._ours = False

    def send(self, pause: Callable[[float], bool], deadline_s: float | None) -> None:
        """Send what is kept, or else what has waited longest.

        Args:
            pause: Waits so many seconds before another attempt; False ends the round.
            deadline_s: By the clock, for the thread of somebody else; None gives each call its usual time.
        """
        self._state_log.ground()
        try:
            self._send_some(pause, deadline_s)
        except Exception:  # noqa: BLE001 - this thread must not die with infractions in its hands
            self._state_log.crashed()
            self.settle_lost()
        self._tell()

    def settle_lost(self) -> None:
        """Count as dropped what is in flight but in no pack."""
        if not self._ours:
            return
        lost = self._buffer.in_flight - sum(pack.infractions for pack in self.kept)
        self._buffer.land(lost, dropped=True)
        self._dropped_told += lost
        self.tell_flushing()

    def abandon(self) -> None:
        """Drop what is kept."""
        self.kept = []
        self.settle_lost()

    def tell_flushing(self) -> None:
        """Have those who wait look again."""
        for bell in tuple(self.flushing):
            bell.ring()

    def tell_lost(self, when: str) -> None:
        """Log how much is lost by now, if it is more than was told."""
        dropped = self._buffer.dropped.value() - self._malformed  # of those it was said how many
        lost = Lost(self.unsent(), dropped, self._refused["closed"].value())
        self._state_log.lost(when, lost, self.last_error)

    def unsent(self) -> int:
        """Return how many infractions wait, those in flight included."""
        return len(self._buffer) + self._buffer.in_flight

    def done(self) -> int:
        """Return how many infractions were sent or dropped."""
        return self.sent + self._buffer.dropped.value()

    def _send_some(self, pause: Callable[[float], bool], deadline_s: float | None) -> None:
        if not self.kept:
            self.kept = encode(self._buffer.take(), rest=self._rest, reporter=self._reporter)
        if not self.kept:
            return
        kept = deliver(
            partial(self._send, deadline_s), self.kept, settle=self._settle, wait=pause, clock=self._clock
        )
        if not self._ours:
            return
        self.kept = kept
        if self.kept:
            self._state_log.failing(self.last_error, self.unsent())
        else:
            self._state_log.sending()

    def _send(self, deadline_s: float | None, packs: Sequence[Pack]) -> Outcome:
        return self._sender.send(packs, None if deadline_s is None else deadline_s - self._clock())

    def _rest(self) -> None:
        if len(self._buffer) < TAKE_MAX:  # else it must catch up, or it would drop what it has time for
            time.sleep(REST_S)

    def _settle(self, outcome: Outcome) -> None:
        if not self._ours:
            return
        sent = sum(pack.infractions for pack in outcome.sent)
        malformed = sum(pack.infractions for pack in outcome.malformed)
        if malformed:
            self._state_log.malformed(malformed, outcome.error)
        landed = {pack.id for pack in (*outcome.sent, *outcome.malformed)}
        # At once, not when the round is over: whatever ends the round, nothing is counted or sent twice.
        self.kept = [pack for pack in self.kept if pack.id not in landed]
        self.sent += sent
        self.send_errors += outcome.error is not None
        self.last_error = outcome.error
        self.answers = bool(outcome.sent or outcome.malformed)
        self._buffer.land(sent)
        self._buffer.land(malformed, dropped=True)
        self._dropped_told += malformed
        self._malformed += malformed
        self.tell_flushing()

    def _tell(self) -> None:
        self._state_log.refused(reason for reason, counter in self._refused.items() if counter.value())
        dropped = self._buffer.dropped.value()
        self._state_log.overflow(dropped - self._dropped_told, self._clock())
        self._dropped_told = dropped
