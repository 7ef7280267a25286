"""Cuts a body into the texts of its items, one after another: what is not reached yet costs no memory.

What `json` or pydantic parse in one go holds the event loop for as long as that takes, and 4 MiB of `{},{},…` are
100 MB of dictionaries.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from f2b_worker.domain.addresses import BOM_BYTES

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

TEXT_BYTES_MAX = 512 * 1024
"""The longest text of one item, or of an envelope. SNS and EventBridge pass on 256 KiB, and JSON in JSON has a
backslash before each quotation mark."""

DEPTH_MAX = 200
"""As deep as pydantic reads lists in lists."""

_AROUND_A_LINE = b" \t\r\x1e"  # RS begins each text of a JSON sequence, RFC 7464
_BLANK_LINES = re.compile(rb"[ \t\r\n\x1e]*+")
_SPACE = re.compile(rb"[ \t\r\n]*+")
# Possessive, so that nothing is tried a second time: a quotation mark that nobody closes is found out once.
_STRING = rb'"(?:[^"\\]++|\\.)*+"'
_SIMPLE = re.compile(rb'\{(?:[^"{}\[\]]++|' + _STRING + rb")*+\}|" + _STRING + rb'|[^\s,"{}\[\]]++', re.DOTALL)
_MARK = re.compile(_STRING + rb'|["{}\[\]]', re.DOTALL)
_MARKS_AT_ONCE = 500


class BrokenListError(ValueError):
    """What begins as a list of JSON and is none; the text says where."""


def lines(body: bytes) -> Iterator[bytes | None]:
    """Cut at the ends of lines; what is blank is no line. Where no LF is, a CR ends a line.

    Yields:
        The text of a line; or None for a line of a mark alone, as a million of them need their turns, too.
    """
    end = b"\n" if b"\n" in body else b"\r"
    place = _after(_BLANK_LINES, body, 0)
    while place < len(body):
        found = body.find(end, place)
        stop = len(body) if found < 0 else found
        text = body[place:stop].strip(_AROUND_A_LINE).removeprefix(BOM_BYTES)
        yield text or None
        place = _after(_BLANK_LINES, body, stop)


def items_of_list(body: bytes) -> Iterator[bytes | None]:
    """Cut a list of JSON, which begins at the first byte, at its commas.

    What is between them may still be no JSON.

    Yields:
        The text of an item; or None where the next one takes long to find, so that others may have their turn.

    Raises:
        BrokenListError: If the list is broken so far.
    """
    number = 0
    place = _after(_SPACE, body, 1)
    more = body[place : place + 1] != b"]"
    while more:
        simple = _SIMPLE.match(body, place, place + TEXT_BYTES_MAX)
        end = simple.end() if simple else (yield from _end_of_nested(body, place, number))
        yield body[place:end]
        number += 1
        place = _after(_SPACE, body, end)
        more = body[place : place + 1] == b","
        if more:
            place = _after(_SPACE, body, place + 1)
    if body[place : place + 1] != b"]":
        raise BrokenListError(f"expected a comma or the end of the list behind item {number - 1}")
    if _after(_SPACE, body, place + 1) < len(body):
        raise BrokenListError("something follows the end of the list")


def _after(pattern: re.Pattern[bytes], body: bytes, place: int) -> int:
    found = pattern.match(body, place)
    return found.end() if found else place


def _end_of_nested(body: bytes, place: int, number: int) -> Generator[None, None, int]:
    """Find the end of what begins at *place* and has lists or objects in it."""
    depth = 0
    for count, mark in enumerate(_MARK.finditer(body, place, place + TEXT_BYTES_MAX)):
        sign = mark[0]
        if sign in b"{[":
            depth += 1
        elif sign in b"}]":
            depth -= 1
        if sign == b'"' or not 0 <= depth <= DEPTH_MAX or (count == 0 and mark.start() != place):
            break
        if depth == 0:
            return mark.end()
        if count % _MARKS_AT_ONCE == _MARKS_AT_ONCE - 1:
            yield None
    raise BrokenListError(
        f"item {number} of the list does not end, is too deep or longer than {TEXT_BYTES_MAX:,} bytes"
    )
