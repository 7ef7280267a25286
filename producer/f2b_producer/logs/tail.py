"""Follows a live log, across rotation and truncation."""

import os
from collections.abc import Callable, Iterator
from typing import BinaryIO

from f2b_producer.logs.lines import READ_BYTES, Lines

POLL_S = 0.5  # no notifications: they differ by system, and do not work on network file systems
_LINE_MAX_BYTES = 1 << 17  # how far back the start of the last line is looked for
_HEAD_BYTES = 128  # one log begins with another first line than the next: they carry times


class Tail:
    """The lines that are added to a file, whatever its owner does to it.

    Renamed and made anew: the old file is read to its end, then the new one from its start. Truncated: from
    the start. Not there: waited for. A line counts when its end is written.

    Args:
        path: The log.
        from_start: Give what is in it already, too.
        wait: Waits a moment, and returns whether to go on.
    """

    def __init__(self, path: str, *, from_start: bool, wait: Callable[[], bool]) -> None:
        self._path = path
        self._wait = wait
        self._file: BinaryIO | None = None
        self._head = b""
        self._leaving = False
        self._lines = Lines()
        if self._open() and not from_start:
            self._skip_to_end()

    def __iter__(self) -> Iterator[bytes]:
        """Yield lines without their ends, until `wait` says to stop."""
        try:
            yield from self._read()
            while self._wait():
                yield from self._look()
        finally:
            self._close()

    @property
    def is_waiting(self) -> bool:
        """Whether there is no such file yet."""
        return self._file is None

    def _look(self) -> Iterator[bytes]:
        if self._file is None:
            self._open()
        elif self._is_replaced():
            yield from self._leave()
        elif self._is_truncated():
            self._begin_again()
        yield from self._read()

    def _leave(self) -> Iterator[bytes]:
        """Go to the new file, one look later: a server told to reopen its log writes to the old one meanwhile."""
        yield from self._read()
        if self._leaving:
            yield from self._lines.rest()
            self._close()
            self._open()
        self._leaving = not self._leaving

    def _open(self) -> bool:
        try:
            self._file = open(self._path, "rb", buffering=0)  # noqa: PTH123, SIM115 - a raw file, kept
        except OSError:  # not there, or not yet ours between a rotation's create and its chown
            return False
        self._head = b""
        self._lines = Lines()
        return True

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _skip_to_end(self) -> None:
        """Begin after the last whole line: one that is being written now is new."""
        assert self._file is not None
        self._head = self._first_bytes()
        end = self._file.seek(0, os.SEEK_END)
        start = max(0, end - _LINE_MAX_BYTES)
        self._file.seek(start)
        last = self._file.read(end - start)
        self._file.seek(start + last.rfind(b"\n") + 1)

    def _read(self) -> Iterator[bytes]:
        while self._file is not None and (read := self._file.read(READ_BYTES)):
            yield from self._lines.add(read)
        if self._file is not None and len(self._head) < _HEAD_BYTES:
            self._head = self._first_bytes()

    def _first_bytes(self) -> bytes:
        assert self._file is not None
        return os.pread(self._file.fileno(), _HEAD_BYTES, 0)

    def _is_replaced(self) -> bool:
        """Whether another file has the name; while none has it, writers still write to the old one."""
        assert self._file is not None
        try:
            named = os.stat(self._path)  # noqa: PTH116 - beside fstat
        except OSError:
            return False
        return not os.path.samestat(named, os.fstat(self._file.fileno()))

    def _is_truncated(self) -> bool:
        assert self._file is not None
        if os.fstat(self._file.fileno()).st_size < self._file.tell():
            return True
        return not self._first_bytes().startswith(self._head)  # and has grown again since

    def _begin_again(self) -> None:
        assert self._file is not None
        self._file.seek(0)
        self._head = b""
        self._lines = Lines()  # the end of a partial line went with the old contents
