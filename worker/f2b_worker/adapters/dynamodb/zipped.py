"""Text that is stored compressed: an item holds 400 KB."""

from __future__ import annotations

import zlib

UNZIPPED_BYTES_MAX = 16 * 1024 * 1024
"""Far above anything that is stored; what is compressed may grow a thousandfold if it is broken."""


def zipped(text: str) -> bytes:
    """Compress *text*."""
    return zlib.compress(text.encode())


def unzipped(packed: bytes) -> str:
    """Read what `zipped` wrote.

    Raises:
        ValueError: If it is not the whole of what was compressed.
    """
    unpacking = zlib.decompressobj()
    try:
        text = unpacking.decompress(packed, UNZIPPED_BYTES_MAX)
    except zlib.error as error:
        raise ValueError("it is not compressed text") from error
    if not unpacking.eof:
        raise ValueError("a part of it is missing")
    return text.decode()
