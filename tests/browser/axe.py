"""axe-core: what a page does to people who cannot see it well, or use no mouse.

`make .browser/axe-4.14.1.js` fetches it, and holds it against its hash.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from tests.conftest import ROOT, skip_or_fail

if TYPE_CHECKING:
    from playwright.sync_api import Page

FILE = ROOT / ".browser" / "axe-4.14.1.js"
# Only what counts as wrong is worked out in full. The page is the whole of it: it has no frames.
RUN = "() => axe.run({resultTypes: ['violations'], iframes: false}).then(found => found.violations)"


@cache
def source() -> str:
    """Read it."""
    if not FILE.exists():
        skip_or_fail(f"no axe-core: make {FILE.relative_to(ROOT)}")
    return FILE.read_text()


def violations(page: Page) -> list[str]:
    """Name what is wrong on a page as it stands: the rule, and where."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(source())  # from outside, so the page's own policy has no say in it
    return [
        f"{each['id']}: {node['html'][:160]} ({node['failureSummary']})"
        for each in page.evaluate(RUN)
        for node in each["nodes"]
    ]
