"""Remembers how far a log was read, in a file, so that a restart neither repeats nor skips a line."""

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from hashlib import blake2b
from pathlib import Path
from typing import Any

_VERSION = 1
_NUMBER_MAX = 1 << 47  # bytes, or milliseconds: what is above it was never a place in a file, or a time
_SEARCHED_BYTES = 1 << 20
_BEGINNING = b'{"version"'
_READ_BYTES_MAX = 65_536  # a place with the longest path is shorter; a log may fill the memory
_SAMPLE_BYTES = 128  # at either end of what was read: lines of a log differ, they carry times


class BookmarkError(ValueError):
    """A file for the place that cannot be used; its text is one line for the user."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far a log was read.

    Attributes:
        file: The inode of the file; None while there was none.
        offset: The first byte that is still to be read.
        fingerprint: Of what stands before it.
        seen_ms: A moment when nothing but what stands before it was in the file; None if nobody knows one.
        turn_end: Up to here it was read, and is perhaps sent; None if all that was read is sent.
        turn_ms: When.
        ending: Of what stands before it: its last bytes, by which the place is found in a log that was edited.
    """

    file: int | None
    offset: int
    fingerprint: str
    seen_ms: int | None
    turn_end: int | None = None
    turn_ms: int | None = None
    ending: str = ""


class Bookmark:
    """One log's place in one file.

    Args:
        path: The file.
        log: The log that it is about.
    """

    def __init__(self, path: str, log: str) -> None:
        self._path = path
        self._log = str(Path(log).absolute())
        self._lock: int | None = None

    def hold(self) -> None:
        """Keep other processes away until `release`: two that share a place make each other skip lines.

        Raises:
            BookmarkError: If another one has it, or it cannot be held.
        """
        try:
            self._lock = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise BookmarkError(f"{self._path}.lock cannot be written: {error.strerror or error}") from None
        with contextlib.suppress(OSError):  # a file system without locks
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.release()
                raise BookmarkError(f"{self._path} is in use: give each f2b-report a file of its own") from None

    def release(self) -> None:
        """Let others have it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def load(self, warn: Callable[[str], None] = lambda _: None) -> Position | None:
        """Return the place; None if none is remembered, or, with a warning, if what is there is broken.

        Raises:
            BookmarkError: If it cannot be read, is about another log, or holds something else, which the next save
                would replace.
        """
        path = Path(self._path)
        if path.resolve() == Path(self._log).resolve():
            raise BookmarkError(f"{self._path} is the log itself: give the place a file of its own")
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise BookmarkError(f"{self._path} is not a file")
        try:
            with path.open("rb") as file:
                text = file.read(_READ_BYTES_MAX)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise BookmarkError(f"{self._path} cannot be read: {error.strerror or error}") from None
        if not _may_be_a_place(text):
            raise BookmarkError(f"{self._path} holds something else, which would be lost: name a file of its own")
        try:
            known = json.loads(text)
            log, position = known["log"], _position(known)
        except (ValueError, TypeError, KeyError, RecursionError):
            warn(f"{self._path} holds no place that can be read: the log is read as if there were none")
            return None
        if log != self._log:
            raise BookmarkError(f"{self._path} holds the place of {log!r}: give each log a file of its own")
        return position

    def save(self, position: Position) -> None:
        """Remember a place, wholly or not at all.

        Raises:
            BookmarkError: If it cannot be written.
        """
        text = json.dumps({"version": _VERSION, "log": self._log, **asdict(position)})
        new = f"{self._path}.new"
        try:
            # Never through a link that somebody put there, and for nobody else's eyes.
            Path(new).unlink(missing_ok=True)
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor
                file.write(text)
                file.flush()
                os.fsync(descriptor)
            Path(new).replace(self._path)
        except OSError as error:
            raise BookmarkError(f"{self._path} cannot be written: {error.strerror or error}") from None


def _may_be_a_place(text: bytes) -> bool:
    """Tell whether this was written by `save`, whole or cut short; else it may be a log, also one of JSON."""
    return text[: len(_BEGINNING)] == _BEGINNING[: len(text)] and b"\n" not in text


def _position(known: dict[str, Any]) -> Position:
    """Read a place.

    Raises:
        ValueError, TypeError, KeyError: If it is none.
    """
    position = Position(**{field.name: known[field.name] for field in fields(Position)})
    numbers = (position.offset, position.seen_ms, position.turn_end, position.turn_ms)
    if (
        known["version"] != _VERSION
        or not all(each is None or (type(each) is int and 0 <= each <= _NUMBER_MAX) for each in numbers)
        or not (position.file is None or type(position.file) is int)
        or position.offset is None
        or not isinstance(position.fingerprint, str)
        or not isinstance(position.ending, str)
        or (position.turn_end is None) != (position.turn_ms is None)
    ):
        raise ValueError
    return position


def fingerprint(descriptor: int, offset: int) -> str:
    """Return what tells a file that was read up to *offset* from others, by its first and last bytes before it."""
    ends = os.pread(descriptor, min(_SAMPLE_BYTES, offset), 0)
    ends += os.pread(descriptor, min(_SAMPLE_BYTES, offset), max(0, offset - _SAMPLE_BYTES))
    return blake2b(ends, digest_size=12).hexdigest() if len(ends) == 2 * min(_SAMPLE_BYTES, offset) else ""


def ending(descriptor: int, offset: int) -> str:
    """Return what tells lines that were read up to *offset* from others, by their last bytes."""
    return _ending_of(os.pread(descriptor, min(_SAMPLE_BYTES, offset), max(0, offset - _SAMPLE_BYTES)))


def _ending_of(text: bytes) -> str:
    return blake2b(text, digest_size=12).hexdigest() if text else ""


def behind(descriptor: int, known: str) -> int:
    """Return where in a file goes on what follows a known ending; 0 if that is not in it.

    Who edits a log, or cuts off its start, puts a file there that has old lines again: they did not happen now.
    """
    at, before = 0, b""
    while known and (read := os.pread(descriptor, _SEARCHED_BYTES, at)):
        text = before + read
        for found in re.finditer(b"\n", text):
            if _ending_of(text[max(0, found.end() - _SAMPLE_BYTES) : found.end()]) == known:
                return at - len(before) + found.end()
        at += len(read)
        before = text[-_SAMPLE_BYTES:]
    return 0
