import _thread
import contextlib
import logging
import math
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from itertools import count
from typing import NamedTuple

from f2b_producer import _ground
from f2b_producer._bells import Bell
from f2b_producer._infraction import REASONS
from f2b_producer._interrupted import is_green

OVERFLOW_OVER_S = 60.0  # a buffer at its limit overflows in bursts: one state, one line
# Of one queue in one process. One is enough; a few come from modules that do not know of each other, and one for
# each request passes this in moments.
PRODUCERS_MAX = 10
# How long a signal handler waits for a log handler, whose lock may be held by the very thread that it interrupts;
# and how long the end of the process does.
LOG_WAIT_S = 1.0
LOOK_S = 0.005

_log = logging.getLogger("f2b_producer")
_aside: list[None] = []  # one entry for each signal handler that speaks now
# Not the thread's id, as in `_quiet`.
_in_background: ContextVar[bool] = ContextVar("f2b_in_background", default=False)
_speaking: set[tuple[int, object]] = set()  # the process, and one of each of our threads that speaks now
_over: set[int] = set()  # the process, once its exit hooks have run


def go_into_background() -> None:
    """Say that this thread is one that the end of the process does not wait for."""
    _in_background.set(True)


def end_words() -> None:
    """Let our threads say nothing more: the process ends, and the calling thread has said what is lost.

    Python kills such a thread where it stands. If that is in a write to standard error, it keeps the lock, and
    Python aborts at its last flush: "_enter_buffered_busy: could not acquire lock for ... <stderr>".
    """
    here = os.getpid()
    _over.add(here)
    waits_until_s = time.monotonic() + LOG_WAIT_S
    while any(pid == here for pid, _ in tuple(_speaking)) and time.monotonic() < waits_until_s:
        time.sleep(LOOK_S)


@contextlib.contextmanager
def speaking_aside() -> Iterator[None]:
    """Have another thread log meanwhile, for this one is interrupted by a signal, and may hold a log's lock."""
    _aside.append(None)
    try:
        yield
    finally:
        _aside.pop()


def _say(level: int, message: str, *args: object, exc_info: bool = False) -> None:
    error = sys.exception() if exc_info else None
    if _aside:
        _say_aside(level, message, args, error)
    else:
        _say_here(level, message, args, error)


def _say_aside(level: int, message: str, args: tuple[object, ...], error: BaseException | None) -> None:
    said = Bell()

    def say() -> None:
        _say_here(level, message, args, error)
        said.ring()

    with contextlib.suppress(RuntimeError):  # no more threads
        # Not by `threading`, whose own lock the interrupted thread may hold.
        _thread.start_new_thread(say, ())
        if said.wait(LOG_WAIT_S):
            return
    with contextlib.suppress(OSError):
        os.write(2, f"f2b_producer: {message % args}\n".encode(errors="replace"))  # needs no lock


def _say_here(level: int, message: str, args: tuple[object, ...], error: BaseException | None) -> None:
    ours = (os.getpid(), object())
    if _in_background.get():
        _speaking.add(ours)
    # A handler of the application may raise, even SystemExit; that must not end the thread that sends.
    try:
        if ours not in _speaking or ours[0] not in _over:
            _log.log(level, message, *args, exc_info=error)
    except KeyboardInterrupt:  # of who waits for the end of the process, and not the handler's
        raise
    except SystemExit:
        if is_green():  # of a signal's handler, as well as not: this is the main thread
            raise
    except BaseException:  # noqa: BLE001, S110 - who cannot log cannot log that either
        pass
    finally:
        _speaking.discard(ours)


_made: dict[str, Iterator[int]] = {}


def count_producer(queue_url: str) -> None:
    """Count a producer that makes its own client; say once of each queue when they are too many."""
    made = next(_made.setdefault(queue_url, count(1)))
    if made == PRODUCERS_MAX + 1:
        _say(
            logging.WARNING,
            "this process has made %d producers for %s: make one when it starts, and keep it. Each has a thread"
            " and an SQS client of its own, which takes 1 MB and 50 ms of CPU",
            made,
            queue_url,
        )


_warned_of: set[str] = set()  # servers


def warn_of_stop(server: str, remedy: str) -> None:
    """Say once that *server* loses at a stop what is buffered, and what to do."""
    if server not in _warned_of:
        _warned_of.add(server)
        _say(
            logging.WARNING,
            "%s runs no exit hooks at SIGTERM, so what waits then is lost without a word: %s",
            server,
            remedy,
        )


class Lost(NamedTuple):
    """How many infractions never arrived: unsent now, dropped before, refused since the producer was closed."""

    unsent: int
    dropped: int
    refused: int


class StateLog:
    """Logs changes of state: one line when something goes wrong and one when it is well again."""

    def __init__(self) -> None:
        self._failing = False
        self._calm_until_s = -math.inf
        self._refusing: set[str] = set()
        self._grounded = False
        self._lost_told = 0

    def ground(self) -> None:
        """The first report is about to be sent: say once where that is, and at once if a stop would lose it."""
        if self._grounded:
            return
        self._grounded = True
        ground = _ground.find()
        _say(logging.DEBUG, "stands on this ground: %s", ground)
        if ground.loses:
            warn_of_stop(ground.server, f"set {ground.advice}, or call close() where your application stops")

    def failing(self, error: str | None, buffered: int) -> None:
        """A round of attempts has failed."""
        if not self._failing:
            _say(
                logging.WARNING,
                "cannot send, will go on trying: %s (%d infractions buffered)",
                error,
                buffered,
            )
        self._failing = True

    def sending(self) -> None:
        """Everything that was taken has been sent."""
        if self._failing:
            _say(logging.WARNING, "can send again")
        self._failing = False

    def overflow(self, dropped: int, now_s: float) -> None:
        """So many infractions were dropped since the last call; a minute without any ends the state."""
        if not dropped:
            return
        if now_s >= self._calm_until_s:
            _say(logging.WARNING, "buffer full: dropping the oldest infractions (see Stats.dropped)")
        self._calm_until_s = now_s + OVERFLOW_OVER_S

    def malformed(self, infractions: int, error: str | None) -> None:
        """The queue refused a message for good."""
        _say(logging.ERROR, "dropped %d infractions that the queue calls malformed: %s", infractions, error)

    def refused(self, reasons: Iterable[str]) -> None:
        """Reports were refused for these reasons; each is logged once."""
        for reason in reasons:
            if reason not in self._refusing:
                self._refusing.add(reason)
                _say(logging.WARNING, "refused a report, logged once for each reason: %s", REASONS[reason])

    def lost(self, when: str, lost: Lost, error: str | None) -> None:
        """The process ends, or the producer is closed, and so much is lost; told again only when it is more."""
        told, self._lost_told = self._lost_told, max(self._lost_told, sum(lost))
        if self._lost_told == told:
            return
        more = f", {lost.dropped} dropped before" if lost.dropped else ""
        more += f", {lost.refused} refused as closed" if lost.refused else ""
        why = error or ("out of time" if lost.unsent else "see Producer.stats()")
        try:
            _say(logging.ERROR, "%s with %d infractions unsent%s: %s", when, lost.unsent, more, why)
        except KeyboardInterrupt:
            self._lost_told = told
            raise

    def crashed(self) -> None:
        """Log the exception being handled, which is a bug of this package."""
        _say(logging.ERROR, "unexpected error, going on", exc_info=True)

    def no_thread(self, error: Exception) -> None:
        """The background thread could not be started."""
        if not self._failing:
            _say(logging.WARNING, "cannot start the sending thread: %s", error)
        self._failing = True

    def thread_died(self) -> None:
        """Log the exception being handled, which ends the background thread."""
        _say(logging.ERROR, "the sending thread has ended, the next report starts another", exc_info=True)

    def threads_do_not_run(self) -> None:
        """The server lets no thread run but in the middle of requests."""
        _say(
            logging.WARNING,
            "cannot send now: this uWSGI runs no threads. Set enable-threads = true. "
            "Until then reports are sent when a worker stops",
        )
