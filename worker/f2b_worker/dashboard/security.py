"""What keeps a browser, and pages of others in it, from more than this dashboard means to give.

A page of somebody else that the operator has open can send requests to this port from inside of his network. What
it cannot do is to write the headers that are looked at here.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

    Headers = Iterable[tuple[bytes, bytes]]

POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

SAFE = (
    (b"content-security-policy", POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-embedder-policy", b"require-corp"),
)
"""On every answer."""


def values_of(headers: Headers, name: bytes) -> list[bytes]:
    """Find all values of a header."""
    return [value for each, value in headers if each == name]


def host_refusal(headers: Headers, *, on_loopback: bool) -> str | None:
    """Say why the name by which somebody asks is refused, or answer None.

    A page of evil.example may have its name lead to 127.0.0.1 once it is loaded, and then read this port as its
    own (DNS rebinding). Such a request names evil.example; who sits at this machine says localhost, or an address.
    Where others reach this port its names are not known here.

    Args:
        headers: Of the request.
        on_loopback: Whether only this machine reaches the port.
    """
    hosts = values_of(headers, b"host")
    if len(hosts) > 1:
        return "the request has several Host headers"
    if not on_loopback or not hosts:  # every browser sends one
        return None
    name = _name_in(hosts[0])
    if name is None or not (name == "localhost" or name.endswith(".localhost") or _is_address(name)):
        return "this port is only for this machine: ask for localhost or 127.0.0.1, not for another name"
    return None


def is_own_post(headers: Headers) -> bool:
    """Tell whether a page of this dashboard sent a form, and no page of somebody else.

    Browsers leave `Sec-Fetch-Site` out on plain http to another machine (https://github.com/sidekiq/sidekiq/issues/6926);
    they send `Origin` with every POST.
    """
    site = values_of(headers, b"sec-fetch-site")
    if site:
        return site == [b"same-origin"]
    origin, host = values_of(headers, b"origin"), values_of(headers, b"host")
    if len(origin) != 1 or len(host) != 1:
        return False
    scheme, _, named = origin[0].lower().partition(b"://")
    return scheme in {b"http", b"https"} and bool(named) and named == host[0].lower()


def is_encrypted(headers: Headers) -> bool:
    """Tell whether the browser speaks https, to a proxy before us: it says so itself, or the proxy does.

    Who lies about it changes only whether the browser sends its own cookie without encryption.
    """
    origin = values_of(headers, b"origin")
    return values_of(headers, b"x-forwarded-proto") == [b"https"] or any(
        each.lower().startswith(b"https://") for each in origin
    )


def local_path(back: str) -> str:
    """Answer where to go back to: a path of this dashboard, whatever was written into a form."""
    # Browsers take \ for /, and leave out control characters: //evil.example could be written with them.
    if not back.startswith("/") or back.startswith("//") or not all("!" <= each <= "~" for each in back):
        return "/"
    parts = urlsplit(back) if "\\" not in back else None
    return back if parts and not parts.scheme and not parts.netloc else "/"


def _name_in(host: bytes) -> str | None:
    try:
        return urlsplit(f"//{host.decode('ascii')}").hostname
    except ValueError:
        return None


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
