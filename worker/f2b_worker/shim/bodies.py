"""Reads the body of a POST: one infraction, a list, or one a line; in slices, a long text aside of the loop."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from f2b_worker.domain.addresses import BOM_BYTES
from f2b_worker.domain.judge.infractions import Infraction, Reason, Refusal
from f2b_worker.shim.cutting import TEXT_BYTES_MAX, BrokenListError, items_of_list, lines
from f2b_worker.shim.encodings import GZIP
from f2b_worker.shim.items import read_infraction
from f2b_worker.wire import EnvelopeError, is_utf_16, parse_body, parse_json, unwrap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeVar

    from f2b_worker.shim.items import Items
    from f2b_worker.shim.slices import Slices

    Read = Infraction | Refusal
    T = TypeVar("T")

SHORT_BYTES = 16 * 1024
"""What is no longer is parsed on the loop: in 10 ms, where each text in it must be mended."""

_ITEMS_AT_ONCE = 200
_LINES = (b"ndjson", b"jsonl", b"json-seq")


class Defaults(NamedTuple):
    """What stands in for what an infraction leaves out.

    Attributes:
        jail: For infractions that name none.
        now_ms: For infractions that carry no time, and the measure of times that lie ahead.
    """

    jail: str | None
    now_ms: int

    def read(self, document: object) -> Read:
        """Read one infraction; a refusal stays what it is."""
        if isinstance(document, Refusal):
            return document
        return read_infraction(document, jail=self.jail, now_ms=self.now_ms)


class BodyReader:
    """Reads bodies. One per event loop.

    What is short is read on the loop, a slice at a time. One long text cannot be cut: a thread reads it, one after
    another, so that what was parsed of one is in memory and no more.
    """

    def __init__(self) -> None:
        self._long = asyncio.Lock()

    async def read(
        self, body: bytes, content_type: bytes, items: Items, defaults: Defaults, slices: Slices
    ) -> None:
        """Read *body*, or what is in the envelopes around it, into *items*.

        Lines are found, too, where the content type does not announce them: curl's is always the same.

        Raises:
            GoneError: If the client goes meanwhile.
        """
        body = body.lstrip().removeprefix(BOM_BYTES).lstrip()
        unread = _no_text(body)
        if unread:
            items.take(_not_json(unread))
        elif any(kind in content_type.lower() for kind in _LINES):
            await self._read_texts(lines(body), _parsed, items, defaults, slices)
        elif body[:1] == b"[" and len(body) > SHORT_BYTES:
            await self._read_list(body, items, defaults, slices)
        else:
            await self._read_one(body, items, defaults, slices)

    async def _read_list(self, body: bytes, items: Items, defaults: Defaults, slices: Slices) -> None:
        """Read a long list: what is broken in one place may mean anything, and counts for nothing."""
        try:
            await self._read_texts(items_of_list(body), _part_of_list, items, defaults, slices)
        except BrokenListError as error:
            items.refuse_all(_not_json(str(error)))

    async def _read_texts(
        self,
        texts: Iterable[bytes | None],
        parse: Callable[[bytes], Any],
        items: Items,
        defaults: Defaults,
        slices: Slices,
    ) -> None:
        for text in texts:
            if text is None:
                pass
            elif len(text) <= SHORT_BYTES:
                items.take(_read_text(text, parse, defaults))
            elif len(text) <= TEXT_BYTES_MAX:
                async with self._long:
                    items.take(await _aside(partial(_read_text, text, parse, defaults)))
            else:
                items.take(_too_long(text))
            if slices.is_over():
                await slices.next()

    async def _read_one(self, body: bytes, items: Items, defaults: Defaults, slices: Slices) -> None:
        """Read a body that is one text, unless it turns out to be lines."""
        if len(body) <= SHORT_BYTES:
            opened = _opened(body)
            if not (are_lines := _may_be_lines(opened, body)):
                await _read_documents(opened, items, defaults, slices)
        elif len(body) <= TEXT_BYTES_MAX:
            async with self._long:
                opened = await _aside(partial(_opened, body))
                if not (are_lines := _may_be_lines(opened, body)):
                    await _read_documents_aside(opened, items, defaults, slices)
        else:
            refusal = _too_long(body)
            if not (are_lines := _may_be_lines(refusal, body[:TEXT_BYTES_MAX])):
                items.take(refusal)
        if are_lines:
            await self._read_texts(lines(body), _parsed, items, defaults, slices)


async def _read_documents(
    documents: list[Any] | Refusal, items: Items, defaults: Defaults, slices: Slices
) -> None:
    for document in _each(documents):
        items.take(defaults.read(document))
        if slices.is_over():
            await slices.next()


async def _read_documents_aside(
    documents: list[Any] | Refusal, items: Items, defaults: Defaults, slices: Slices
) -> None:
    left = _each(documents)
    while read := await _aside(lambda: [defaults.read(each) for each in islice(left, _ITEMS_AT_ONCE)]):
        for each in read:
            items.take(each)
        await slices.next()


def _read_text(text: bytes, parse: Callable[[bytes], Any], defaults: Defaults) -> Read:
    return defaults.read(parse(text))


async def _aside(work: Callable[[], T]) -> T:
    """Work in a thread: the loop waits for it now and then, for as long as Python lets a thread run."""
    return await asyncio.get_running_loop().run_in_executor(None, work)


def _each(documents: list[Any] | Refusal) -> Iterator[Any]:
    return iter([documents] if isinstance(documents, Refusal) else documents)


def _opened(body: bytes) -> list[Any] | Refusal:
    """Parse a whole body, and take what it reports out of the envelopes around it."""
    if not body:
        return _not_json("nothing came")
    try:
        data = unwrap(parse_body(body))
    except EnvelopeError as error:
        return Refusal(Reason.ENVELOPE, str(error), None)
    except (ValueError, TypeError) as error:
        return _not_json(str(error))
    return data if isinstance(data, list) else [data]


def _may_be_lines(opened: list[Any] | Refusal, body: bytes) -> bool:
    ends = b"\n" in body.rstrip() or b"\r" in body.rstrip()
    return isinstance(opened, Refusal) and opened.reason != Reason.ENVELOPE and ends and body[:1] == b"{"


def _parsed(text: bytes) -> Any:
    try:
        return parse_body(text)
    except (ValueError, TypeError) as error:
        return _not_json(str(error))


def _part_of_list(text: bytes) -> Any:
    try:
        return parse_json(text)
    except (ValueError, TypeError) as error:
        shown = text[:40].decode("ascii", "backslashreplace")
        raise BrokenListError(f"{error}, of the item that begins {shown}") from None


def _no_text(body: bytes) -> str:
    """Say what a body is instead of text; nothing for text."""
    if body.startswith(GZIP):
        return "it is gzip: send Content-Encoding: gzip with it"
    return "it is UTF-16: send UTF-8" if is_utf_16(body) else ""


def _not_json(why: str) -> Refusal:
    return Refusal(Reason.NOT_JSON, f"not JSON: {why}", None)


def _too_long(text: bytes) -> Refusal:
    detail = (
        f"{len(text):,} bytes of one infraction: {TEXT_BYTES_MAX:,} at most; send many as a list, or one a line"
    )
    return Refusal(Reason.BAD_SHAPE, detail, None)
