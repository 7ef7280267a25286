"""What is not read as a request, and what its client hears."""

from __future__ import annotations

from typing import NamedTuple

from httptools import HttpParserCallbackError


class Unread(NamedTuple):
    """Why something is not read as a request.

    Attributes:
        reason: Its name where refusals are counted.
        status: HTTP's status code.
        text: What it is and what to do, in one line.
    """

    reason: str
    status: int
    text: str


PROXY_PROTOCOL = Unread(
    "proxy_protocol",
    400,
    "this is the PROXY protocol, which is not taken here: in the proxy, remove send-proxy or send-proxy-v2"
    " (HAProxy), proxy_protocol on (nginx), or the target group's proxy protocol (AWS)",
)
TLS = Unread("tls", 400, "this is TLS, and this port speaks plain HTTP: use http://, or put a TLS proxy before it")
HTTP2 = Unread(
    "http2", 505, "this is HTTP/2, and this port speaks HTTP/1.1: let the client or the proxy use HTTP/1.1"
)
HEAD_TOO_LARGE = Unread("head_too_large", 431, "the headers are too large")
INCOMPLETE = Unread("incomplete", 400, "the connection ended before the request did")
TUNNEL = Unread("tunnel", 501, "this is no proxy, and makes no tunnels: take it out of the client's settings")
OTHER_CODING = Unread("bad_http", 400, "Transfer-Encoding: only chunked is read here")
CROWDED_OUT = Unread("crowded_out", 503, "too many connections; try again")
TOO_MANY_BODIES = Unread("bodies", 503, "too many bodies at once; try again")
TWO_HOSTS = Unread("bad_http", 400, "the request has two Host headers")

FOREIGN = frozenset({"proxy_protocol", "tls", "http2", "http_version", "tunnel"})
"""Reasons that the log tells, too: somebody set something wrong, and may never see our answer."""


def bad_http(why: Exception) -> Unread:
    """Say what the parser did not take."""
    if isinstance(why, HttpParserCallbackError):
        why = why.__context__ if isinstance(why.__context__, Exception) else why
    return Unread("bad_http", 400, f"this cannot be read as HTTP/1.1: {why}")


def other_version(version: str) -> Unread:
    """Say that a version of HTTP is not spoken here."""
    return Unread("http_version", 505, f"this is HTTP/{version}, and this port speaks HTTP/1.1 and HTTP/1.0")
