"""The signals of a process: a handler only notes one, and whoever may take locks and wait does what it asks.

Nothing here is imported that takes long: a command uses this before anything else.
"""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

STOPS = frozenset({signal.SIGTERM, signal.SIGINT})
"""They ask for the stop."""

RELOAD = signal.SIGHUP
"""It asks for the jails to be read again."""

ORDERS = STOPS | {RELOAD}

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
        for each in ORDERS:
            signal.signal(each, _note)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ORDERS)  # who started this may have blocked them until now

    def fileno(self) -> int:
        """Name what becomes readable when a signal comes."""
        return self._reads

    def take(self) -> set[int]:
        """Take the numbers of those that came since the last call; waits if none did."""
        return set(os.read(self._reads, _TAKEN_AT_ONCE))


def _note(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the number is in the pipe already."""


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
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {RELOAD})


def end_undisturbed() -> None:
    """Ignore further signals, in the main thread of a process that has stopped: its exit code is chosen."""
    for each in ORDERS:
        with suppress(ValueError):  # not the main thread
            signal.signal(each, signal.SIG_IGN)


@contextmanager
def blocked(*numbers: signal.Signals) -> Iterator[None]:
    """Block signals in what is started meanwhile, until that unblocks them; none that comes here is lost."""
    from multiprocessing.resource_tracker import ensure_running  # noqa: PLC0415 - a command starts sooner without it

    ensure_running()  # with the first process it would start now, and unblock SIGINT and SIGTERM
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
