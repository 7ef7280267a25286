"""Somebody who looks at pages, and notes whatever a page may never do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response

TELL_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", event =>
  tellViolation(`${event.violatedDirective} ${event.blockedURI} on ${event.documentURI}`))
"""
SOON_MS = 60_000
"""Whatever is promised within two seconds, a machine that tests run on may be busy."""
# Said by Chromium of each answer of 400 and above, and of no answer: `_hear` has them with their address.
ALREADY_HEARD = "Failed to load resource"


class Visitor:
    """One person's browser: tabs that share cookies.

    Args:
        browser: Where it is.
        url: Of the only server that its pages may ask.
        has_scripts: Whether JavaScript is on.
        **options: Of Playwright's `new_context`.

    Attributes:
        faults: What its pages did that they may not: the policy was violated, a script failed, another host was
            asked, or an answer was none or 400 and above.
    """

    def __init__(self, browser: Browser, url: str, *, has_scripts: bool = True, **options: Any) -> None:
        self.url = url
        self.faults: list[str] = []
        self.context: BrowserContext = browser.new_context(
            base_url=url,
            java_script_enabled=has_scripts,
            reduced_motion="reduce",  # else a colour that axe looks at may be on its way to another
            **options,
        )
        self.context.set_default_timeout(SOON_MS)
        if has_scripts:
            self.context.expose_function("tellViolation", lambda what: self.faults.append(f"policy: {what}"))
            self.context.add_init_script(TELL_VIOLATIONS)
        self.context.on("console", self._read)
        self.context.on("weberror", lambda error: self.faults.append(f"script: {error.error}"))
        self.context.on("request", self._see)
        self.context.on("response", self._hear)
        self.context.on("requestfailed", self._miss)

    def open(self, path: str) -> Page:
        """Open a page in a tab of its own."""
        tab = self.context.new_page()
        tab.goto(path)
        return tab

    def taken(self) -> list[str]:
        """Take the faults: those so far are as a test wants them."""
        taken, self.faults = self.faults, []
        return taken

    def close_tabs(self) -> None:
        """Close all tabs: a browser has six connections to one server, and a tab that follows keeps one."""
        for tab in self.context.pages:
            tab.close()

    def close(self) -> None:
        """Go."""
        self.context.close()

    def _read(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(ALREADY_HEARD):
            self.faults.append(f"console: {message.text}")

    def _see(self, request: Request) -> None:
        if request.url.startswith("data:"):
            return
        if urlsplit(request.url).netloc != urlsplit(self.url).netloc:
            self.faults.append(f"elsewhere: {request.url}")

    def _hear(self, response: Response) -> None:
        if response.status >= 400:
            self.faults.append(f"{response.status}: {response.url}")

    def _miss(self, request: Request) -> None:
        # A page that is left ends what it has asked for.
        if request.failure != "net::ERR_ABORTED":
            self.faults.append(f"no answer: {request.url} {request.failure}")
