"""Puts lines together from what was read, and cuts those that are too long: an attacker writes into them."""

from collections.abc import Iterator
from typing import BinaryIO

LINE_MAX_CHARACTERS = 16 * 1024
READ_BYTES = 1 << 16

_END_CHARACTERS = 4 * 1024
# Each is as much as all characters that are judged, as UTF-8: so where it was cut is cut out once more.
_START_BYTES = _END_BYTES = 4 * LINE_MAX_CHARACTERS


def cut(line: str) -> str:
    """Cut the middle out of a line that is too long.

    Who misbehaved, and how it was answered, often stands at its end: without that, a long URL would hide it.
    """
    start = line[: LINE_MAX_CHARACTERS - _END_CHARACTERS].rstrip("\\")
    place = len(line) - _END_CHARACTERS
    # A quote that was escaped must not end a text, now that what stood before it is gone.
    while place < len(line) and line[place - 1] == "\\":
        place += 1
    return start + line[place:]


class Lines:
    """Puts lines together, in a bounded memory, whatever is read.

    Args:
        start: Where in the file the first byte that is read stands.

    Attributes:
        begun: Where the line that was yielded last begins.
        start: Where the next one begins.
    """

    def __init__(self, start: int = 0) -> None:
        self.begun = self.start = start
        self._partial = b""
        self._left_out = 0

    def add(self, read: bytes) -> Iterator[bytes]:
        """Yield the lines that *read* completes, without their ends."""
        *whole, partial = read.split(b"\n")
        for end in whole:
            yield self._taken(end, 1)
        self._partial += partial
        if (more := len(self._partial) - _START_BYTES - _END_BYTES) > 0:
            self._left_out += more
            self._partial = self._partial[:_START_BYTES] + self._partial[-_END_BYTES:]

    def rest(self) -> Iterator[bytes]:
        """Yield the line without end that a finished file ends with."""
        if self._partial:
            yield self._taken(b"", 0)

    def _taken(self, end: bytes, end_bytes: int) -> bytes:
        line = self._partial + end
        self.begun, self.start = self.start, self.start + self._left_out + len(line) + end_bytes
        self._partial, self._left_out = b"", 0
        return line


def read_lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a file, without their ends."""
    lines = Lines()
    while read := file.read(READ_BYTES):
        yield from lines.add(read)
    yield from lines.rest()
