"""Answers, as the two messages that ASGI wants and as the bytes that go out."""

from __future__ import annotations

import json
import math
from http import HTTPStatus
from typing import Any, NamedTuple

TEXT = b"text/plain; charset=utf-8"
JSON = b"application/json"
HTML = b"text/html; charset=utf-8"


class Reply(NamedTuple):
    """One answer. Whether its connection goes on is the protocol's to say: it knows what is left of the request.

    Attributes:
        status: HTTP's status code.
        start: ASGI's first message.
        body: Its second.
        head: The same as HTTP/1.1 has it, without the empty line that ends the headers.
    """

    status: int
    start: dict[str, Any]
    body: dict[str, Any]
    head: bytes

    def whole(self, method: str, *, keep_alive: bool, version: str = "1.1") -> bytes:
        """Write it as HTTP/1.1 has it; a client of HTTP/1.0 wants to be told that its connection is kept."""
        if not keep_alive:
            last = b"connection: close\r\n\r\n"
        else:
            last = b"\r\n" if version != "1.0" else b"connection: keep-alive\r\n\r\n"
        return self.head + last + (b"" if method == "HEAD" else self.body["body"])


def reply(
    status: int, kind: bytes, body: bytes, *headers: tuple[bytes, bytes], cache: bytes = b"no-store"
) -> Reply:
    """Make an answer; by default nothing that it says may be kept by a cache."""
    fixed = [(b"content-type", kind), (b"content-length", b"%d" % len(body)), (b"cache-control", cache)]
    together = [*fixed, *headers]
    start = {"type": "http.response.start", "status": status, "headers": together}
    head = b"HTTP/1.1 %d %s\r\n" % (status, HTTPStatus(status).phrase.encode())
    head += b"".join(b"%s: %s\r\n" % header for header in together)
    return Reply(status, start, {"type": "http.response.body", "body": body}, head)


def line(status: int, text: str, *headers: tuple[bytes, bytes]) -> Reply:
    """Answer with one line for people."""
    return reply(status, TEXT, f"{text}\n".encode("utf-8", "backslashreplace"), *headers)


def json_reply(status: int, data: object, *headers: tuple[bytes, bytes]) -> Reply:
    """Answer with JSON."""
    return reply(status, JSON, json.dumps(data).encode() + b"\n", *headers)


def retry_after(seconds: float) -> tuple[bytes, bytes]:
    """Say when to come again, in whole seconds and never at once."""
    return (b"retry-after", b"%d" % max(1, math.ceil(seconds)))
