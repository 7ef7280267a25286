"""Pages become HTML: templates in which all text is escaped, whoever wrote it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from f2b_worker import __version__
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.dashboard.static_files import static_url
from f2b_worker.dashboard.wording import ago, left, shown, span, whole
from f2b_worker.domain.addresses import display
from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.query.wording import duration, moment, ordinal, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable

    from f2b_worker.dashboard.asked import Asked, Page

TEMPLATES = Path(__file__).parent / "templates"

NAVIGATION = (
    ("", "Overview"),
    ("bans", "Bans"),
    ("top", "Top"),
    ("enforcer", "Enforcer"),
    ("queue", "Queue"),
    ("allowlist", "Allowlist"),
    ("audit", "Audit"),
)
"""The pages that have their place in the menu: the first part of the path, and the name."""


def link(path: str, **query: object) -> str:
    """Write a path with a query; what is empty stands not in it."""
    given = {name: str(value) for name, value in query.items() if value not in {None, ""}}
    return f"{quote(path)}?{urlencode(given)}" if given else quote(path)


class Renderer:
    """Writes pages; for any number of threads at once.

    Args:
        now_ms: Tells the time.
    """

    def __init__(self, now_ms: Callable[[], int] | None = None) -> None:
        self._now_ms = now_ms or SystemClock().now_ms
        self._templates = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,  # in each template, whatever its name: attackers write a part of nearly every page
            undefined=StrictUndefined,  # a misspelled name is an error of ours, and no empty cell
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._templates.filters |= {
            "address": display,
            "ago": ago,
            "duration": duration,
            "left": left,
            "moment": moment,
            "number": "{:,}".format,
            "ordinal": ordinal,
            "plain": shown,
            "rfc3339": rfc3339,
            "span": span,
            "whole": whole,
        }
        self._templates.globals |= {
            "FOREVER_MS": FOREVER_MS,
            "link": link,
            "static_url": static_url,
            "version": __version__,
        }

    def whole(self, page: Page, asked: Asked) -> bytes:
        """Write a page with its frame."""
        return self._write("frame.html", page, asked, inner=page.template, navigation=NAVIGATION)

    def main(self, page: Page, asked: Asked) -> bytes:
        """Write what stands in the page's <main>."""
        return self._write(page.template, page, asked)

    def _write(self, template: str, page: Page, asked: Asked, **more: Any) -> bytes:
        context = {"asked": asked, "now_ms": self._now_ms(), **page.context, **more}
        return self._templates.get_template(template).render(context).encode()
