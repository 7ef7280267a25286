"""A POST of infractions, from its headers to its body as it was meant."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from f2b_worker.http.requests import announces_more, has_gone, header, read_body
from f2b_worker.shim import replies
from f2b_worker.shim.answers import OVERLOADED, refused_whole
from f2b_worker.shim.encodings import NotPackedError, TooLargeError, UnknownEncodingError, is_packed, unpack
from f2b_worker.shim.items import Items
from f2b_worker.shim.refusals import refused
from f2b_worker.shim.slices import GoneError

if TYPE_CHECKING:
    from f2b_worker.http.replies import Reply
    from f2b_worker.http.requests import Receive, Scope
    from f2b_worker.shim.reports import Reports
    from f2b_worker.shim.slices import Begin, Slices

_PLACE_WITHIN_S = 1.0
"""So long a body waits for its turn to be unpacked; it has none only while others take all of the CPU."""

_NO_PLACE = "too many packed bodies wait to be unpacked; try again"


class Posts:
    """Takes POSTs.

    Args:
        reports: Where the infractions go.
        slices: For bodies that take long.
        body_bytes: The longest body, as it came and unpacked.
        unpacked_bytes_max: What was unpacked may have so much memory at once.
    """

    def __init__(self, reports: Reports, slices: Begin, *, body_bytes: int, unpacked_bytes_max: int) -> None:
        self._reports = reports
        self._slices = slices
        self._body_bytes = body_bytes
        # A few KB unpack to a whole body, of which the room knows nothing.
        self._unpacking = asyncio.Semaphore(max(1, unpacked_bytes_max // body_bytes))

    async def answer(self, scope: Scope, receive: Receive) -> Reply | None:
        """Take one; None if its client has gone."""
        read = await self._read(scope, receive)
        return await self._reports.put(read) if isinstance(read, Items) else read  # nobody has the body any more

    async def _read(self, scope: Scope, receive: Receive) -> Items | Reply | None:
        if announces_more(scope, self._body_bytes):
            return refused("body_too_large", replies.BODY_TOO_LARGE)
        try:
            packed = is_packed(scope)
        except UnknownEncodingError:
            return refused("encoding", replies.UNKNOWN_ENCODING)
        body = await read_body(receive, self._body_bytes)
        if body is None:
            return None
        if len(body) > self._body_bytes:
            return refused("body_too_large", replies.BODY_TOO_LARGE)
        slices = self._slices(lambda: has_gone(receive))
        try:
            return await (self._unpacked if packed else self._items)(scope, body, slices)
        except GoneError:
            return None

    async def _unpacked(self, scope: Scope, packed: bytes, slices: Slices) -> Items | Reply:
        try:
            async with asyncio.timeout(_PLACE_WITHIN_S):
                await self._unpacking.acquire()
        except TimeoutError:
            return refused(OVERLOADED.reason, refused_whole(_NO_PLACE, status=503))
        try:
            body = await unpack(packed, self._body_bytes, slices)
            return await self._items(scope, body, slices)
        except TooLargeError:
            return refused("body_too_large", replies.BODY_TOO_LARGE)
        except NotPackedError as error:
            return refused("encoding", refused_whole(f"Content-Encoding: {error}"))
        finally:
            self._unpacking.release()

    async def _items(self, scope: Scope, body: bytes, slices: Slices) -> Items | Reply:
        return await self._reports.read(body, header(scope, b"content-type"), jail_of(scope), slices)


def jail_of(scope: Scope) -> str | None:
    """Find the jail that the query names."""
    query = scope["query_string"]
    if not query:
        return None
    pairs = parse_qsl(query.decode("utf-8", "replace"), keep_blank_values=True)
    return next((value for name, value in pairs if name == "jail"), None)
