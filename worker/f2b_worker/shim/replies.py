"""Answers, as the two messages that ASGI wants."""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple

TEXT = b"text/plain; charset=utf-8"
JSON = b"application/json"
HTML = b"text/html; charset=utf-8"
RETRY_AFTER_S = 1


class Reply(NamedTuple):
    """One answer.

    Attributes:
        status: HTTP's status code.
        start: ASGI's first message.
        body: Its second.
    """

    status: int
    start: dict[str, Any]
    body: dict[str, Any]


def reply(status: int, kind: bytes, body: bytes, *headers: tuple[bytes, bytes]) -> Reply:
    """Make an answer; nothing that it says may be kept by a cache."""
    fixed = [(b"content-type", kind), (b"content-length", b"%d" % len(body)), (b"cache-control", b"no-store")]
    start = {"type": "http.response.start", "status": status, "headers": [*fixed, *headers]}
    return Reply(status, start, {"type": "http.response.body", "body": body})


def line(status: int, text: str, *headers: tuple[bytes, bytes]) -> Reply:
    """Answer with one line for people."""
    return reply(status, TEXT, f"{text}\n".encode("utf-8", "backslashreplace"), *headers)


def json_reply(status: int, data: object, *headers: tuple[bytes, bytes]) -> Reply:
    """Answer with JSON."""
    return reply(status, JSON, json.dumps(data).encode() + b"\n", *headers)


def retry_after(seconds: float) -> tuple[bytes, bytes]:
    """Say when to come again, in whole seconds and never at once."""
    return (b"retry-after", b"%d" % max(1, math.ceil(seconds)))


_LATER = retry_after(RETRY_AFTER_S)
_CLOSE = (b"connection", b"close")  # what is left of the request is not read

OK = line(200, "ok")
NOT_FOUND = line(404, "there is nothing here; see /openapi.json")
NO_TOKEN = line(401, "show a bearer token", (b"www-authenticate", b'Bearer realm="f2b"'), _CLOSE)
BODY_TOO_LARGE = line(413, "the body is too large; report in several requests", _CLOSE)
QUEUE_AWAY = line(503, "the queue cannot be reached; try again", _LATER)
OVERLOADED = line(503, "too many infractions wait for the queue; try again", _LATER)


def not_allowed(methods: bytes) -> Reply:
    """Say which methods there are."""
    return line(405, f"use {methods.decode()}", (b"allow", methods), _CLOSE)


def too_often(wait_s: float) -> Reply:
    """Say when the next request may pass."""
    return line(429, "this address asks too often; try again", retry_after(wait_s), _CLOSE)
