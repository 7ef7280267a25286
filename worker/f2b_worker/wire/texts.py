"""From the text of a body to the JSON in it."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import Any

from pydantic_core import from_json

from f2b_worker.domain.addresses import BOM

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
# One that does not end is found, too: otherwise each quotation mark in it would be tried anew.
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
# Every escape of JSON is found whole, so that neither half of a pair, nor a "u" behind an escaped backslash, is
# taken for a half alone.
_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    r"|\\u[0-9a-fA-F]{4}"
    r'|\\["\\/bfnrt]'
    r"|(?P<backslash>\\)"
)
_ESCAPED_CONTROLS = {number: f"\\u{number:04x}" for number in range(32)}
_ANOTHER_FOLLOWS = "trailing characters"
_FOR_URLS = str.maketrans("-_", "+/")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff", b"{\0", b"[\0", b"\0{", b"\0[")


def parse_json(text: str | bytes) -> Any:
    """Parse JSON, which may begin with a BOM, and in which one cell may be written wrong: it costs nobody else.

    Half a surrogate pair, as programs make it that cut text to a length, stands for U+FFFD. A backslash that
    begins no escape stands for itself, and so does a control character in a text. NaN and Infinity are numbers,
    and whoever reads the cell refuses them.

    Raises:
        ValueError, TypeError: If it is no JSON.
    """
    try:
        return from_json(text, allow_inf_nan=False)
    except (ValueError, TypeError) as error:
        if _ANOTHER_FOLLOWS in str(error):  # one a line, for instance: nothing is to be mended
            raise
        whole = _decoded(text) if isinstance(text, bytes) else text
        mended = whole.lstrip().removeprefix(BOM)
        mended = _LONE_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", mended)
        return from_json(_STRING.sub(_mended, mended), allow_inf_nan=True)


def _mended(string: re.Match[str]) -> str:
    # The escapes first: a control character behind a backslash is none.
    return _ESCAPE.sub(_mended_escape, string[0]).translate(_ESCAPED_CONTROLS)


def _mended_escape(escape: re.Match[str]) -> str:
    if escape["half"]:
        return r"\ufffd"
    return r"\\" if escape["backslash"] else escape[0]


def parse_body(text: str | bytes) -> Any:
    """Parse JSON, or a JSON object or list that was written as base64.

    Raises:
        ValueError, TypeError: If it is neither.
    """
    try:
        return parse_json(text)
    except (ValueError, TypeError):
        inside = _from_base64(text)
        if is_utf_16(inside):
            raise ValueError("it is base64 of UTF-16: encode UTF-8") from None
        try:
            data = parse_json(inside)
        except ValueError:
            data = None
        if not isinstance(data, (dict, list)):
            raise
        return data


def _from_base64(text: str | bytes) -> bytes:
    """Read base64, also in lines, for URLs or unpadded; anything else is nothing."""
    try:
        written = (_decoded(text) if isinstance(text, bytes) else text).strip().removeprefix(BOM)
        plain = "".join(written.split()).rstrip("=")
        return b64decode(plain.translate(_FOR_URLS) + "=" * (-len(plain) % 4), validate=True)
    except ValueError:
        return b""


def _decoded(text: bytes) -> str:
    if is_utf_16(text):
        raise ValueError("it is UTF-16: send UTF-8")
    return text.decode()


def is_utf_16(text: bytes) -> bool:
    """Tell by how it begins: with a BOM, or with an object or a list."""
    return text.startswith(_UTF_16)
