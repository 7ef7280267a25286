"""The door: a port, a UNIX socket that a file names, or a socket that a supervisor handed over."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import socket
import stat
import sys
from contextlib import contextmanager, suppress
from itertools import starmap
from pathlib import Path
from struct import Struct
from typing import TYPE_CHECKING

from f2b_worker.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

_ANYBODY = 0o666
"""Who reaches the file may report, as who reaches a port may; its folder says who reaches it. To connect one needs
the right to write: a proxy runs as another user, and 0660 would need a group of both."""

BACKLOG = 4096
_ASKS_WITHIN_S = 2.0
_FIRST_HANDED = 3
"""SD_LISTEN_FDS_START."""

_SO_ATTACH_FILTER = 26
_STEP = Struct("HBBI")
_PROGRAM = Struct("HP")
_DROP_NEWCOMERS = (
    (0x30, 0, 0, 13),  # load the byte of a segment that has its flags
    (0x54, 0, 0, 0x12),  # of these SYN and ACK
    (0x15, 0, 1, 0x02),  # is it SYN alone?
    (0x06, 0, 0, 0),  # then keep nothing of it
    (0x06, 0, 0, 0xFFFFFFFF),  # else keep all
)
"""A program of classic BPF (https://docs.kernel.org/networking/filter.html): code, jumps, operand."""

_FAMILIES = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)


class Door:
    """Where clients come in: a socket that was handed over, else a UNIX socket, else a port.

    Args:
        host: Of the port.
        port: The port.
        uds: The file of the UNIX socket; empty for a port.

    Attributes:
        listener: The socket that listens.
        is_handed_over: Whether a supervisor holds it, too.

    Raises:
        StartError: If somebody else has it, or what was handed over does not listen.
    """

    def __init__(self, host: str, port: int, uds: str = "") -> None:
        self._file: SocketFile | None = None
        handed = handed_listener()
        self.is_handed_over = handed is not None
        if handed:
            self.listener: socket.socket = handed
        elif uds:
            self._file = SocketFile(Path(uds))
            self.listener = self._file.listener
        else:
            self.listener = listen_on_port(host, port)

    def remove(self) -> None:
        """Remove the file of a UNIX socket that we made: nobody listens any more."""
        if self._file:
            self._file.remove()


def handed_listener(
    environment: MutableMapping[str, str] = os.environ, first: int = _FIRST_HANDED
) -> socket.socket | None:
    """Take the listening socket that systemd or another supervisor handed over, as sd_listen_fds(3) says.

    It stays open over there. So who connects while this process is restarted waits in the kernel's queue, and the
    next process answers.

    Args:
        environment: Has `LISTEN_PID` and `LISTEN_FDS`. They are taken out: no child is meant by them.
        first: The number of the first file that is handed over.

    Returns:
        The socket, or None where this process was handed nothing.

    Raises:
        StartError: If it is not one, or does not listen.
    """
    said = {name: environment.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")}
    if said["LISTEN_PID"] != str(os.getpid()):
        return None
    number = said["LISTEN_FDS"]
    if number != "1":
        raise StartError(
            f"LISTEN_FDS={number}: f2b takes one listening socket: leave one ListenStream= in the socket unit"
        )
    listener = _listener_of(first)
    if listener is None:
        raise StartError(
            "LISTEN_FDS=1: what was handed over is no TCP or UNIX socket that listens: let the socket unit have"
            " ListenStream=, and not Accept=yes"
        )
    listener.set_inheritable(False)
    return listener


def _listener_of(number: int) -> socket.socket | None:
    try:
        given = socket.socket(fileno=number)
    except OSError:
        return None
    is_known = given.family in _FAMILIES and given.type == socket.SOCK_STREAM
    if is_known and given.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return given
    given.detach()
    return None


def place_of(listener: socket.socket) -> str:
    """Say where a socket listens, as people write it."""
    if listener.family == socket.AF_UNIX:
        return os.fsdecode(listener.getsockname()).replace("\0", "@")
    host, port, *_ = listener.getsockname()
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def let_nobody_in(listener: socket.socket) -> None:
    """Have the kernel let in nobody who wants to connect from now on; whom it let in before stays in the queue.

    Else whoever comes between our last look into the queue and the closing of the socket is let in and reset. At a
    port he is passed over, asks again after a second, and is refused, or let in by the next process: a filter of
    the kernel does it (socket(7), SO_ATTACH_FILTER). At a UNIX socket he is refused (`unix_stream_connect` in
    net/unix/af_unix.c of Linux). Both are so for all who have the socket: do it to none that another process goes
    on with.
    """
    if sys.platform != "linux":
        return
    if listener.family == socket.AF_UNIX:
        listener.shutdown(socket.SHUT_RD)
        return
    steps = ctypes.create_string_buffer(b"".join(starmap(_STEP.pack, _DROP_NEWCOMERS)))
    program = _PROGRAM.pack(len(_DROP_NEWCOMERS), ctypes.addressof(steps))
    with suppress(OSError):  # a sandbox may forbid it
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


def listen_on_port(host: str, port: int, prefix: str = "--") -> socket.socket:
    """Take a port, and listen: of two that start, one hears at once that it is taken.

    Args:
        host: An address of this machine, or a name of one: the IPv4 address, if it has both, because clients try
            that in any case. `::` is all addresses, of both; nothing is all of IPv4.
        port: The port.
        prefix: What the options for both begin with.

    Raises:
        StartError: If somebody else has it, or the host is no address of this machine.
    """
    try:
        found = socket.getaddrinfo(host or "0.0.0.0", port, type=socket.SOCK_STREAM)  # noqa: S104 - see above
        family, *_, address = min(found, key=lambda each: each[0] != socket.AF_INET)
        both = address[0] == "::" and socket.has_dualstack_ipv6()
        return socket.create_server(address, family=family, backlog=BACKLOG, dualstack_ipv6=both)
    except OSError as error:
        is_of_port = error.errno in {errno.EADDRINUSE, errno.EACCES}
        option = f"{prefix}port {port}" if is_of_port else f"{prefix}host {host}"
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise StartError(f"{option}: cannot listen: {why or error}") from error


class SocketFile:
    """A UNIX socket that listens, and the file that names it.

    Args:
        path: The file. That of a process which was killed is replaced.

    Attributes:
        listener: The socket.

    Raises:
        StartError: If somebody listens there, or something else has the name, or the folder is not ours.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.listener = socket.socket(socket.AF_UNIX)
        try:
            with _alone_in(path.parent):
                _make_way(path)
                self.listener.bind(str(path))
                path.chmod(_ANYBODY)
                self.listener.listen(BACKLOG)  # now: whoever starts meanwhile asks whether somebody does
                self._identity = _identity(path)
        except BaseException as error:
            self.listener.close()
            if isinstance(error, OSError):
                raise StartError(f"--uds {path}: {error.strerror or error}") from error
            raise

    def remove(self) -> None:
        """Stop listening, and remove the file, unless it is another process's by now."""
        self.listener.close()
        with suppress(OSError, StartError), _alone_in(self._path.parent):
            if _identity(self._path) == self._identity:
                _make_way(self._path)  # the number of a file that is gone is given again: somebody may listen


def _make_way(path: Path) -> None:
    """Remove the socket of a dead process."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise StartError(f"--uds {path}: this is no socket; it stays as it is: name another file, or remove it")
    with socket.socket(socket.AF_UNIX) as asked:
        asked.settimeout(_ASKS_WITHIN_S)
        try:
            asked.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except (BlockingIOError, TimeoutError):  # so many wait there that nobody is let in
            pass
    raise StartError(f"--uds {path}: another process listens on it")


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Keep other processes of f2b away from the names in a folder, so that two that start do not take one name."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _identity(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_dev, found.st_ino  # and no time: an operator changes the mode
