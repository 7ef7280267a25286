"""Follows a live log, across rotation and truncation, and finds the infractions in it."""

import configparser
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import tzinfo
from pathlib import Path
from typing import BinaryIO

from f2b_producer._dates import Dates
from f2b_producer._failregex import FilterError, compile_failregexes, compile_ignoreregexes

POLL_S = 0.5  # no notifications: they differ by system, and do not work on network file systems
LINE_MAX_CHARACTERS = 16 * 1024  # a regex that backtracks is only slow on what is long
_LINE_MAX_BYTES = 4 * LINE_MAX_CHARACTERS  # as UTF-8 at most: a line without end must not fill the memory
_READ_BYTES = 1 << 16
_HEAD_BYTES = 128  # one log begins with another first line than the next: they carry times


class LogFilter:
    """Finds infractions in log lines by fail2ban's failregex lines.

    Args:
        failregexes: Each of one or several lines; the first that matches counts.
        ignoreregexes: Lines that match one of these are no infractions.
        zone: Of stamps that name none; None is the machine's local zone.
        clock: Epoch seconds, for lines before the first stamp and for stamps without a year.

    Raises:
        FilterError: Naming the regex and the place, if one is wrong or unsupported.

    Attributes:
        counts: How many lines `matched`, were `ignored`, had `no match`, `no address`, `no date` (they have
            the time of the line before) or were `too long`.
    """

    def __init__(
        self,
        failregexes: Iterable[str],
        ignoreregexes: Iterable[str] = (),
        *,
        zone: tzinfo | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._failregexes = compile_failregexes(failregexes)
        self._ignoreregexes = compile_ignoreregexes(ignoreregexes)
        self._dates = Dates(zone)
        self._clock = clock
        self._last_ms: int | None = None
        self.counts: Counter[str] = Counter()

    def find(self, line: bytes) -> tuple[str, int] | None:
        """Return the address that *line* reports and the epoch milliseconds when; None if it reports nobody."""
        text = line.decode("utf-8", "replace")
        if len(text) > LINE_MAX_CHARACTERS:
            self.counts["too long"] += 1
            return None
        now_ms = int(self._clock() * 1000)
        ip = self._judge(self._without_date(text.rstrip("\r\n"), now_ms))
        return (ip, now_ms if self._last_ms is None else self._last_ms) if ip else None

    def _without_date(self, line: str, now_ms: int) -> str:
        stamp = self._dates.find(line, now_ms)
        if stamp is None:
            self.counts["no date"] += 1
            return line
        self._last_ms = stamp.at_ms
        return line[: stamp.start] + line[stamp.end :]

    def _judge(self, line: str) -> str | None:
        tried = (failregex.search(line) for failregex in self._failregexes)
        ip = next((found for found in tried if found is not None), None)
        if ip is None:
            self.counts["no match"] += 1
            return None
        if any(ignored.search(line) for ignored in self._ignoreregexes):
            self.counts["ignored"] += 1
            return None
        self.counts["matched" if ip else "no address"] += 1
        return ip


def regexes(argument: str, option: str) -> list[str]:
    """Return the regexes that an argument gives.

    Args:
        argument: A regex, or ``@`` and a file: one regex a line, or a fail2ban filter without variables.
        option: Whose regexes are taken from a fail2ban filter: failregex or ignoreregex.

    Raises:
        FilterError: If the file cannot be read.
    """
    if not argument.startswith("@"):
        return [argument]
    try:
        text = Path(argument[1:]).read_text("utf-8")
    except (OSError, ValueError) as error:  # ValueError: not UTF-8
        raise FilterError(f"{argument[1:]} cannot be read: {error}") from None
    if "\n[Definition]" in "\n" + text:
        return [_defined(text, option, argument[1:])]
    return [line for line in text.split("\n") if not line.lstrip().startswith("#")]


def _defined(text: str, option: str, name: str) -> str:
    filter_file = configparser.RawConfigParser(delimiters=("=",), strict=False)
    try:
        filter_file.read_string(text)
    except configparser.Error as error:
        raise FilterError(f"{name} is no fail2ban filter: {' '.join(str(error).split())}") from None
    found = filter_file.get("Definition", option, fallback="")
    # Each % is written twice there; variables stay, to be refused by name.
    return found if "%(" in found.replace("%%", "") else found.replace("%%", "%")


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
        self._lines = _Lines()
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
        self._lines = _Lines()
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
        while self._file is not None and (read := self._file.read(_READ_BYTES)):
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
        self._lines = _Lines()  # the end of a partial line went with the old contents


class _Lines:
    """Puts lines together from what was read, cutting what is longer than any line that counts."""

    def __init__(self) -> None:
        self._partial = b""
        self._skipping = False

    def add(self, read: bytes) -> Iterator[bytes]:
        """Yield the lines that *read* completes."""
        *whole, partial = read.split(b"\n")
        for line in whole:
            if self._skipping:
                self._skipping = False
            else:
                yield self._partial + line
            self._partial = b""
        if not self._skipping:
            self._partial += partial
        if len(self._partial) > _LINE_MAX_BYTES:
            yield self._partial  # long enough to be counted as too long
            self._partial, self._skipping = b"", True

    def rest(self) -> Iterator[bytes]:
        """Yield the line without end that a finished file ends with."""
        if self._partial:
            yield self._partial
