"""Sends what is buffered when SIGTERM comes, for servers that it ends without exit hooks."""

import _thread
import os
import signal
import threading
from types import FrameType

from f2b_producer._lifetime import stop_all
from f2b_producer._states import speaking_aside


def send_first() -> None:
    """Have SIGTERM send what is buffered before it does what it does now.

    Raises:
        ValueError: If this is not the main thread, or the present handler is not Python's.
    """
    previous = signal.getsignal(signal.SIGTERM)
    if isinstance(previous, _SendFirst):
        return
    if previous is None:
        raise ValueError("send_at_sigterm: the server handles SIGTERM itself, not in Python: leave it out here")
    try:
        signal.signal(signal.SIGTERM, _SendFirst(previous))
    except ValueError as error:
        raise ValueError(
            "send_at_sigterm: make the producer in the main thread, for example where the module is imported, "
            "or leave it out and call flush() where your server stops"
        ) from error


class _SendFirst:
    """A handler that sends, and then does what *previous* did.

    It may interrupt the main thread anywhere. So it takes no lock that this thread could hold without giving it
    up in time: every wait of `stop_all` ends with the time that the flush has.
    """

    def __init__(self, previous: "signal._HANDLER") -> None:
        self._previous = previous
        self._sending_in: int | None = None  # a process: a child that is forked meanwhile sends for itself

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        """Handle the signal. While it sends, another one changes nothing, but Ctrl-C ends the sending.

        A second SIGTERM is nobody's impatience: systemd signals all processes of a service, and then the server
        its workers.
        """
        if self._sending_in == os.getpid():
            return
        self._sending_in = os.getpid()
        if _is_green():
            _thread.start_new_thread(self._send, (signum, frame))  # this may be the hub, which must not wait
        else:
            self._send(signum, frame)

    def _send(self, signum: int, frame: FrameType | None) -> None:
        try:
            with speaking_aside():
                stop_all()
        finally:
            self._sending_in = None
            self._go_on(signum, frame)

    def _go_on(self, signum: int, frame: FrameType | None) -> None:
        if self._previous == signal.SIG_DFL:
            signal.signal(signum, signal.SIG_DFL)
            signal.raise_signal(signum)
            signal.signal(signum, self)  # still here: SIGTERM does not end process 1 of a container
        elif callable(self._previous):
            self._previous(signum, frame)


def _is_green() -> bool:
    """Whether gevent or eventlet has patched `threading`: then a new thread is a greenlet of this one."""
    return threading.Lock.__module__.partition(".")[0] in {"gevent", "eventlet"}
