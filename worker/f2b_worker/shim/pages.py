"""The pages below `/state`, for eyes and for programs. No script, and every text escaped."""

from __future__ import annotations

import asyncio
import json
from html import escape
from itertools import chain
from typing import TYPE_CHECKING, Any

from f2b_worker.http.replies import HTML, JSON, Reply, reply
from f2b_worker.observe.pages import LastPages

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from f2b_worker.shim.slices import Slices

# Nothing is loaded and nothing runs, whatever a page should come to contain.
_SAFE = (
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
)
_VARIES = (b"vary", b"accept")
_STYLE = "body{font-family:sans-serif}table{border-collapse:collapse}td,th{padding:.2em .8em;text-align:left}"


class Making:
    """Replies that are being made: whoever asks for one meanwhile waits for the same."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[Reply]] = {}

    async def reply(self, name: str, make: Callable[[], Coroutine[Any, Any, Reply]]) -> Reply:
        """Make a reply, unless one of this name is being made, and wait for it; whoever goes stops nobody."""
        if name not in self._tasks:
            self._tasks[name] = asyncio.create_task(make())
            self._tasks[name].add_done_callback(lambda _: self._tasks.pop(name))
        return await asyncio.shield(self._tasks[name])


class SharedPages:
    """`LastPages` of what is made in slices: whoever asks meanwhile waits for the page that is being made.

    Args:
        now_s: Tells the time, on a clock that never goes back.
    """

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._last: LastPages[Reply] = LastPages(now_s)
        self._making = Making()

    async def page(self, name: str, make: Callable[[], Coroutine[Any, Any, Reply]]) -> Reply:
        """Make a page, or give the last one of this name again."""
        last = self._last.kept(name, self._now_s())
        if last is not None:
            return last
        return await self._making.reply(name, lambda: self._make(name, make))

    async def _make(self, name: str, make: Callable[[], Coroutine[Any, Any, Reply]]) -> Reply:
        began_s = self._now_s()
        page = await make()
        self._last.keep(name, page, began_s)
        return page


async def state_page(
    title: str, bound: str, rows: Iterable[dict[str, Any]], slices: Slices, *, as_json: bool
) -> Reply:
    """Show rows as a table, or as JSON.

    Args:
        title: The page's heading, and the key of the rows in JSON.
        bound: One sentence that says how far the page reaches.
        rows: All with the same keys.
        slices: A row takes 10 µs, and there are 10,000.
        as_json: Whether as JSON.
    """
    written: list[str] = []
    for row in rows:
        written += [json.dumps(row)] if as_json else _table_row(row, is_first=not written)
        if slices.is_over():
            await slices.next()
    if as_json:
        text = f'{{{json.dumps(title)}: [{", ".join(written)}], "bound": {json.dumps(bound)}}}\n'
        return reply(200, JSON, text.encode(), _VARIES)
    return reply(200, HTML, _html(title, bound, written).encode("utf-8", "backslashreplace"), _VARIES, *_SAFE)


def _html(title: str, bound: str, rows: Iterable[str]) -> str:
    return "".join(
        chain(
            f"<!doctype html><html lang=en><meta charset=utf-8><title>f2b: {escape(title)}</title>",
            f"<style>{_STYLE}</style><h1>{escape(title)}</h1><p>{escape(bound)}</p><table>",
            rows,
            "</table></html>\n",
        )
    )


def _table_row(row: dict[str, Any], *, is_first: bool) -> Iterable[str]:
    if is_first:
        yield f"<tr>{''.join(f'<th>{escape(name)}</th>' for name in row)}</tr>"
    yield f"<tr>{''.join(f'<td>{escape(str(value))}</td>' for value in row.values())}</tr>"
