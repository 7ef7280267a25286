"""Bodies that were packed on their way: unpacked a little at a time, and never to more than a body may have."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from f2b_worker.http.requests import Scope
    from f2b_worker.shim.slices import Slices

ACCEPTED = b"gzip, deflate"
"""What clients may send, as the header Accept-Encoding has it."""

GZIP = b"\x1f\x8b"
"""So it begins (RFC 1952, 2.3.1)."""

_KNOWN = {b"": False, b"identity": False, b"gzip": True, b"x-gzip": True, b"deflate": True}  # RFC 9110, 8.4.1
_UNPACKED_AT_ONCE_BYTES = 64 * 1024
# Behind the end of a member its rest is copied for the next one: little is copied of little.
_FED_AT_ONCE_BYTES = 4 * 1024
_MEMBERS_MAX = 1_000
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
_RAW = -zlib.MAX_WBITS
_DEFLATED = 8


class UnknownEncodingError(ValueError):
    """The body is packed in a way that is not read here."""


class NotPackedError(ValueError):
    """The body is not what its encoding says; the text says what it is."""


class TooLargeError(ValueError):
    """Unpacked, the body is longer than it may be."""


def is_packed(scope: Scope) -> bool:
    """Tell by its headers whether the body of a request must be unpacked.

    Raises:
        UnknownEncodingError: If that is not possible.
    """
    said = [value.strip().lower() for name, value in scope["headers"] if name == b"content-encoding"]
    if not said:
        return False
    if len(said) > 1 or said[0] not in _KNOWN:
        raise UnknownEncodingError
    return _KNOWN[said[0]]


async def unpack(packed: bytes, bytes_max: int, slices: Slices) -> bytes:
    """Unpack gzip of one or several members, or deflate with or without the head that RFC 9110 wants of it.

    Args:
        packed: The body as it came.
        bytes_max: How long it may be.
        slices: Whoever else has something to do has a turn between two of them.

    Raises:
        TooLargeError, NotPackedError: If it cannot be.
    """
    unpacked = bytearray()
    members = _Members(packed)
    for start in range(0, len(packed), _FED_AT_ONCE_BYTES):
        members.feed(packed[start : start + _FED_AT_ONCE_BYTES])
        while not members.are_hungry:
            unpacked += members.unpack_more()
            if len(unpacked) > bytes_max:
                raise TooLargeError
            if slices.is_over():
                await slices.next()
    members.end()
    return bytes(unpacked)


class _Members:
    """What is packed, one part after another, each of which ends by itself.

    Args:
        packed: How it begins.
    """

    def __init__(self, packed: bytes) -> None:
        self._open = zlib.decompressobj(_GZIP_OR_ZLIB if _has_head(packed) else _RAW)
        self._number = 1
        self._fed = b""
        self._has_more = False  # of what it was fed before

    @property
    def are_hungry(self) -> bool:
        return not (self._fed or self._has_more)

    def feed(self, packed: bytes) -> None:
        self._fed = packed

    def unpack_more(self) -> bytes:
        if self._open.eof and not self._begin_next():
            return b""
        try:
            unpacked = self._open.decompress(self._fed, _UNPACKED_AT_ONCE_BYTES)
        except zlib.error as error:
            raise NotPackedError(f"it is not what Content-Encoding says ({error})") from None
        self._has_more = len(unpacked) == _UNPACKED_AT_ONCE_BYTES and not self._open.eof
        self._fed = self._open.unused_data if self._open.eof else self._open.unconsumed_tail
        return unpacked

    def _begin_next(self) -> bool:
        self._fed = self._fed.lstrip(b"\0")  # zeros fill up the last block of a tape or a disk
        if not self._fed:
            return False
        self._number += 1
        if not GZIP.startswith(self._fed[:2]) or self._number > _MEMBERS_MAX:
            raise NotPackedError("something that is not packed follows the end of it")
        self._open = zlib.decompressobj(_GZIP_OR_ZLIB)
        return True

    def end(self) -> None:
        if not self._open.eof:
            raise NotPackedError("it ends too early: its last part is missing")


def _has_head(packed: bytes) -> bool:
    """Tell gzip and zlib from deflate alone, which some send for what RFC 9110 (8.4.1.2) calls deflate."""
    is_zlib = packed[:1] != b"" and packed[0] & 15 == _DEFLATED and int.from_bytes(packed[:2]) % 31 == 0
    return packed.startswith(GZIP) or is_zlib
