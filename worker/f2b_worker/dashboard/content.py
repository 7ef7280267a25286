"""What a dashboard has to show and to do: pages, documents and acts, over one fleet."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.collector import look_for_garbage_seldom
from f2b_worker.config.jails_file import read_jails
from f2b_worker.dashboard.acts import Acts
from f2b_worker.dashboard.app import DashboardApp, DashboardLimits
from f2b_worker.dashboard.documents import documents_of
from f2b_worker.dashboard.pages import PAGES
from f2b_worker.dashboard.rendering import Renderer
from f2b_worker.dashboard.showing import Content
from f2b_worker.domain.addresses import is_loopback
from f2b_worker.query.sources import Sources

if TYPE_CHECKING:
    from collections.abc import Callable

    from f2b_worker.dashboard.asked import Asked, Form, Page, Said, Visitor
    from f2b_worker.process.dashboard import Serving

SHOWN_WITHIN_S = 1.5
"""So long a page waits for what its reader just did: it is in the ledger, and known here a second later."""

_OF_LETTERS = ("retry", "drop")


def open_app(how: Serving) -> DashboardApp:
    """Make the application of a fleet; nothing is asked of AWS before somebody looks.

    Raises:
        StartError: If the jails file cannot be used.
    """
    sources = Sources(how.settings, read_jails(how.settings.config))
    acts = Acts(how.settings, how.by).by_name()
    content = Content(
        pages={name: partial(_made, page, sources) for name, page in PAGES.items()},
        documents=documents_of(sources),
        acts={name: partial(acted, name, act, sources) for name, act in acts.items()},
        renderer=Renderer(),
        view=sources.view,
    )
    app = DashboardApp(content, SystemClock(), DashboardLimits(is_loopback(how.host), how.tokens))
    look_for_garbage_seldom()
    return app


def _made(page: Callable[[Asked, Sources], Page], sources: Sources, asked: Asked) -> Page:
    return page(asked, sources)


def acted(name: str, act: Callable[[Visitor, Form], Said], sources: Sources, visitor: Visitor, form: Form) -> Said:
    """Do something, and let the next page know of it."""
    before = sources.view.generation
    try:
        said = act(visitor, form)
    finally:  # also of what failed a part may be done
        if name in _OF_LETTERS:
            sources.forget_letters()
        sources.view.expect_news()
    if said.has_changed:  # else it would wait for news that do not come, in one of few threads
        sources.view.wait_beyond(before, SHOWN_WITHIN_S)
    return said
