"""The pages below `/state`, for eyes and for programs. No script, and every text escaped."""

from __future__ import annotations

from html import escape
from itertools import chain
from typing import TYPE_CHECKING, Any

from f2b_worker.shim.replies import HTML, Reply, json_reply, reply

if TYPE_CHECKING:
    from collections.abc import Iterable

# Nothing is loaded and nothing runs, whatever a page should come to contain.
_SAFE = (
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
)
_VARIES = (b"vary", b"accept")
_STYLE = "body{font-family:sans-serif}table{border-collapse:collapse}td,th{padding:.2em .8em;text-align:left}"


def wants_json(accept: bytes) -> bool:
    """Tell from a request's Accept header whether it is for a program, which accepts JSON and no HTML."""
    accept = accept.lower()
    return b"application/json" in accept and b"text/html" not in accept


def state_page(title: str, bound: str, rows: Iterable[dict[str, Any]], *, as_json: bool) -> Reply:
    """Show rows as a table, or as JSON.

    Args:
        title: The page's heading, and the key of the rows in JSON.
        bound: One sentence that says how far the page reaches.
        rows: All with the same keys.
        as_json: Whether as JSON.
    """
    if as_json:
        return json_reply(200, {title: list(rows), "bound": bound}, _VARIES)
    return reply(200, HTML, _html(title, bound, rows).encode("utf-8", "backslashreplace"), _VARIES, *_SAFE)


def _html(title: str, bound: str, rows: Iterable[dict[str, Any]]) -> str:
    return "".join(
        chain(
            f"<!doctype html><html lang=en><meta charset=utf-8><title>f2b: {escape(title)}</title>",
            f"<style>{_STYLE}</style><h1>{escape(title)}</h1><p>{escape(bound)}</p><table>",
            _table_rows(rows),
            "</table></html>\n",
        )
    )


def _table_rows(rows: Iterable[dict[str, Any]]) -> Iterable[str]:
    for place, row in enumerate(rows):
        if place == 0:
            yield f"<tr>{''.join(f'<th>{escape(name)}</th>' for name in row)}</tr>"
        yield f"<tr>{''.join(f'<td>{escape(str(value))}</td>' for value in row.values())}</tr>"
