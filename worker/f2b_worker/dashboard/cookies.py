"""The two cookies: the session, and what became of the act before, which the next page shows once."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from f2b_worker.dashboard.asked import Said
from f2b_worker.dashboard.security import is_encrypted, values_of
from f2b_worker.dashboard.sessions import LASTS_S

if TYPE_CHECKING:
    from f2b_worker.dashboard.security import Headers

SAID_CHARACTERS_MAX = 1_500

SAID_LASTS_S = 60
_SAID_BYTES_MAX = 2_900
"""A browser keeps 4,096 bytes of a cookie, and base64 makes four of three."""

_COMMON = "Path=/; HttpOnly; SameSite=Strict"


class Cookies:
    """The cookies of one request.

    Browsers do not tell ports of one host apart: so the port stands in the name, and two dashboards on one machine
    leave each other alone.

    Args:
        headers: Of the request.
    """

    def __init__(self, headers: Headers) -> None:
        headers = list(headers)
        hosts = values_of(headers, b"host")
        port = hosts[0].rpartition(b":")[2] if hosts and b":" in hosts[0] else b""
        ending = f"_{port.decode()}" if port.isdigit() else ""
        self._session_name, self._said_name = f"f2b_session{ending}", f"f2b_said{ending}"
        self._secure = "; Secure" if is_encrypted(headers) else ""
        self._held = _read(headers)

    @property
    def session(self) -> str:
        """What the session's cookie holds."""
        return self._held.get(self._session_name, "")

    @property
    def said(self) -> Said | None:
        """What is to be shown once, if anything is."""
        held = self._held.get(self._said_name)
        return _said_in(held) if held else None

    def keep_session(self, value: str) -> tuple[bytes, bytes]:
        """Have the browser keep a session."""
        return self._set(self._session_name, value, LASTS_S)

    def drop_session(self) -> tuple[bytes, bytes]:
        """Have the browser forget it."""
        return self._set(self._session_name, "", 0)

    def keep_said(self, said: Said) -> tuple[bytes, bytes]:
        """Have the browser bring back what is to be shown on the next page."""
        characters = SAID_CHARACTERS_MAX
        while len(held := _written(said, characters)) > _SAID_BYTES_MAX:
            characters //= 2
        value = base64.urlsafe_b64encode(held).decode()
        return self._set(self._said_name, value, SAID_LASTS_S)

    def drop_said(self) -> tuple[bytes, bytes]:
        """Have the browser forget it: it was shown."""
        return self._set(self._said_name, "", 0)

    def _set(self, name: str, value: str, lasts_s: int) -> tuple[bytes, bytes]:
        return (b"set-cookie", f"{name}={value}; {_COMMON}; Max-Age={lasts_s}{self._secure}".encode())


def _written(said: Said, characters_max: int) -> bytes:
    text = _shortened(said.text, characters_max)
    return json.dumps([said.is_done, text], ensure_ascii=False).encode("utf-8", "replace")


def _read(headers: Headers) -> dict[str, str]:
    held: dict[str, str] = {}
    for each in b";".join(values_of(headers, b"cookie")).decode("latin-1").split(";"):
        name, _, value = each.strip().partition("=")
        held.setdefault(name, value.strip().strip('"'))
    return held


def _said_in(held: str) -> Said | None:
    try:
        is_done, text = json.loads(base64.urlsafe_b64decode(held))
    except (ValueError, TypeError):  # somebody else's cookie
        return None
    return Said(is_done is True, str(text)[:_SAID_BYTES_MAX])


def _shortened(text: str, characters_max: int) -> str:
    """Keep as many whole lines as a cookie takes, and say how many are left out."""
    if len(text) <= characters_max:
        return text
    lines = text[:characters_max].split("\n")
    kept = lines[:-1] or [f"{lines[0]}…"]
    left = text.count("\n") + 1 - len(kept)
    return "\n".join([*kept, *([f"… and {left:,} more; f2b audit has them"] if left else [])])
