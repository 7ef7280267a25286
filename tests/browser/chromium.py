"""Debian's headless Chromium, steered by Playwright from Python; no browser is downloaded."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from tests.conftest import skip_or_fail

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

PACKAGE = "chromium-headless-shell"
NAMES = (PACKAGE, "chromium", "google-chrome")
"""Debian has the first; Ubuntu has no package of it, and GitHub's machines have the last."""
ARGUMENTS = (
    # Whatever asks for another host finds none: a test on a laptop calls nobody, either.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--disable-quic",
)


def program() -> str:
    """Find the browser."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        skip_or_fail(f"no browser: apt-get install {PACKAGE}")
    return found


@contextmanager
def running() -> Iterator[Browser]:
    """Run it."""
    executable = program()
    with sync_playwright() as playwright:
        # Chromium's own sandbox refuses to work for root, which CI is.
        browser = playwright.chromium.launch(
            executable_path=executable, args=ARGUMENTS, chromium_sandbox=os.geteuid() != 0
        )
        try:
            yield browser
        finally:
            browser.close()
