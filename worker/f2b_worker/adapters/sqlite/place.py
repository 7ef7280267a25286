"""Whether the state file that is open is the one that a restart would open.

SQLite goes on in a file that was deleted, moved or replaced, and in one that somebody else has written over
(https://www.sqlite.org/howtocorrupt.html). So whoever says that something is stored looks here after its commit.
"""

from __future__ import annotations

import os
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from f2b_worker.adapters.sqlite.file import INDEX, LOCK, LOG, check_pages, connect
from f2b_worker.errors import FileLost, StartError, Unavailable

_LOG_HEADER_BYTES = 32
_LOG_MAGIC = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
"""https://www.sqlite.org/fileformat2.html#walformat"""

_SMALL_BYTES = 4 << 20
"""As much is read in five milliseconds, while requests wait."""


class Identity(NamedTuple):
    """What tells one file from every other on this machine."""

    device: int
    inode: int


class Place:
    """The paths of an open state file and of those beside it, and what they stood for when it was opened.

    Args:
        path: The state file; it is open, with all of the files beside it.
        known: What another process saw there when it opened them; without it, what is there now.

    Attributes:
        path: The state file.
        known: What was seen of each file, by the ending of its name.
    """

    def __init__(self, path: Path, known: dict[str, Identity] | None = None) -> None:
        self._paths = {ending: Path(f"{path}{ending}") for ending in ("", LOG, INDEX, LOCK)}
        self._texts = {ending: str(each) for ending, each in self._paths.items()}
        self.path = path
        self.known = known or {ending: _identity(each.stat()) for ending, each in self._paths.items()}
        self._log = self._paths[LOG].open("rb", buffering=0)
        self._sound: tuple[int, int, bytes] | None = None
        self._log_bytes = 0
        self._log_header = b""
        self._mode = path.stat().st_mode

    def check(self, *, beside: bool = False) -> None:
        """See that what was committed until now would be found after a restart.

        It costs some microseconds, and a reading of a small file, or of what waits in a large one, whenever the
        file itself was written to or the log began anew: a checkpoint does so about once a minute.

        Args:
            beside: Whether to look for those files, too, without which all is found, but which keep others out.

        Raises:
            FileLost: If one of the files is gone, another one, or damaged.
            Unavailable: If the file was made read-only, or nobody can tell.
        """
        main = self._stat("")
        self._check_log(self._stat(LOG).st_size)
        for ending in (INDEX, LOCK) if beside else ():
            self._stat(ending)
        if main.st_mode != self._mode and not os.access(self.path, os.R_OK | os.W_OK):
            raise Unavailable(f"state file {self.path} is read-only: make it writable again")
        seen = main.st_size, main.st_mtime_ns, self._log_header
        if seen != self._sound:
            shrank = self._sound is not None and main.st_size < self._sound[0]
            self.check_contents("" if shrank or main.st_size <= _SMALL_BYTES else "inbox")
            self._sound = seen

    def check_contents(self, table: str = "") -> None:
        """Read *table*, or all of the file, as a restart would.

        Raises:
            FileLost: If it is damaged.
            Unavailable: If nobody can tell now.
        """
        try:
            with closing(connect(self.path, "rw")) as fresh:  # what the others have in memory may be long gone
                check_pages(fresh, table)
        except StartError as error:
            raise Unavailable(str(error)) from error

    def is_ours(self, ending: str = "") -> bool | None:
        """Tell whether the file with this *ending* is the one that was opened; None if there is none."""
        with suppress(FileNotFoundError):
            return _identity(self._paths[ending].stat()) == self.known[ending]
        return None

    def close(self) -> None:
        """Let go of the log; twice is no error."""
        self._log.close()

    def _stat(self, ending: str) -> os.stat_result:
        try:
            found = os.stat(self._texts[ending])  # noqa: PTH116 - each commit waits for it
        except OSError as error:
            raise FileLost(f"{self._paths[ending]} was deleted or moved ({error.strerror})") from error
        if _identity(found) != self.known[ending]:
            raise FileLost(f"{self._paths[ending]} is another file now: somebody replaced it")
        return found

    def _check_log(self, size_bytes: int) -> None:
        """See that a restart would read the log: SQLite itself reads its header then only.

        It never gets shorter, unless somebody asks SQLite for it; then it begins anew, with another header.
        """
        header = self._read_log_header()
        if header == self._log_header and size_bytes >= self._log_bytes:
            self._log_bytes = size_bytes
            return
        if header and (header == self._log_header or not _is_header(header)):
            raise FileLost(f"{self._paths[LOG]} was truncated or damaged")
        self._log_header, self._log_bytes = header, size_bytes

    def _read_log_header(self) -> bytes:
        header = os.pread(self._log.fileno(), _LOG_HEADER_BYTES, 0)
        if not header or header == self._log_header or _is_header(header):
            return header
        return os.pread(self._log.fileno(), _LOG_HEADER_BYTES, 0)  # the judge may have been writing it


def _identity(stat: os.stat_result) -> Identity:
    return Identity(stat.st_dev, stat.st_ino)


def _is_header(header: bytes) -> bool:
    """Tell whether the log's header has the checksum that SQLite gave it."""
    if len(header) < _LOG_HEADER_BYTES or header[:4] not in _LOG_MAGIC:
        return False
    order = "big" if header[3] & 1 else "little"
    words = [int.from_bytes(header[at : at + 4], order) for at in range(0, 24, 4)]  # type: ignore[arg-type]
    first = second = 0
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFF_FFFF
        second = (second + odd + first) & 0xFFFF_FFFF
    return header[24:32] == first.to_bytes(4, "big") + second.to_bytes(4, "big")
