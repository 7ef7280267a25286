"""Puts lines together from what was read, and cuts those that are too long: an attacker writes into them."""

import re
from collections.abc import Iterator
from typing import BinaryIO

LINE_MAX_CHARACTERS = 16 * 1024
READ_BYTES = 1 << 16

_END_CHARACTERS = 4 * 1024
# Each is as much as all characters that are judged, as UTF-8: so where it was cut is cut out once more.
_START_BYTES = _END_BYTES = 4 * LINE_MAX_CHARACTERS
_FIELD_START_CHARACTERS, _FIELD_END_CHARACTERS = 1536, 512  # of each of the eight or fewer that a line may fill
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_FIELD = re.compile(r'(?:[^"\\]|\\.)++', re.DOTALL)  # in quotation marks, or between two that are


def cut(line: str) -> str:
    """Cut out of a line that is too long: the middle of each long field, and if that is not enough, its own.

    Who misbehaved, and how it was answered, must be left: a client's name, URL, and agent stand before, between
    and behind them, and each may be long.
    """
    if _QUOTED.search(line):
        line = _FIELD.sub(
            lambda field: _without_middle(field[0], _FIELD_START_CHARACTERS, _FIELD_END_CHARACTERS), line
        )
    return _without_middle(line, LINE_MAX_CHARACTERS - _END_CHARACTERS, _END_CHARACTERS)


def _without_middle(text: str, start_characters: int, end_characters: int) -> str:
    if len(text) <= start_characters + end_characters:
        return text
    start = text[:start_characters].rstrip("\\")
    place = len(text) - end_characters
    # A quote that was escaped must not end a text, now that what stood before it is gone.
    while place < len(text) and text[place - 1] == "\\":
        place += 1
    return start + text[place:]


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
