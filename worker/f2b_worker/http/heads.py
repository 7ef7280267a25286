"""Where heads of requests end, and those that the parser does not take as they are, written anew so that it does.

Only what can be meant in one way is mended. All else stays as it is, and the parser refuses it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HEAD_ENDS = b"\r\n\r\n"
_END = re.compile(rb"\n\r?\n")
_LINE = re.compile(rb"[^\n]*\n")
_ODD_BYTE = re.compile(rb"[\x80-\xff]")
_VERSION = re.compile(rb" HTTP/1\.[2-9]$")
_OF_FRAMING = (b"content-length", b"transfer-encoding")
_OF_AN_OFFER = frozenset({b"upgrade", b"http2-settings"})


class AmbiguousError(ValueError):
    """A head may be meant in more than one way."""


def size_up_to_an_end(before: bytes, data: bytes) -> int:
    """Tell how much of *data* comes up to where a head or chunks may end, if *before* came before it; else all."""
    if not before:
        return (data.find(HEAD_ENDS) + 4) if HEAD_ENDS in data else len(data)
    before = before[-3:]
    found = (before + data).find(HEAD_ENDS)
    return found + 4 - len(before) if found >= 0 else len(data)


def end_of_head(data: bytes) -> int:
    """Find where a head ends; 0 if it has not ended."""
    found = _END.search(data)
    return found.end() if found else 0


def mended(head: bytes) -> bytes:
    """Write a head so that the parser takes it, as Go's net/http takes it as it is.

    - Lines may end in a bare LF (RFC 9112, 2.2). But all of them must, or none: what a proxy let through inside a
      header is no line of its own then, as each line of the proxy's ends in CRLF. The empty line may be either.
      The lines of chunks may not; the parser sees to that.
    - Bytes of the target beyond ASCII are written as %XX (RFC 3986, 2.1).
    - A folded line is joined by spaces (RFC 9112, 5.2), unless it says where the body ends.
    - A Content-Length that is said twice is said once if both are the same (RFC 9112, 6.3).
    - HTTP/1.2 is read as HTTP/1.1 (RFC 9110, 2.5).

    Raises:
        AmbiguousError: If its lines end in different ways.
    """
    request, *fields = _lines(head)
    start, _, rest = request.partition(b" ")
    request = start + b" " + _ODD_BYTE.sub(lambda byte: b"%%%02X" % byte[0][0], rest)
    return b"\r\n".join([_VERSION.sub(b" HTTP/1.1", request), *_once(_unfolded(fields)), b"", b""])


def _lines(head: bytes) -> list[bytes]:
    """Take the lines of a head apart, without its empty one."""
    lines = _LINE.findall(head)[:-1]
    ends_in_crlf = {line.endswith(b"\r\n") for line in lines}
    if len(ends_in_crlf) > 1:
        raise AmbiguousError("some lines of the head end in CRLF, and others in LF")
    return [line[:-2] if True in ends_in_crlf else line[:-1] for line in lines]


def _unfolded(fields: list[bytes]) -> list[bytes]:
    """Join lines that go on."""
    joined: list[bytes] = []
    for field in fields:
        if field[:1] in {b" ", b"\t"} and joined and not _is_framing(joined[-1]):
            joined[-1] = joined[-1].rstrip(b" \t") + b" " + field.strip(b" \t")
        else:
            joined.append(field)
    return joined


def _once(fields: list[bytes]) -> Iterator[bytes]:
    """Leave out a Content-Length that is there already, and is the same."""
    lengths: set[bytes] = set()
    for field in fields:
        name, _, value = field.partition(b":")
        if name.lower() == b"content-length":
            if value.strip(b" \t") in lengths:
                continue
            lengths.add(value.strip(b" \t"))
        yield field


def _is_framing(field: bytes) -> bool:
    return field.lower().startswith(_OF_FRAMING)


def without_offer(method: bytes, target: bytes, version: str, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Write a head without its offer to speak something else, which a server may ignore (RFC 9110, 7.8).

    Args:
        method: The request's.
        target: The same.
        version: HTTP's, as "1.1".
        headers: With names in lower case.
    """
    lines = [b"%s %s HTTP/%s" % (method, target, version.encode())]
    for name, value in headers:
        if name == b"connection":
            tokens = [token.strip() for token in value.split(b",")]
            kept = b", ".join(token for token in tokens if token.lower() not in _OF_AN_OFFER)
            lines += [b"connection: " + kept] if kept else []
        elif name not in _OF_AN_OFFER:
            lines.append(name + b": " + value)
    return b"\r\n".join([*lines, b"", b""])
