"""The address in what proxies, people and logs write.

The worker's domain/addresses.py reads the same, and tests/spellings.py holds both to one table.
"""

from __future__ import annotations

# Not `socket`, which loads `enum`, `selectors` and others for classes that nobody needs here: 4 ms of every start.
from _socket import AF_INET, AF_INET6, inet_ntop, inet_pton

BOM = "\ufeff"
PORT_MAX = 65_535
_PORT_MAX_DIGITS = 5
_MAPPED = bytes(10) + b"\xff\xff"


def plain(text: str) -> str | None:
    """Return the address in *text* without white space, BOM, brackets and port; None if it is not one address.

    An IPv4-mapped IPv6 address, however it is written, is returned as the IPv4 address that it carries.
    """
    text = _bare(text.strip().strip(BOM).strip())
    try:
        packed = inet_pton(AF_INET6 if ":" in text else AF_INET, text)
    except (OSError, ValueError):  # ValueError: a NUL inside
        return None
    return inet_ntop(AF_INET, packed[12:]) if packed.startswith(_MAPPED) else text


def _bare(text: str) -> str:
    if text.startswith("["):
        address, bracket, rest = text[1:].partition("]")
        return address if bracket and (not rest or _is_port(rest)) else text
    address, colon, port = text.rpartition(":")
    # Dots end an address, so a colon behind them begins a port; 2001:db8::1:80 is an address itself.
    return address if "." in address and _is_port(colon + port) else text


def _is_port(text: str) -> bool:
    number = text[1:]
    if text[0] != ":" or not (number.isascii() and number.isdigit() and len(number) <= _PORT_MAX_DIGITS):
        return False
    return int(number) <= PORT_MAX
