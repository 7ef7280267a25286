"""What the shim says, where it is always the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.http.replies import line, retry_after
from f2b_worker.shim.encodings import ACCEPTED

if TYPE_CHECKING:
    from f2b_worker.http.replies import Reply

RETRY_AFTER_S = 1


def later(text: str) -> Reply:
    """Say why not now, and when to come again."""
    return line(503, text, retry_after(RETRY_AFTER_S))


OK = line(200, "ok")
STOPPING = later("stopping")
NOT_FOUND = line(404, "no such path; see /openapi.json")
STATE_NOT_SHOWN = line(404, "not shown: start it with --expose-state, or with the log level debug")
NO_TOKEN = line(401, "a bearer token is required", (b"www-authenticate", b'Bearer realm="f2b"'))
CROSS_SITE = line(403, "a web page of another site may not ask this; ask without a browser")
BODY_TOO_LARGE = line(413, "the body is too large; report in several requests")

UNKNOWN_ENCODING = line(
    415, "Content-Encoding: send gzip or deflate, or do not pack the body", (b"accept-encoding", ACCEPTED)
)


def not_allowed(methods: bytes) -> Reply:
    """Say which methods there are."""
    return line(405, f"use {methods.decode()}", (b"allow", methods))


def too_often(wait_s: float) -> Reply:
    """Say when the next request may pass."""
    return line(429, "this address sends too many requests; try again", retry_after(wait_s))
