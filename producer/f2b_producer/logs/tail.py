"""Follows a live log, across rotation, truncation, and restarts of its reader."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, NamedTuple

from f2b_producer.logs.bookmark import Position, behind, ending, fingerprint
from f2b_producer.logs.lines import READ_BYTES, Lines
from f2b_producer.logs.rotated import file_with, opened, rotated_after

POLL_S = 0.5  # no notifications: they differ by system, and do not work on network file systems
_LINE_MAX_BYTES = 1 << 17  # how far back the start of the last line is looked for
_SAMPLE_BYTES = 1 << 17  # lines of which are learnt where the log has its dates


class TailedLine(NamedTuple):
    """One line, without its end.

    Attributes:
        text: Its bytes.
        file: The inode of the file that it was written to.
        offset: Where in that file it begins: with the inode, what tells it from all others, whenever it is read.
    """

    text: bytes
    file: int
    offset: int


class Turn:
    """What is read at one look at the log.

    Attributes:
        position: Where it begins, and how far and when it is read; None if there is nothing new.
        since_ms: When its lines were written at the earliest; None if nobody knows.
        now_ms: When they were written at the latest.
    """

    def __init__(
        self, lines: Iterable[TailedLine], position: Position | None, *, since_ms: int | None, now_ms: int
    ) -> None:
        self._lines = lines
        self.position = position
        self.since_ms = since_ms
        self.now_ms = now_ms

    def __iter__(self) -> Iterator[TailedLine]:
        """Yield the lines whose ends are written."""
        return iter(self._lines)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class Tail:
    """The lines that are added to a file, whatever its owner does to it.

    Renamed and made anew: the old file is read to its end, then the new one from its start. Truncated: the copy
    that was made of it, if there is one, is read to its end, then it from its start. Not there: waited for. A
    line counts when its end is written.

    Args:
        path: The log.
        from_start: Give what is in it already, too.
        wait: Waits a moment, and returns whether to go on.
        after: Go on from there, whatever *from_start* says.
        warn: Is told of lines that may have been missed.
        clock_ms: Tells the time.
    """

    def __init__(  # noqa: PLR0913 - what it is to read, and its world
        self,
        path: str,
        *,
        from_start: bool,
        wait: Callable[[], bool],
        after: Position | None = None,
        warn: Callable[[str], None] = lambda _: None,
        clock_ms: Callable[[], int] = _now_ms,
    ) -> None:
        self._path = path
        self._wait = wait
        self._warn = warn
        self._clock_ms = clock_ms
        self._file: BinaryIO | None = None
        self._reading: BinaryIO | None = None  # it, or a copy that has the rest of it
        self._inode: int | None = None
        self._read_to = 0
        self._fingerprint = ""
        self._ending = ""  # of the lines that were read
        self._leaving = False
        self._lines = Lines(0)
        self._since_ms: int | None = clock_ms()
        self._after = after
        if after is None and self._open():
            if from_start:
                self._since_ms = None
            else:
                self._skip_to_end()

    def __iter__(self) -> Iterator[Turn]:
        """Yield a turn for each look at the log, until `wait` says to stop."""
        try:
            if after := self._after:
                yield from self._go_on_from(after)
            yield self._turn()
            while self._wait():
                yield from self._look()
        finally:
            self._close()

    @property
    def is_waiting(self) -> bool:
        """Whether there is no such file yet."""
        return self._file is None and not os.path.exists(self._path)  # noqa: PTH110 - a path may be any text

    def position(self) -> Position:
        """Return up to where everything was read."""
        if self._after is not None:  # nothing was read yet
            return self._after
        offset = self._lines.start
        if self._reading is None:
            return Position(self._inode, offset, "", self._since_ms)
        read = self._reading.fileno()
        return Position(
            self._inode, offset, fingerprint(read, offset), self._since_ms, ending=ending(read, offset)
        )

    def sample(self) -> list[bytes]:
        """Return whole lines that are in the log already: its last ones."""
        try:
            with open(self._path, "rb") as file:  # noqa: PTH123 - as in _open
                end = file.seek(0, os.SEEK_END)
                file.seek(max(0, end - _SAMPLE_BYTES))
                lines = file.read(_SAMPLE_BYTES).split(b"\n")
        except OSError:
            return []
        return lines[1 if end > _SAMPLE_BYTES else 0 : -1]

    def _turn(self, file: BinaryIO | None = None, *, up_to: int | None = None, at_ms: int | None = None) -> Turn:
        """Make a turn of what is in the file by now, or in another *file* that has the rest of it."""
        file = file or self._file
        now_ms, since_ms = self._clock_ms() if at_ms is None else at_ms, self._since_ms
        if file is None:
            self._since_ms = now_ms
            return Turn((), None, since_ms=since_ms, now_ms=now_ms)
        self._reading = file
        end = os.fstat(file.fileno()).st_size if up_to is None else up_to
        position = None
        if end > self._read_to:
            place = self._lines.start
            known, last = fingerprint(file.fileno(), place), ending(file.fileno(), place)
            position = Position(self._inode, place, known, since_ms, turn_end=end, turn_ms=now_ms, ending=last)
        return Turn(self._read(file, end, now_ms), position, since_ms=since_ms, now_ms=now_ms)

    def _read(self, file: BinaryIO, end: int, now_ms: int) -> Iterator[TailedLine]:
        while self._read_to < end and (read := file.read(min(READ_BYTES, end - self._read_to))):
            self._read_to += len(read)
            for line in self._lines.add(read):
                yield TailedLine(line, self._inode or 0, self._lines.begun)
        self._fingerprint = fingerprint(file.fileno(), self._read_to)
        self._ending = ending(file.fileno(), self._lines.start)
        self._since_ms = now_ms

    def _rest(self) -> Turn:
        """Make a turn of the line without end that a finished file ends with."""
        rest = [TailedLine(line, self._inode or 0, self._lines.begun) for line in self._lines.rest()]
        now_ms = self._clock_ms()
        return Turn(rest, None, since_ms=self._since_ms, now_ms=now_ms)

    def _look(self) -> Iterator[Turn]:
        if self._file is None:
            self._open()
        elif self._is_replaced():
            yield from self._leave()
        elif self._is_truncated():
            yield from self._begin_again()
        yield self._turn()

    def _leave(self) -> Iterator[Turn]:
        """Go to the new file, one look later: a server told to reopen its log writes to the old one meanwhile."""
        yield self._turn()
        if self._leaving:
            yield self._rest()
            was_deleted = os.fstat(self._file.fileno()).st_nlink == 0 if self._file else False
            self._close()
            if self._open() and was_deleted and self._file:
                self._begin(self._file, behind(self._file.fileno(), self._ending))
        self._leaving = not self._leaving

    def _begin_again(self) -> Iterator[Turn]:
        """Read the end of what was cut off, if a copy has it, and begin at the start."""
        assert self._file is not None
        if copy := file_with(self._path, self._read_to, self._fingerprint, but=self._inode):
            with copy:
                copy.seek(self._read_to)
                yield self._turn(copy)
                yield self._rest()
            self._begin(self._file, 0)
        else:
            self._begin(self._file, behind(self._file.fileno(), self._ending))

    def _go_on_from(self, after: Position) -> Iterator[Turn]:
        """Read what is behind a place, in whatever files it is by now."""
        self._since_ms, self._after = after.seen_ms, None
        if after.file is None:
            self._open()
            return
        file = opened(self._path)
        if file is None or not _goes_on(file, after):
            if file is not None:
                file.close()
            file = file_with(self._path, after.offset, after.fingerprint, inode=after.file)
        if file is None:
            self._warn(
                f"{self._path} was rotated or truncated while nobody read it, and its old file is not here:"
                " some lines may be missed"
            )
            if self._open() and self._file:
                self._begin(self._file, behind(self._file.fileno(), after.ending))
            return
        self._begin(file, after.offset)
        self._inode = after.file  # of a copy, that of the file that was copied
        if after.turn_end is not None:
            yield self._turn(up_to=after.turn_end, at_ms=after.turn_ms)
        if self._is_replaced():
            yield from self._read_rotated(after)

    def _read_rotated(self, after: Position) -> Iterator[Turn]:
        while self._file is not None and self._is_replaced():
            yield self._turn()
            later = rotated_after(self._path, self._file)
            if not later and self._wait():  # as in _leave: its writer may not have reopened it yet
                yield self._turn()
                later = rotated_after(self._path, self._file)
            yield self._rest()
            self._close()
            if file := opened(later[0] if later else self._path):
                self._begin(file, 0)
            self._since_ms = after.seen_ms

    def _open(self) -> bool:
        file = opened(self._path)
        if file is None:  # not there, or not yet ours between a rotation's create and its chown
            return False
        self._begin(file, 0)
        return True

    def _begin(self, file: BinaryIO, offset: int) -> None:
        file.seek(offset)
        self._file = self._reading = file
        self._inode = os.fstat(file.fileno()).st_ino
        self._read_to = offset
        self._fingerprint = fingerprint(file.fileno(), offset)
        self._lines = Lines(offset)  # the end of a partial line went with the old contents

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = self._reading = None
            self._inode = None
            self._lines = Lines(0)

    def _skip_to_end(self) -> None:
        """Begin after the last whole line: one that is being written now is new."""
        assert self._file is not None
        end = self._file.seek(0, os.SEEK_END)
        start = max(0, end - _LINE_MAX_BYTES)
        self._file.seek(start)
        last = self._file.read(end - start)
        self._begin(self._file, start + last.rfind(b"\n") + 1)

    def _is_replaced(self) -> bool:
        """Whether another file has the name; while none has it, writers still write to the old one."""
        assert self._file is not None
        try:
            named = os.stat(self._path)  # noqa: PTH116 - beside fstat
        except OSError:
            return False
        return not os.path.samestat(named, os.fstat(self._file.fileno()))

    def _is_truncated(self) -> bool:
        """Whether what was read is no longer there; the file may have grown again since."""
        assert self._file is not None
        return fingerprint(self._file.fileno(), self._read_to) != self._fingerprint


def _goes_on(file: BinaryIO, after: Position) -> bool:
    """Tell whether *file* begins with what was read."""
    is_same = os.fstat(file.fileno()).st_ino == after.file and after.fingerprint != ""
    return is_same and fingerprint(file.fileno(), after.offset) == after.fingerprint
