"""What this machine tells of itself and of who is logged in."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

from f2b_worker.domain.addresses import parse_address

_ELSEWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
_ANY_PORT = 9


def own_addresses() -> list[str]:
    """Name the addresses that this machine sends from, one of each family at most; no packet is sent for it."""
    found = []
    for family, elsewhere in _ELSEWHERE:
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as asked:
            asked.connect((elsewhere, _ANY_PORT))
            found.append(str(asked.getsockname()[0]))
    return found


def login_address() -> str | None:
    """Name the address that somebody is logged in from by SSH, if this process is of such a login."""
    text = (os.environ.get("SSH_CONNECTION") or "").partition(" ")[0].partition("%")[0]
    try:
        parse_address(text)
    except ValueError:
        return None
    return text
