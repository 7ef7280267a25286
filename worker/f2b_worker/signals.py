"""The signals of a process: a handler only notes one, and whoever may take locks and wait does what it asks.

Nothing here is imported that takes long: a command uses this before anything else.
"""

from __future__ import annotations

import os
import select
import signal
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import FrameType

STOPS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})
"""They ask for the stop; the last one where an image or a habit comes from nginx."""

RELOAD = signal.SIGHUP
"""It asks for the jails to be read again."""

ORDERS = STOPS | {RELOAD}

UNHEEDED = frozenset(
    getattr(signal, name)
    for name in ("SIGUSR1", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGIO", "SIGPWR", "SIGSTKFLT")
    if hasattr(signal, name)  # each system has its own
)
"""They ask nothing of f2b, and end whoever does not know them: what rotates logs sends the first two."""

EXIT_INTERRUPTED = 130
"""What a shell expects after Ctrl-C."""

_TAKEN_AT_ONCE = 4096


class Signals:
    """The signals that came, by a pipe that Python's own handler writes to: it takes no lock and waits for nobody.

    Make it in the main thread, once; any thread may wait for it and take what came.
    """

    def __init__(self) -> None:
        self._reads, writes = os.pipe()
        os.set_blocking(writes, False)
        signal.set_wakeup_fd(writes, warn_on_full_buffer=False)
        outlive(*ORDERS, *UNHEEDED)

    def fileno(self) -> int:
        """Name what becomes readable when a signal comes."""
        return self._reads

    def take(self) -> set[int]:
        """Take the numbers of those that came since the last call; waits if none did."""
        return set(os.read(self._reads, _TAKEN_AT_ONCE))

    def take_now(self) -> set[int]:
        """Take the numbers of those that came since the last call, if any."""
        asked = select.poll()  # any number of files may be open
        asked.register(self._reads, select.POLLIN)
        return self.take() if asked.poll(0) else set()


def _pass(_number: int, _frame: FrameType | None) -> None:
    """Do nothing; where somebody wants to know, the number is in a pipe already."""


def outlive(*numbers: signal.Signals, by: Callable[[int, FrameType | None], None] = _pass) -> None:
    """Go on when one of these signals comes; programs that are started from here know nothing of that.

    Args:
        numbers: The signals. Who started this process may have blocked them until now.
        by: Called with each, in the main thread, where it may wait for nothing.
    """
    for each in numbers:
        signal.signal(each, by)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)


def tell_unheeded(numbers: Iterable[int]) -> None:
    """Say in the log that these signals came and ask nothing of this process; no handler may call it."""
    import structlog  # noqa: PLC0415 - a command starts sooner without it

    log: structlog.stdlib.BoundLogger = structlog.get_logger()
    for each in sorted(numbers):
        log.info("signal_unheeded", signal=signal.Signals(each).name)


def leave_at_once(program: str) -> None:
    """Let a signal that asks for the stop end this process at once, for as long as there is nothing to stop.

    As PID 1, too: for that the kernel ignores each signal without a handler. Ctrl-C is told as *program*'s, in one
    line.
    """

    def leave(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            with suppress(OSError):  # nobody reads it
                os.write(2, f"{program}: interrupted\n".encode())
            os._exit(EXIT_INTERRUPTED)
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
        os._exit(128 + number)  # as PID 1

    for each in STOPS:
        signal.signal(each, leave)


def leave_with_the_terminal() -> None:
    """Let this process end with its terminal and by Ctrl-C, as a command does that runs no worker."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {RELOAD})


def end_undisturbed() -> None:
    """Ignore further signals, in the main thread of a process that has stopped: its exit code is chosen."""
    for each in ORDERS | UNHEEDED:
        with suppress(ValueError):  # not the main thread
            signal.signal(each, signal.SIG_IGN)


@contextmanager
def blocked(*numbers: signal.Signals) -> Iterator[None]:
    """Block signals in what is started meanwhile, until that unblocks them; none that comes here is lost."""
    from multiprocessing.resource_tracker import ensure_running  # noqa: PLC0415 - a command starts sooner without it

    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    ensure_running()  # with the first process it would start now, and unblock SIGINT and SIGTERM
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
