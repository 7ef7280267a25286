import contextlib
import logging
import math
from collections.abc import Iterable

from f2b_producer._infraction import REASONS

OVERFLOW_OVER_S = 60.0  # a buffer at its limit overflows in bursts: one state, one line

_log = logging.getLogger("f2b_producer")


def _say(level: int, message: str, *args: object, exc_info: bool = False) -> None:
    # A handler of the application may raise; that must not end the thread that sends.
    with contextlib.suppress(Exception):
        _log.log(level, message, *args, exc_info=exc_info)


class StateLog:
    """Logs changes of state: one line when something goes wrong and one when it is well again."""

    def __init__(self) -> None:
        self._failing = False
        self._calm_until_s = -math.inf
        self._refusing: set[str] = set()

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

    def left_behind(self, infractions: int, error: str | None) -> None:
        """The producer was closed before it could send everything."""
        _say(logging.ERROR, "closed with %d infractions unsent: %s", infractions, error or "out of time")

    def crashed(self) -> None:
        """Log the exception being handled, which is a bug of this package."""
        _say(logging.ERROR, "unexpected error, going on", exc_info=True)

    def no_thread(self, error: Exception) -> None:
        """The background thread could not be started."""
        if not self._failing:
            _say(logging.WARNING, "cannot start the sending thread: %s", error)
        self._failing = True

    def threads_do_not_run(self) -> None:
        """The server lets no thread run but in the middle of requests."""
        _say(
            logging.WARNING,
            "cannot send now: this uWSGI runs no threads. Set enable-threads = true. "
            "Until then reports are sent when a worker stops",
        )
