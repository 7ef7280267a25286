"""From the text of a body to the JSON in it."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import Any

from pydantic_core import from_json

from f2b_worker.domain.addresses import BOM

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
# Every escape of JSON is found whole, so that neither half of a pair, nor a "u" behind an escaped backslash, is
# taken for a half alone.
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u(?P<half>[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_FOR_URLS = str.maketrans("-_", "+/")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def parse_json(text: str | bytes) -> Any:
    """Parse JSON, which may begin with a BOM, and in which half a surrogate pair stands for U+FFFD.

    Programs that cut text to a length make such halves; one in a note must not cost a whole list.

    Raises:
        ValueError, TypeError: If it is no JSON.
    """
    try:
        return from_json(text, allow_inf_nan=False)
    except (ValueError, TypeError):
        whole = _decoded(text) if isinstance(text, bytes) else text
        mended = whole.lstrip().removeprefix(BOM)
        mended = _LONE_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", mended)
        mended = _ESCAPE.sub(lambda escape: r"\ufffd" if escape["half"] else escape[0], mended)
        if mended == whole:
            raise
        return from_json(mended, allow_inf_nan=False)


def parse_body(text: str | bytes) -> Any:
    """Parse JSON, or a JSON object or list that was written as base64.

    Raises:
        ValueError, TypeError: If it is neither.
    """
    try:
        return parse_json(text)
    except (ValueError, TypeError):
        data = _from_base64(text)
        if data is None:
            raise
        return data


def _from_base64(text: str | bytes) -> Any:
    """Read a JSON object or list in base64, also in lines, for URLs or unpadded; None for anything else."""
    try:
        written = (_decoded(text) if isinstance(text, bytes) else text).strip().removeprefix(BOM)
        plain = "".join(written.split()).rstrip("=")
        whole = plain.translate(_FOR_URLS) + "=" * (-len(plain) % 4)
        data = parse_json(b64decode(whole, validate=True))
    except (ValueError, TypeError):
        return None
    return data if isinstance(data, (dict, list)) else None


def _decoded(text: bytes) -> str:
    if text.startswith(_UTF_16):
        raise ValueError("it is UTF-16: send UTF-8")
    return text.decode()
