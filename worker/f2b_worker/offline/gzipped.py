"""Reads what was compressed with gzip, and no more of it than any honest file holds: gzip packs 1,000 to 1."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import TYPE_CHECKING

from f2b_worker.errors import StartError

if TYPE_CHECKING:
    from typing import BinaryIO

    from _typeshed import WriteableBuffer

UNPACKED_BYTES_MAX = 1 << 30
"""10 million infractions: what is read is held in memory."""

RATIO_MAX = 200
"""Real attacks pack 12 to 21 times smaller, one line with another time again and again 56 times."""

FREE_BYTES = 1 << 24
"""So much may come of any file, whatever its ratio."""


class Gzipped(io.RawIOBase):
    """The contents of a .gz file.

    Args:
        packed: The file.
        name: What it is called.
    """

    def __init__(self, packed: BinaryIO, name: str) -> None:
        self._packed = packed
        self._name = name
        self._contents = gzip.GzipFile(fileobj=packed)
        self._unpacked_bytes = 0

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read what comes next.

        Raises:
            StartError: If the file is no gzip, is damaged, or unpacks to more than an honest one would.
        """
        try:
            size_bytes = self._contents.readinto(buffer)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            remedy = "pack it again, or give the file unpacked"
            raise StartError(f"{self._name}: cannot be unpacked: {error}: {remedy}") from error
        self._unpacked_bytes += size_bytes
        self._check()
        return size_bytes

    def _check(self) -> None:
        unpacked_bytes = self._unpacked_bytes
        if unpacked_bytes > UNPACKED_BYTES_MAX:
            wrong = f"more than {UNPACKED_BYTES_MAX >> 20:,} MiB"
        elif unpacked_bytes > max(FREE_BYTES, RATIO_MAX * self._packed.tell()):
            wrong = f"more than {RATIO_MAX} times its size"
        else:
            return
        remedy = f"if you trust it, run: gunzip -c {self._name} | f2b replay -"
        raise StartError(f"{self._name}: unpacks to {wrong}: {remedy}")
