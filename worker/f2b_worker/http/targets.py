"""What a request asks for, in ASGI's words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from f2b_worker.http.requests import Scope

_SLASHES = re.compile(rb"/{2,}")


def described(method: bytes, target: bytes, version: str) -> Scope:
    """Say in ASGI's words what a request asks for."""
    if target[:1] != b"/" or b"//" in target or b"#" in target:
        target = _plain(target)
    raw_path, _, query = target.partition(b"?")
    path = raw_path.decode("ascii")
    return {
        "type": "http",
        "method": method.decode("ascii"),
        "http_version": version,
        "raw_path": raw_path,
        "path": unquote(path) if "%" in path else path,
        "query_string": query,
    }


def _plain(target: bytes) -> bytes:
    """Write a target as a path and a query.

    A proxy's client names the server, too (RFC 9112, 3.2.2); a base URL that ends in a slash makes two of them.
    """
    path, mark, query = target.partition(b"#")[0].partition(b"?")
    if b"://" in path and not path.startswith(b"/"):
        path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
    return _SLASHES.sub(b"/", path) + mark + query
