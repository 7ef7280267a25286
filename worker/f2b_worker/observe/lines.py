"""Lines on the way to standard error: whoever hands one over never waits, and hears of no failure."""

from __future__ import annotations

import io
import os
import select
import stat
import sys
import threading
import time
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, TypeAlias

from f2b_worker.observe.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import ReadableBuffer

HELD_BYTES_MAX = 4 * 1024 * 1024
"""So much is held while nobody takes it: some 15,000 lines."""

TRIES_EVERY_S = 0.5
_FULL_PIPE_S = 0.05
_AT_ONCE_BYTES = 65_536


@dataclass(slots=True)
class _Gap:
    """Where lines are missing, and how many."""

    lines: int


_Entry: TypeAlias = "bytes | _Gap | threading.Event"


class Lines:
    """A bounded buffer, and a thread that writes from it, in order, and tries again what failed.

    What finds no room is dropped and counted; one line in its place says so. Between that and room for the half
    nothing is taken, so that there is one such line and not hundreds.

    Args:
        file: The descriptor to write to.
        on_drop: Called with each line that is dropped.
        tell: Makes the line that says how many are missing, and why.
        held_bytes_max: How much is held.
    """

    def __init__(
        self,
        file: int,
        *,
        on_drop: Callable[[], None],
        tell: Callable[[int, str], bytes],
        held_bytes_max: int = HELD_BYTES_MAX,
    ) -> None:
        self._file = file
        self._on_drop = on_drop
        self._tell = tell
        self._held_bytes_max = held_bytes_max
        self.begin()

    def begin(self) -> None:
        """Start with nothing held and a thread of one's own; a forked process has neither of its own."""
        self._lock = threading.RLock()  # a signal handler of this very thread may log, too
        self._queue: SimpleQueue[_Entry] = SimpleQueue()  # its `put` may be interrupted by one, likewise
        self._held_bytes = 0
        self._gap: _Gap | None = None
        self._reason = ""
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def put(self, text: bytes) -> None:
        """Hand over a line, or several, with their ends."""
        with self._lock:
            room_bytes = self._held_bytes_max if self._gap is None else self._held_bytes_max // 2
            fits = self._held_bytes < room_bytes
            if fits:
                self._gap = None
                self._held_bytes += len(text)
                self._queue.put(text)
            elif self._gap is not None:
                self._gap.lines += 1
            else:
                self._gap = _Gap(1)
                self._queue.put(self._gap)
        if not fits:
            self._on_drop()

    def drain(self, within_s: float) -> bool:
        """Wait until all that was handed over before is written; tell whether it was within *within_s*."""
        written = threading.Event()
        self._queue.put(written)
        return written.wait(within_s)

    def _run(self) -> None:
        at_once_bytes = _at_once_bytes(self._file)
        entry: _Entry | None = None
        while True:
            entry = entry or self._queue.get()
            if isinstance(entry, bytes):
                entry = self._write_lines(entry, at_once_bytes)
            elif isinstance(entry, _Gap):
                self._write(self._close(entry))
                entry = None
            else:
                entry.set()
                entry = None

    def _write_lines(self, first: bytes, at_once_bytes: int) -> _Entry | None:
        """Write as many lines as go at once; answer what comes after them.

        Each write gives up Python's lock, and in a busy process it takes milliseconds to get it back.
        """
        texts, size_bytes = [first], len(first)
        after = self._next()
        while isinstance(after, bytes) and size_bytes + len(after) <= at_once_bytes:
            texts.append(after)
            size_bytes += len(after)
            after = self._next()
        self._write(b"".join(texts))
        with self._lock:
            self._held_bytes -= size_bytes
        return after

    def _next(self) -> _Entry | None:
        try:
            return self._queue.get_nowait()
        except Empty:
            return None

    def _close(self, gap: _Gap) -> bytes:
        with self._lock:
            if self._gap is gap:
                self._gap = None
        reason, self._reason = self._reason, ""
        return self._tell(gap.lines, reason or "nobody read them in time")

    def _write(self, text: bytes) -> None:
        """Write all of it, however often that fails."""
        rest = memoryview(text)
        while rest:
            try:
                rest = rest[os.write(self._file, rest) :]
            except BlockingIOError:  # who shares the file has asked for this instead of waiting
                time.sleep(_FULL_PIPE_S)
            except OSError as error:
                self._reason = error.strerror or str(error)
                time.sleep(TRIES_EVERY_S)


def _at_once_bytes(file: int) -> int:
    """Tell how much goes in one write without the lines of other processes of ours coming between (pipe(7))."""
    try:
        mode = os.fstat(file).st_mode
    except OSError:
        return select.PIPE_BUF
    return _AT_ONCE_BYTES if stat.S_ISREG(mode) or stat.S_ISCHR(mode) else select.PIPE_BUF


class LinesFile(io.RawIOBase):
    """What stands in place of standard error, for whoever writes to that: warnings, tracebacks, other loggers."""

    def __init__(self, lines: Lines, file: int) -> None:
        super().__init__()
        self._lines = lines
        self._file = file

    def writable(self) -> bool:
        """Say that it can be written."""
        return True

    def write(self, text: ReadableBuffer, /) -> int:
        """Hand over what is written."""
        taken = bytes(text)
        # A traceback quotes whatever was being read.
        self._lines.put(printable(taken.decode(errors="backslashreplace"), keep="\n").encode())
        return len(taken)

    def fileno(self) -> int:
        """Name the descriptor, for processes that are started."""
        return self._file

    def isatty(self) -> bool:
        """Tell whether somebody reads it on a terminal."""
        return os.isatty(self._file)


def open_standard_files() -> None:
    """Open those of standard input, output and error that are closed, to nowhere.

    Otherwise the next socket that is opened would be standard error to whoever writes there. And who takes what
    Python has in their place, None, for a file would fail.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003 - by position only
            file = os.fdopen(number, "w" if number else "r", closefd=False)
            setattr(sys, name, file)
            setattr(sys, f"__{name}__", file)
