import math
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from time import time as wall_s

from f2b_producer._bells import Bell, Bells
from f2b_producer._buffer import FULL_PACK, Buffer
from f2b_producer._infraction import REASONS, Infraction
from f2b_producer._interrupted import is_green, run_handing_on
from f2b_producer._lifetime import hook_child_end
from f2b_producer._loading import loading
from f2b_producer._patched import finish_ssl
from f2b_producer._quiet import is_own_record, under_way
from f2b_producer._room import WaitingRoom
from f2b_producer._rounds import Rounds
from f2b_producer._sender import Sender, jitter
from f2b_producer._states import StateLog, go_into_background
from f2b_producer._stats import Counter, Health, Stats
from f2b_producer._waiting import Wait

PAUSE_S = 5.0  # between rounds of attempts; an outage is noticed to be over this much later at most
FLUSH_PAUSE_S = 0.5  # the same while someone waits
HAND_OVER_S = 0.01  # how often a thread looks whether the one before it has left
OVERDUE_S = 30.0  # see Health.thread_alive


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
        self._retired_until_s = math.inf
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._refused = {reason: Counter() for reason in REASONS}
        self._state_log = StateLog()
        self._starting = threading.Lock()
        self._rounds = Rounds(
            self._buffer,
            self._sender,
            self._refused,
            self._state_log,
            reporter=self._reporter,
            clock=self._clock,
        )
        self._thread: threading.Thread | None = None
        self._given_up_at: int | None = None  # accepted when the end of the process waited in vain
        self._room: WaitingRoom | None = None
        if self._block_timeout_s is not None:
            self._room = WaitingRoom(
                self._buffer, self._block_timeout_s, urge=self._make_room, gone=lambda: self.closed
            )
        self._hang(Bells())

    def _hang(self, bells: Bells) -> None:
        self._bells = bells
        self._arrived, self._hurry = bells.arrived, bells.hurry  # of which each report asks
        if self._room:
            self._room.renew_lock()

    def begin_in_child(self) -> None:
        """Start afresh after a fork: what was buffered is the parent's, its locks and thread are gone."""
        self._rounds.leave_to_parent()
        self._buffer.reset()
        self._sender.forget_client()
        if not self._bells.fit():
            finish_ssl()  # no report has come between the patch and the fork
        self._begin()

    def look(self) -> None:
        """Start afresh in the child of a fork that Python was not told of, as uWSGI makes them."""
        if os.getpid() != self._pid:
            self.begin_in_child()

    def put(self, infraction: Infraction) -> None:
        """Accept *infraction*, waiting for nothing but, if that was wanted, for room."""
        if under_way and is_own_record():
            self.refuse("sending")
            return
        if (self._room or self._buffer).put(infraction) and self._hurry.silent():
            self._hurry.ring()
        if self._arrived.silent():
            self._wake(infraction)

    def warm_up(self) -> bool:
        """Make the client in the calling thread; return whether there is one."""
        self.look()
        with self._bells.turning:  # not while the thread makes its own
            return self._sender.warm_up()

    def refuse(self, reason: str) -> None:
        """Count a report that was refused."""
        self._refused[reason].add()
        if self._stopped:
            self._state_log.refused((reason,))  # there is no thread any more that could
        elif self._arrived.silent():
            self._wake()  # the thread logs it

    def stats(self) -> Stats:
        """Return the counts of this process."""
        self.look()
        return Stats(
            accepted=self._buffer.accepted.value(),
            sent=self._rounds.sent,
            dropped=self._buffer.dropped.value(),
            refused={reason: n for reason, counter in self._refused.items() if (n := counter.value())},
            buffered=self._rounds.unsent(),
            send_errors=self._rounds.send_errors,
            blocked=self._room.blocked.value() if self._room else 0,
        )

    def health(self) -> Health:
        """Return how the sending goes."""
        self.look()
        thread = self._thread
        oldest_s = self._buffer.oldest_s()
        waiting_s = 0.0 if oldest_s is None else max(0.0, wall_s() - oldest_s)
        overdue = waiting_s > self._linger_s + OVERDUE_S and self._rounds.answers is not False
        return Health(
            thread_alive=thread is not None and thread.is_alive() and not overdue,
            queue_answers=self._rounds.answers,
            last_error=self._rounds.last_error,
            oldest_waiting_s=waiting_s,
            fullness=self._buffer.fullness(),
        )

    def flush(self, timeout_s: float, patience_s: float = math.inf) -> bool:
        """Wait until what was accepted by now is sent; return whether all of it was, none dropped.

        Args:
            timeout_s: Seconds to wait at most.
            patience_s: Seconds of these to wait at most for a queue that is away.
        """
        self.look()
        target = self._buffer.accepted.value()
        dropped = self._buffer.dropped.value()
        at_the_end = patience_s < math.inf
        if at_the_end and target == self._given_up_at:
            timeout_s = 0.0
        wait = Wait(timeout_s, patience_s, clock=self._clock)
        settling = Bell()
        flushing = self._rounds.flushing
        flushing.append(settling)
        self.urge()
        try:
            settled = self._wait_for(target, wait, settling)
        finally:
            flushing.remove(settling)
        if at_the_end and not settled:
            self._given_up_at = target
        return settled and self._buffer.dropped.value() == dropped

    def stop(self, timeout_s: float, patience_s: float) -> None:
        """Send what is buffered and tell what could not be sent, for the process may end without exit hooks."""
        self._linger_s = 0.0  # what is reported from here on may have no time to wait for company
        deadline_s = self._clock() + timeout_s
        try:
            while self.flush(deadline_s - self._clock(), patience_s) and self._rounds.unsent():
                pass  # others have reported meanwhile
        finally:
            self._rounds.tell_lost("stopping")

    def close(self, timeout_s: float, patience_s: float = math.inf) -> bool:
        """Flush, end the thread, count and log what is left; return whether nothing was."""
        deadline_s = self._clock() + (0.0 if self._stopped else timeout_s)  # twice, it waits once
        flushed = False
        try:
            flushed = self.flush(deadline_s - self._clock(), patience_s)  # others may report meanwhile
            self.closed = True
            flushed = flushed and self.flush(deadline_s - self._clock(), patience_s)
        finally:  # of Ctrl-C too
            left = self._end(deadline_s if flushed else self._clock())
        return flushed and not left

    def retire(self, timeout_s: float) -> None:
        """Let the thread send what is buffered and then end, after *timeout_s* also unsent; waits for nothing."""
        self._retired_until_s = self._clock() + timeout_s
        self._ending = True
        self.urge()

    def urge(self) -> None:
        """Have the thread send now what is buffered."""
        self._bells.ring()

    def _end(self, deadline_s: float) -> int:
        """End the thread, and tell, drop and return what is left."""
        self.closed = self._ending = self._stopped = True
        left = self._rounds.unsent()
        self._rounds.tell_lost("closed")
        self._buffer.drop_all()
        self.urge()
        thread = self._thread
        if thread is None or not self._has_thread():
            self._abandon(deadline_s)
        elif thread is not threading.current_thread():
            thread.join(max(0.0, deadline_s - self._clock()))
        return left

    def _wake(self, infraction: "Infraction | None" = None) -> None:
        if os.getpid() != self._pid:
            self.begin_in_child()
            if infraction is not None:
                self._buffer.put(infraction)
        if self._stopped:
            self._buffer.drop_all()  # reported while it was being closed
            self._rounds.tell_lost("closed")
            return
        self._arrived.ring()
        self._ensure_thread()

    def _has_thread(self) -> bool:
        thread = self._thread
        return thread is not None and thread.is_alive() and self._bells.fit()

    def _ensure_thread(self) -> None:
        if not self._has_thread() and self._starting.acquire(blocking=False):
            try:
                self._start()
            finally:
                self._starting.release()

    def _start(self) -> None:
        hook_child_end()
        older = self._bells if self._thread is not None else None
        if not self._bells.fit():
            self._follow_patch()
        arguments = (self._run, self._bells, older)
        thread = threading.Thread(target=run_handing_on, args=arguments, name="f2b-producer", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # no more threads, or the interpreter is ending
            self._arrived.hush()  # the next report tries again
            self._state_log.no_thread(error)
        else:
            self._thread = thread

    def _follow_patch(self) -> None:
        """Go on with locks and sockets of the kind that gevent or eventlet has put in place of the older one."""
        older = self._bells
        self._hang(Bells())
        self._arrived.ring()
        older.ring()  # a thread that runs leaves
        finish_ssl()
        self._sender.forget_client()

    def _make_room(self) -> None:
        if self._hurry.silent():
            self._hurry.ring()
        if self._arrived.silent():
            self._wake()

    def _run(self, bells: Bells, older: Bells | None) -> None:
        go_into_background()
        try:
            while older is not None and older.left.silent():
                time.sleep(HAND_OVER_S)
            self._work(bells)
        except BaseException as error:  # a client or a log handler may raise SystemExit, or memory be short
            if is_green() and isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise
            self._state_log.thread_died()
        finally:
            bells.left.ring()
            if bells is self._bells:
                self._thread = None
                self._rounds.tell_flushing()
                bells.arrived.hush()  # the next report starts another
        while bells is not self._bells or not bells.fit():
            bells.arrived.wait()  # for ever: at its end `threading` would miss it among threads of another kind

    def _work(self, bells: Bells) -> None:
        with loading():
            pass  # what else would be loaded by the first call of a client, in the middle of a fork
        if self._room:
            self._room.sending_thread = threading.get_ident()
        with bells.turning:
            self._rounds.settle_lost()  # of a thread that died
        while self._wait_for_work(bells):
            self._turn()
        if bells is self._bells:
            self._abandon()

    def _wait_for_work(self, bells: Bells) -> bool:
        """Wait until there is something to send and it is time to; return False to end.

        A thread whose bells hang no more has a successor: it was there before gevent or eventlet patched
        `threading`, or it is one of their greenlets, which live on in a forked child.
        """
        if self._rounds.kept and self._clock() >= self._retired_until_s:
            self.close(0)  # nobody holds the producer: in an outage such threads would pile up
        if self._stopped or bells is not self._bells:
            return False
        if not self._rounds.kept and not self._buffer:
            if self._ending:
                return False
            bells.arrived.wait()
        if bells is not self._bells:
            return False
        if self._rounds.kept:
            bells.urgent.wait((FLUSH_PAUSE_S if self._rounds.flushing else PAUSE_S) * (0.5 + jitter() / 2))
        elif len(self._buffer) < FULL_PACK and not self._rounds.flushing:
            bells.hurry.wait(self._linger_s)
        return not self._stopped and bells is self._bells

    def _turn(self, deadline_s: float | None = None) -> None:
        """Make a round of attempts, as the only one who does; with a deadline in the thread of somebody else."""
        bells = self._bells
        if bells.turning.acquire(timeout=self._left_s(deadline_s)):
            try:
                bells.urgent.hush()  # rung for what happens now
                self._rounds.send(partial(self._back_off, bells, deadline_s), deadline_s)
            finally:
                bells.turning.release()

    def _left_s(self, deadline_s: float | None) -> float:
        return -1 if deadline_s is None else max(0.0, deadline_s - self._clock())

    def _back_off(self, bells: Bells, deadline_s: float | None, delay_s: float) -> bool:
        if deadline_s is not None and deadline_s - self._clock() <= delay_s + FLUSH_PAUSE_S:
            return False
        bells.urgent.wait(delay_s)
        return not self._stopped and bells is self._bells

    def _work_here(self, wait: Wait) -> None:
        """Do the thread's work in the calling thread while there is no other, for example at exit."""
        self._ensure_thread()
        while (self._rounds.kept or self._buffer) and not self._has_thread() and not self._stopped:
            left_s = wait.left_s(away=self._rounds.answers is False)
            if left_s <= 0:
                return
            self._turn(self._clock() + left_s)
            if self._rounds.kept:
                if wait.left_s(away=self._rounds.answers is False) <= FLUSH_PAUSE_S:
                    return  # another attempt would hardly have the time
                self._bells.urgent.wait(FLUSH_PAUSE_S)

    def _wait_for(self, target: int, wait: Wait, settling: Bell) -> bool:
        while self._rounds.done() < target:
            if not self._has_thread():
                self._work_here(wait)
            left_s = wait.left_s(away=self._rounds.answers is False)
            if left_s <= 0 or self._rounds.done() >= target:
                break
            # Not longer: Python handles a signal that comes just before a wait at its end.
            settling.wait(min(left_s, FLUSH_PAUSE_S))
        return self._rounds.done() >= target

    def _abandon(self, deadline_s: float | None = None) -> None:
        turning = self._bells.turning
        if turning.acquire(timeout=self._left_s(deadline_s)):
            try:
                self._rounds.abandon()
            finally:
                turning.release()
