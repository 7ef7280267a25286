"""The time of a whole answer of AWS is bounded: a socket's timeout counts for each read, and so bounds none.

Without this, an answer that brings a byte now and then holds up its caller for ever.
"""

from __future__ import annotations

import io
import ssl
import time
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any, cast

from botocore.awsrequest import AWSHTTPConnection, AWSHTTPSConnection

if TYPE_CHECKING:
    import socket

    from _typeshed import WriteableBuffer

SLOWEST_BYTES_PER_S = 64 * 1024
"""What comes earns the rest of its answer so much time: so a big one may come over a slow link, and no trickle."""

LONGEST = 3
"""So many times its client's read timeout an answer takes at most, however much of it comes."""

ANSWER_BYTES_MAX = 64 * 1024 * 1024
"""Ten messages of a MiB, which JSON may write three times as long, are the longest answer that f2b asks for."""


class _Reads(io.RawIOBase):
    """Reads one answer; its time is the socket's timeout when it begins."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._timeout_s = sock.gettimeout() or 0.0
        self._began_s = time.monotonic()
        self._came_bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        if self._came_bytes:  # before, the socket's own timeout is the time that is left
            self._sock.settimeout(self._left_s())
        try:
            came_bytes = self._raw.readinto(buffer)
        except ssl.SSLWantReadError:
            came_bytes = None
        if came_bytes is None:
            raise TimeoutError("the answer did not come to its end in time")
        self._came_bytes += came_bytes
        return came_bytes

    def _left_s(self) -> float:
        """Tell how long the next read may wait: not at all if its time is over, but for what is there already.

        This process, or its machine, may have slept.
        """
        if self._came_bytes > ANSWER_BYTES_MAX:
            raise OSError(f"the answer is longer than {ANSWER_BYTES_MAX} bytes")
        earned_s = self._came_bytes / SLOWEST_BYTES_PER_S
        whole_s = min(self._timeout_s + earned_s, LONGEST * self._timeout_s)
        return max(0.0, self._began_s + whole_s - time.monotonic())

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Stand for a socket: this is all that http.client asks of it for an answer."""
        return io.BufferedReader(self)

    def close(self) -> None:
        self._raw.close()
        super().close()


class WholeAnswer(HTTPResponse):
    """An HTTP answer that comes to its end within its connection's read timeout, or fails as if none came."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(cast("socket.socket", _Reads(sock)), *args, **kwargs)


def bound_answers() -> None:
    """Let no client of botocore in this process, nor who fetches its credentials, wait for an answer for ever.

    botocore has no setting for that; which class reads a connection's answers is http.client's own attribute.
    """
    for connection in (AWSHTTPConnection, AWSHTTPSConnection):
        connection.response_class = WholeAnswer  # type: ignore[assignment]  # its type is too narrow
