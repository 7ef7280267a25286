"""Answers of the dashboard: the shim's, with what keeps browsers safe on each of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeAlias

from f2b_worker.dashboard.security import SAFE
from f2b_worker.http.replies import HTML, JSON, TEXT, Reply, reply

if TYPE_CHECKING:
    from f2b_worker.dashboard.static_files import StaticFile

Header: TypeAlias = tuple[bytes, bytes]

_FOR_A_YEAR = b"public, max-age=31536000, immutable"
_ASK_AGAIN = b"no-cache"


def html(status: int, body: bytes, *headers: Header) -> Reply:
    """Answer with a page."""
    return reply(status, HTML, body, *SAFE, *headers)


def line(status: int, text: str, *headers: Header) -> Reply:
    """Answer with one line, for programs."""
    return reply(status, TEXT, f"{text}\n".encode("utf-8", "backslashreplace"), *SAFE, *headers)


def document(data: object, *headers: Header) -> Reply:
    """Answer with a JSON document."""
    return reply(200, JSON, json.dumps(data).encode() + b"\n", *SAFE, *headers)


def metrics(body: bytes, kind: bytes) -> Reply:
    """Answer with what Prometheus reads."""
    return reply(200, kind, body, *SAFE)


def see_other(path: str, *headers: Header) -> Reply:
    """Have the browser get another page: going back never sends a form again."""
    return reply(303, TEXT, b"", *SAFE, (b"location", path.encode("ascii")), *headers)


def static(file: StaticFile, *, named_by_hash: bool, is_known: bool) -> Reply:
    """Answer with a file, or with nothing where the browser has it already."""
    cache = _FOR_A_YEAR if named_by_hash else _ASK_AGAIN
    mark = (b"etag", b'"%s"' % file.mark.encode())
    if is_known:
        return reply(304, file.kind, b"", *SAFE, mark, cache=cache)
    return reply(200, file.kind, file.body, *SAFE, mark, cache=cache)


HEALTHY = line(200, "ok")
NOT_FOUND = line(404, "no such page")
NO_ACT = line(404, "no such act")
TOO_LARGE = line(413, "the form is too large: 64 KB at most")
NO_FORM = line(415, "send the form as application/x-www-form-urlencoded")
CROSS_SITE = line(403, "this came from a page of another site, or from none: use the forms here")


def not_allowed(methods: bytes) -> Reply:
    """Say which methods there are."""
    return line(405, f"use {methods.decode()}", (b"allow", methods))
