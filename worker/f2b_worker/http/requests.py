"""What a request says, as ASGI hands it over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeAlias

Scope: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]
Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]

_OF_NO_OTHER_SITE = frozenset({b"same-origin", b"none"})


def announces_more(scope: Scope, bytes_max: int) -> bool:
    """Tell whether a body is too long by its head: who waits with it is refused instead of asked for it."""
    length = header(scope, b"content-length")
    return length.isdigit() and int(length) > bytes_max


async def read_body(receive: Receive, bytes_max: int) -> bytes | None:
    """Read the body, or a little more than *bytes_max* of it; None if the client goes away."""
    parts: list[bytes] = []
    total = 0
    while total <= bytes_max:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        total += len(parts[-1])
        if not message.get("more_body"):
            break
    return b"".join(parts)


def has_gone(receive: Receive) -> bool:
    """Tell whether the client of a request has gone.

    ASGI tells that to whoever waits for another message, and only to him. Here *receive* is a method of the one
    who knows.
    """
    return bool(getattr(getattr(receive, "__self__", None), "disconnected", False))


def peer_of(scope: Scope) -> str:
    """Tell the address that connected; empty for a UNIX socket."""
    return scope["client"][0] if scope.get("client") else ""


def header(scope: Scope, name: bytes) -> bytes:
    """Find a header's value; empty if it is not there."""
    value: bytes
    for each, value in scope["headers"]:
        if each == name:
            return value
    return b""


def is_cross_site(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Tell whether a browser says that a page of somebody else made it send this.

    Whoever opens that page would report for it from inside of our network. A neighbouring site is somebody else,
    too. Programs send neither header.

    `Sec-Fetch-Site` decides where it is there: the browser compares the page with what it asks for, and no page
    can change that header. `Host` may be a proxy's word: nginx's `mirror` passes its own site's requests on with
    the `Origin` of that site and another `Host`. Go's http.CrossOriginProtection decides in the same order.
    """
    origin = host = b""
    is_of_no_other_site = False
    for name, value in headers:
        if name == b"host":
            host = value
        elif name == b"origin":
            origin = value
        elif name == b"sec-fetch-site":
            if value not in _OF_NO_OTHER_SITE:
                return True
            is_of_no_other_site = True
    if not origin or is_of_no_other_site:
        return False
    return origin.partition(b"://")[2].lower() != host.lower()


def wants_json(accept: bytes) -> bool:
    """Tell from a request's Accept header whether it is for a program, which accepts JSON and no HTML."""
    accept = accept.lower()
    return b"application/json" in accept and b"text/html" not in accept
