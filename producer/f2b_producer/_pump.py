import os
import threading
import time
from collections.abc import Callable
from time import time as wall_s

from f2b_producer._buffer import FULL_PACK, TAKE_MAX, Buffer
from f2b_producer._infraction import REASONS, Infraction
from f2b_producer._loading import loading
from f2b_producer._pack import Pack, encode
from f2b_producer._patched import finish_ssl
from f2b_producer._room import WaitingRoom
from f2b_producer._sender import Outcome, Sender, deliver, jitter
from f2b_producer._states import StateLog
from f2b_producer._stats import Bell, Counter, Health, Stats

PAUSE_S = 5.0  # between rounds of attempts; an outage is noticed to be over this much later at most
FLUSH_PAUSE_S = 0.5  # the same while someone waits
# A thread that computes is made to let go of the interpreter only every 5 ms, which an event loop would feel.
REST_S = 0.000_05
HAND_OVER_S = 0.01  # how often a thread looks whether the one before it has ended
OVERDUE_S = 30.0  # see Health.overdue


class Pump:
    """Moves infractions from the buffer to the queue, in one background thread that starts when needed.

    Args:
        sender: Sends batches.
        max_buffered: Infractions kept at most, those in flight included.
        linger_s: Seconds to wait for company before a pack that is not full is sent.
        block_timeout_s: Seconds that a report waits for room in a full buffer; None drops the oldest at once.
        reporter: Who reports; "" does not say.
        clock: Seconds that only go forward.
    """

    def __init__(  # noqa: PLR0913 - each is a setting of its own
        self,
        sender: Sender,
        *,
        max_buffered: int,
        linger_s: float,
        block_timeout_s: float | None = None,
        reporter: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sender = sender
        self._linger_s = linger_s
        self._block_timeout_s = block_timeout_s
        self._reporter = reporter
        self._clock = clock
        self._buffer = Buffer(max_buffered)
        self.closed = False
        self._ending = False  # leave when nothing is left
        self._stopped = False  # leave now
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._life = object()  # another one after a fork
        self._refused = {reason: Counter() for reason in REASONS}
        self._state_log = StateLog()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._kept: list[Pack] = []
        self._sent = self._send_errors = self._flushing = self._dropped_told = 0
        self._last_error: str | None = None
        self._answers: bool | None = None
        self._room: WaitingRoom | None = None
        if self._block_timeout_s is not None:
            self._room = WaitingRoom(
                self._buffer, self._block_timeout_s, urge=self._make_room, gone=lambda: self.closed
            )
        self._make_locks()

    def _make_locks(self) -> None:
        self._made_with = threading.Lock  # gevent and eventlet put another one in its place
        self._arrived = Bell()  # rung by the first report since the thread looked
        self._hurry = Bell()  # ends the linger
        self._urgent = Bell()  # ends the pause between rounds
        self._turning = threading.Lock()
        self._settled = threading.Condition()
        if self._room:
            self._room.renew_lock()

    def begin_in_child(self) -> None:
        """Start afresh after a fork: what was buffered is the parent's, its locks and thread are gone."""
        self._buffer.reset()
        self._sender.forget_client()
        self._begin()

    def look(self) -> None:
        """Start afresh in the child of a fork that Python was not told of, as uWSGI makes them."""
        if os.getpid() != self._pid:
            self.begin_in_child()

    def put(self, infraction: Infraction) -> None:
        """Accept *infraction*, waiting for nothing but, if that was wanted, for room."""
        if (self._room or self._buffer).put(infraction) and self._hurry.silent():
            self._hurry.ring()
        if self._arrived.silent():
            self._wake(infraction)

    def warm_up(self) -> bool:
        """Make the client in the calling thread; return whether there is one."""
        self.look()
        with self._turning:  # not while the thread makes its own
            return self._sender.warm_up()

    def refuse(self, reason: str) -> None:
        """Count a report that was refused."""
        self._refused[reason].add()
        if self._arrived.silent() and not self._stopped:
            self._wake()  # the thread logs it

    def stats(self) -> Stats:
        """Return the counts of this process."""
        self.look()
        return Stats(
            accepted=self._buffer.accepted.value(),
            sent=self._sent,
            dropped=self._buffer.dropped.value(),
            refused={reason: n for reason, counter in self._refused.items() if (n := counter.value())},
            buffered=len(self._buffer) + self._buffer.in_flight,
            send_errors=self._send_errors,
            blocked=self._room.blocked.value() if self._room else 0,
        )

    def health(self) -> Health:
        """Return how the sending goes."""
        self.look()
        thread = self._thread
        oldest_s = self._buffer.oldest_s()
        waiting_s = 0.0 if oldest_s is None else max(0.0, wall_s() - oldest_s)
        return Health(
            thread_alive=thread is not None and thread.is_alive(),
            queue_answers=self._answers,
            last_error=self._last_error,
            oldest_waiting_s=waiting_s,
            fullness=self._buffer.fullness(),
            overdue=waiting_s > self._linger_s + OVERDUE_S,
        )

    def flush(self, timeout_s: float) -> bool:
        """Wait until what was accepted by now is sent; return whether all of it was, none dropped."""
        self.look()
        deadline_s = self._clock() + timeout_s
        target = self._buffer.accepted.value()
        dropped = self._buffer.dropped.value()
        with self._settled:
            self._flushing += 1
        self._ring_all()
        try:
            if self._thread is None or not self._thread.is_alive():
                self._work_here(deadline_s)
            with self._settled:
                settled = self._settled.wait_for(lambda: self._done() >= target, deadline_s - self._clock())
        finally:
            with self._settled:
                self._flushing -= 1
        return settled and self._buffer.dropped.value() == dropped

    def close(self, timeout_s: float) -> bool:
        """Flush, end the thread, count and log what is left; return whether nothing was."""
        self.closed = True
        deadline_s = self._clock() + timeout_s
        flushed = self.flush(timeout_s)
        self._ending = self._stopped = True
        left = len(self._buffer) + self._buffer.in_flight
        if left:
            self._state_log.left_behind(left, self._last_error)
        self._buffer.drop_all()
        self._ring_all()
        thread = self._thread
        if thread is None or not thread.is_alive():
            self._abandon()
        elif thread is not threading.current_thread():
            thread.join(max(0.0, deadline_s - self._clock()))
        return flushed and not left

    def retire(self) -> None:
        """Let the thread send what is buffered and then end; waits for nothing."""
        self._ending = True
        self._ring_all()

    def _wake(self, infraction: "Infraction | None" = None) -> None:
        if os.getpid() != self._pid:
            self.begin_in_child()
            if infraction is not None:
                self._buffer.put(infraction)
        if self._stopped:
            self._buffer.drop_all()  # reported while it was being closed
            return
        self._arrived.ring()
        patched = self._made_with is not threading.Lock
        if (self._thread is None or patched) and self._starting.acquire(blocking=False):
            try:
                self._start()
            finally:
                self._starting.release()

    def _start(self) -> None:
        if self._made_with is not threading.Lock:
            self._make_locks_anew()
        thread = threading.Thread(target=self._run, args=(self._thread,), name="f2b-producer", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # no more threads, or the interpreter is ending
            self._arrived.hush()  # the next report tries again
            self._state_log.no_thread(error)
        else:
            self._thread = thread

    def _make_locks_anew(self) -> None:
        """Follow gevent or eventlet, which has patched `threading`: a thread is now one of theirs.

        It would hold all others if it waited for a lock of the old kind. A thread that runs already ends.
        """
        bells = (self._arrived, self._hurry, self._urgent)
        self._make_locks()
        self._arrived.ring()
        finish_ssl()
        self._sender.forget_client()  # its sockets are of the old kind, too
        for bell in bells:
            bell.ring()

    def _make_room(self) -> None:
        if self._hurry.silent():
            self._hurry.ring()
        if self._arrived.silent():
            self._wake()

    def _ring_all(self) -> None:
        for bell in (self._arrived, self._hurry, self._urgent):
            bell.ring()

    def _run(self, before: threading.Thread | None) -> None:
        while before is not None and before.is_alive():
            time.sleep(HAND_OVER_S)
        with loading():
            pass  # what is loaded is not loaded by the client, in the middle of a fork
        if self._room:
            self._room.sending_thread = threading.get_ident()
        arrived = self._arrived
        while self._wait_for_work(arrived):
            self._turn()
        if arrived is self._arrived:
            self._abandon()

    def _wait_for_work(self, arrived: Bell) -> bool:
        """Wait until there is something to send and it is time to; return False to end.

        Another bell than *arrived* has another thread that hears it. A greenlet lives on after a fork, and a thread
        that was started before gevent or eventlet patched `threading` does so.
        """
        if self._stopped or arrived is not self._arrived:
            return False
        if not self._kept and not self._buffer:
            if self._ending:
                return False
            arrived.wait()
        if arrived is not self._arrived:
            return False
        if self._kept:
            self._urgent.wait((FLUSH_PAUSE_S if self._flushing else PAUSE_S) * (0.5 + jitter() / 2))
        elif len(self._buffer) < FULL_PACK and not self._flushing:
            self._hurry.wait(self._linger_s)
        return not self._stopped and arrived is self._arrived

    def _turn(self) -> None:
        """Send what is kept, or else what has waited longest."""
        with self._turning:
            try:
                self._send_some()
            except Exception:  # noqa: BLE001 - this thread must not die with infractions in its hands
                self._state_log.crashed()
                self._settle_lost()
            self._tell()

    def _send_some(self) -> None:
        self._urgent.hush()  # rung for what happens now
        if not self._kept:
            self._kept = encode(self._buffer.take(), rest=self._rest, reporter=self._reporter)
        if not self._kept:
            return
        life = self._life

        def settle(outcome: Outcome) -> None:
            if life is self._life:  # else a greenlet lives on in a forked child, and all this is its parent's
                self._settle(outcome)

        kept = deliver(self._sender.send, self._kept, settle=settle, wait=self._back_off, clock=self._clock)
        if life is not self._life:
            return
        self._kept = kept
        if self._kept:
            self._state_log.failing(self._last_error, len(self._buffer) + self._buffer.in_flight)
        else:
            self._state_log.sending()

    def _rest(self) -> None:
        if len(self._buffer) < TAKE_MAX:  # else it must catch up, or it would drop what it has time for
            time.sleep(REST_S)

    def _back_off(self, delay_s: float) -> bool:
        self._urgent.wait(delay_s)
        return not self._stopped

    def _settle(self, outcome: Outcome) -> None:
        sent = sum(pack.infractions for pack in outcome.sent)
        malformed = sum(pack.infractions for pack in outcome.malformed)
        if malformed:
            self._state_log.malformed(malformed, outcome.error)
        with self._settled:
            self._sent += sent
            self._send_errors += outcome.error is not None
            self._last_error = outcome.error
            self._answers = bool(outcome.sent or outcome.malformed)
            self._buffer.land(sent)
            self._buffer.land(malformed, dropped=True)
            self._dropped_told += malformed
            self._settled.notify_all()

    def _settle_lost(self) -> None:
        """Count as dropped what is in flight but in no pack."""
        with self._settled:
            lost = self._buffer.in_flight - sum(pack.infractions for pack in self._kept)
            self._buffer.land(lost, dropped=True)
            self._dropped_told += lost
            self._settled.notify_all()

    def _tell(self) -> None:
        self._state_log.refused(reason for reason, counter in self._refused.items() if counter.value())
        dropped = self._buffer.dropped.value()
        self._state_log.overflow(dropped - self._dropped_told, self._clock())
        self._dropped_told = dropped

    def _done(self) -> int:
        return self._sent + self._buffer.dropped.value()

    def _work_here(self, deadline_s: float) -> None:
        """Do the thread's work in the calling thread: there is no other, for example at exit."""
        while (self._kept or self._buffer) and self._clock() < deadline_s and not self._stopped:
            self._turn()
            if self._kept:
                self._urgent.wait(min(FLUSH_PAUSE_S, deadline_s - self._clock()))

    def _abandon(self) -> None:
        with self._turning:
            self._kept = []
            self._settle_lost()
