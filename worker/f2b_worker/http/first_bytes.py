"""What a connection that speaks no HTTP/1 speaks instead, by its first bytes: mostly a setting is wrong."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from f2b_worker.http.unread import HTTP2, PROXY_PROTOCOL, TLS, other_version

if TYPE_CHECKING:
    from f2b_worker.http.unread import Unread

_KNOWN_BY_BYTES = 4096
"""So much of a beginning is looked at: a request line is longer only if nobody means it."""

_PROXY_V2 = b"\r\n\r\n\x00"
"""So the twelve bytes of the signature begin (haproxy's proxy-protocol.txt, 2.2)."""

_TLS_HANDSHAKE = 0x16
_VERSION = re.compile(rb"HTTP/(\d+(?:\.\d+)?)$")


def foreign(beginning: bytes) -> Unread | None:
    """Tell what is spoken instead of HTTP/1, by the bytes from where a request should begin.

    The PROXY protocol is never believed: who may connect could name any address as his.

    Args:
        beginning: What came up to now; of a protocol that is known by its first bytes, four will do.
    """
    beginning = beginning[:_KNOWN_BY_BYTES]
    if beginning.startswith((b"PROX", _PROXY_V2)):
        return PROXY_PROTOCOL
    if beginning[:1] == bytes([_TLS_HANDSHAKE]):
        return TLS
    if beginning.startswith(b"PRI * HTTP/2"):
        return HTTP2
    version = _version(beginning.lstrip(b"\r\n").partition(b"\n"))
    return other_version(version) if version and not version.startswith("1.") else None


def _version(line: tuple[bytes, bytes, bytes]) -> str:
    """Read the version in a request line, if that has come whole; HTTP/0.9 says none."""
    words = line[0].split()
    if not (line[1] and len(words) > 1):
        return ""
    found = _VERSION.match(words[-1])
    if found:
        return found[1].decode()
    return "0.9" if len(words) == 2 and words[0].isalpha() and words[1].startswith(b"/") else ""
