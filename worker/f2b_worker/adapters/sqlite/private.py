"""Files that belong to one user: the state file, and all beside it.

Who reads them knows every address that was ever reported. Who writes them bans and lifts as he likes. And who can
only open the lock can hold it, and keeps the worker from starting.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from f2b_worker.errors import StartError

if TYPE_CHECKING:
    from pathlib import Path

OWNER_ONLY = 0o600
_OTHERS = 0o077
_KINDS = (
    (stat.S_ISLNK, "a symbolic link: remove it, or name the file itself"),
    (stat.S_ISDIR, "a folder: name a file"),
    (stat.S_ISFIFO, "a FIFO: remove it, or name another file"),
    (stat.S_ISSOCK, "a socket: remove it, or name another file"),
)


def make_private(path: Path) -> None:
    """Make an empty file, unless there is one already; then see that it is fit, and nobody else's.

    A file that is there is not opened: to close a file that SQLite has open drops SQLite's locks on it
    (https://www.sqlite.org/howtocorrupt.html#posix_close_bug).

    Raises:
        StartError: If something else stands there, or nothing can be made.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, OWNER_ONLY))
    except FileExistsError:
        keep_private(path)
    except OSError as error:
        raise StartError(f"cannot open state file {path}: {error.strerror}") from error


def keep_private(path: Path) -> None:
    """See that a file, if it is there, is fit and nobody else's: others lose their rights, and that is said.

    Raises:
        StartError: If something else stands there.
    """
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _cannot_open(path, error) from error
    _check(path, found)
    if found.st_mode & _OTHERS:
        _take_rights(path, found)


def open_private(path: Path) -> int:
    """Open a file that holds nothing, and make it if it is not there; no link is followed.

    Raises:
        StartError: If something else stands there, or it cannot be opened.
    """
    keep_private(path)  # it also says what stands in the way of the next line
    try:
        # Whoever puts a FIFO there in this very moment does not keep us waiting.
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        handle = os.open(path, flags, OWNER_ONLY)
    except OSError as error:
        raise _cannot_open(path, error) from error
    try:
        _check(path, os.fstat(handle))
    except StartError:
        os.close(handle)
        raise
    return handle


def _check(path: Path, found: os.stat_result) -> None:
    for is_one, what in _KINDS:
        if is_one(found.st_mode):
            raise StartError(f"{path} is {what}")
    if not stat.S_ISREG(found.st_mode):
        raise StartError(f"{path} is a device: name a file")
    if found.st_nlink > 1:
        raise StartError(
            f"{path} has {found.st_nlink} names (hard links): remove the others, or copy it and move the copy here"
        )


def _take_rights(path: Path, found: os.stat_result) -> None:
    import structlog  # noqa: PLC0415 - commands that look into a file wait for none

    log = structlog.get_logger()
    mode = f"{stat.S_IMODE(found.st_mode):04o}"
    try:
        path.chmod(OWNER_ONLY)
    except OSError as error:
        remedy = f"as its owner, run: chmod 600 {path}"
        log.warning("file_is_open_to_others", file=str(path), mode=mode, reason=error.strerror, remedy=remedy)
    else:
        log.warning("file_was_open_to_others", file=str(path), mode=mode, mode_now=f"{OWNER_ONLY:04o}")


def _cannot_open(path: Path, error: OSError) -> StartError:
    remedy = f"; make the folder {path.parent}" if isinstance(error, FileNotFoundError) else ""
    return StartError(f"cannot open {path}: {error.strerror}{remedy}")
