"""Answers, as the two messages that ASGI wants and as the bytes that go out."""

from __future__ import annotations

import json
import math
from http import HTTPStatus
from typing import Any, NamedTuple

TEXT = b"text/plain; charset=utf-8"
JSON = b"application/json"
HTML = b"text/html; charset=utf-8"
RETRY_AFTER_S = 1
_CLOSE = (b"connection", b"close")  # what is left of the request is not read


class Reply(NamedTuple):
    """One answer.

    Attributes:
        status: HTTP's status code.
        start: ASGI's first message.
        body: Its second.
        closes: Whether the connection ends after it, as its headers say.
        head: The same as HTTP/1.1 has it, without the empty line that ends the headers.
    """

    status: int
    start: dict[str, Any]
    body: dict[str, Any]
    closes: bool
    head: bytes

    def whole(self, method: str, *, keep_alive: bool) -> bytes:
        """Write it as HTTP/1.1 has it."""
        last = b"\r\n" if keep_alive or self.closes else b"connection: close\r\n\r\n"
        return self.head + last + (b"" if method == "HEAD" else self.body["body"])


def reply(status: int, kind: bytes, body: bytes, *headers: tuple[bytes, bytes]) -> Reply:
    """Make an answer; nothing that it says may be kept by a cache."""
    fixed = [(b"content-type", kind), (b"content-length", b"%d" % len(body)), (b"cache-control", b"no-store")]
    together = [*fixed, *headers]
    start = {"type": "http.response.start", "status": status, "headers": together}
    head = b"HTTP/1.1 %d %s\r\n" % (status, HTTPStatus(status).phrase.encode())
    head += b"".join(b"%s: %s\r\n" % header for header in together)
    return Reply(status, start, {"type": "http.response.body", "body": body}, _CLOSE in headers, head)


def line(status: int, text: str, *headers: tuple[bytes, bytes]) -> Reply:
    """Answer with one line for people."""
    return reply(status, TEXT, f"{text}\n".encode("utf-8", "backslashreplace"), *headers)


def json_reply(status: int, data: object, *headers: tuple[bytes, bytes]) -> Reply:
    """Answer with JSON."""
    return reply(status, JSON, json.dumps(data).encode() + b"\n", *headers)


def retry_after(seconds: float) -> tuple[bytes, bytes]:
    """Say when to come again, in whole seconds and never at once."""
    return (b"retry-after", b"%d" % max(1, math.ceil(seconds)))


def later(text: str) -> Reply:
    """Say why not now, and when to come again."""
    return line(503, text, retry_after(RETRY_AFTER_S))


OK = line(200, "ok")
NOT_FOUND = line(404, "no such path; see /openapi.json")
NO_TOKEN = line(401, "a bearer token is required", (b"www-authenticate", b'Bearer realm="f2b"'), _CLOSE)
CROSS_SITE = line(403, "a web page of another site may not ask this; ask without a browser", _CLOSE)
BODY_TOO_LARGE = line(413, "the body is too large; report in several requests", _CLOSE)


def not_allowed(methods: bytes) -> Reply:
    """Say which methods there are."""
    return line(405, f"use {methods.decode()}", (b"allow", methods), _CLOSE)


def too_often(wait_s: float) -> Reply:
    """Say when the next request may pass."""
    return line(429, "this address sends too many requests; try again", retry_after(wait_s), _CLOSE)
