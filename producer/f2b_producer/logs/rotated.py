"""Finds the rest of a log whose file was renamed or copied."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from f2b_producer.logs.bookmark import fingerprint

_ROTATED = re.compile(r"[-._](?:[0-9]|old)")  # how the name goes on: mail.err is no older mail
_PACKED = (".gz", ".bz2", ".xz", ".zst", ".lz4", ".Z")


def opened(path: str | Path) -> BinaryIO | None:
    """Open a file, None if that is not possible."""
    try:
        return open(path, "rb", buffering=0)  # noqa: PTH123 - a raw file, kept
    except OSError:
        return None


def _beside(log: str) -> Iterator[tuple[os.DirEntry[str], os.stat_result]]:
    """Yield the other files in the folder of a log, those that are packed left out."""
    try:
        with os.scandir(os.path.dirname(os.path.abspath(log))) as entries:  # noqa: PTH100, PTH120
            for entry in entries:
                if not entry.name.endswith(_PACKED) and entry.is_file(follow_symlinks=False):
                    yield entry, entry.stat(follow_symlinks=False)
    except OSError:
        return


def file_with(
    log: str, offset: int, known: str, *, inode: int | None = None, but: int | None = None
) -> BinaryIO | None:
    """Find the file beside a log that begins with what was read of it: the renamed one, or else a copy.

    Args:
        log: The path of the log.
        offset: How much of it was read.
        known: The fingerprint of that.
        inode: Of the file that was read.
        but: The inode of a file that is not looked at.
    """
    found = [
        (stat.st_ino != inode, entry.path)
        for entry, stat in _beside(log)
        if stat.st_ino != but and stat.st_size >= offset
    ]
    for is_other, path in sorted(found):
        if is_other and not offset:  # any file begins with nothing
            continue
        if file := opened(path):
            if known and fingerprint(file.fileno(), offset) == known:
                return file
            file.close()
    return None


def rotated_after(log: str, file: BinaryIO) -> list[str]:
    """Return the files that had the name of a log after the one that was read, the oldest first."""
    here = os.fstat(file.fileno())
    try:
        named = os.stat(log).st_ino  # noqa: PTH116 - beside the stats of _beside
    except OSError:
        named = None
    name = os.path.basename(log)  # noqa: PTH119 - as in _beside
    later = [
        (stat.st_mtime_ns, entry.path)
        for entry, stat in _beside(log)
        if entry.name.startswith(name)
        and _ROTATED.match(entry.name, len(name))
        and stat.st_ino not in {named, here.st_ino}
        and stat.st_mtime_ns > here.st_mtime_ns
    ]
    return [path for _, path in sorted(later)]
