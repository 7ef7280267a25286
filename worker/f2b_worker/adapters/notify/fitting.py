"""Making a notice as small as a service takes it, and saying that something was left out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

SUBJECT_MAX = 100
CUT = "\n… the rest was cut off"


def as_json(value: object) -> str:
    """Write JSON without blanks; characters beyond ASCII stay, and half ones become a question mark."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace").decode()


def fitted(detail: Mapping[str, Any], most_bytes: int) -> str:
    """Write a detail as JSON; where it is too large, bans are left out at the end, and their number is told."""
    text = as_json(detail)
    bans = list(detail.get("bans", ()))
    while len(text.encode()) > most_bytes and bans:
        keep = min(len(bans) - 1, len(bans) * most_bytes // len(text.encode()))
        bans = bans[:keep]
        text = as_json({**detail, "bans": bans, "bans_left_out": len(detail["bans"]) - len(bans)})
    if len(text.encode()) > most_bytes:
        text = as_json({name: value for name, value in detail.items() if name not in {"text", "bans"}})
    return text


def cut(text: str, most_bytes: int) -> str:
    """Cut a text to so many bytes, and say so in it."""
    whole = text.encode("utf-8", "replace")
    if len(whole) <= most_bytes:
        return whole.decode()
    return whole[: max(0, most_bytes - len(CUT.encode()))].decode("utf-8", "ignore") + CUT


def ascii_line(text: str) -> str:
    """Make a subject: one line of 100 printable ASCII characters at most, which begins with a letter or number.

    See https://docs.aws.amazon.com/sns/latest/api/API_Publish.html.
    """
    plain = "".join(each if " " <= each <= "~" else "?" for each in " ".join(text.split()))
    while plain and not plain[0].isalnum():
        plain = plain[1:]
    return plain[:SUBJECT_MAX].rstrip() or "f2b"
