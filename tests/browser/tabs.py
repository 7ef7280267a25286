"""What people do in a tab of the dashboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

NOTE_ROWS = """() => {
  const seen = {}, gone = {}
  const look = () => {
    const rows = [...document.querySelectorAll("#bans tr[data-ip]")]
    const now = new Set(rows.map(each => each.dataset.ip.split("/")[0]))
    for (const ip of now) seen[ip] ??= Date.now()
    for (const ip in seen) if (!now.has(ip)) gone[ip] ??= Date.now()
  }
  new MutationObserver(look).observe(document, {subtree: true, childList: true, attributes: true})
  look()
  Object.assign(window, {seen, gone})
}"""


def note_rows(tab: Page) -> None:
    """Let a tab note when an address first stands in its table, and when no longer."""
    tab.evaluate(NOTE_ROWS)


def seen_s(tab: Page, ip: str) -> float:
    """Wait until an address stands in the table of a tab that notes; answer since when."""
    return _noted_s(tab, "seen", ip)


def gone_s(tab: Page, ip: str) -> float:
    """Wait until an address no longer stands there; answer since when."""
    return _noted_s(tab, "gone", ip)


def _noted_s(tab: Page, what: str, ip: str) -> float:
    noted = tab.wait_for_function("([what, ip]) => window[what][ip]", arg=[what, ip])
    return float(noted.json_value()) / 1000


def row(tab: Page, ip: str) -> Locator:
    """Find an address in the table of bans."""
    return tab.locator(f'#bans tr[data-ip^="{ip}"]')


def addresses(tab: Page) -> list[str]:
    """Name who is in the table of bans, in its order."""
    named = tab.locator("#bans tr[data-ip]").evaluate_all("rows => rows.map(row => row.dataset.ip.split('/')[0])")
    return [str(each) for each in named]


def stands_anew(tab: Page, selector: str) -> bool:
    """Ask for a page again, and tell whether something is on it."""
    tab.reload()
    return tab.locator(selector).count() > 0


def log_in(tab: Page, token: str) -> None:
    """Log in, and come back to where the tab was."""
    form = tab.locator("form#login")
    form.locator("[name=token]").fill(token)
    button(form).click()
    tab.locator("form#logout").wait_for(state="attached")


def button(form: Locator) -> Locator:
    """Find the one button of a form."""
    return form.locator("button, input[type=submit]")


def submit(tab: Page, selector: str, **fields: str) -> str:
    """Fill a form in, and send it; answer what the page says of the outcome."""
    form = tab.locator(selector).first
    unfold(form)
    for name, text in fields.items():
        place = form.locator(f"[name={name}]").first
        if place.evaluate("each => each.tagName") == "SELECT":
            place.select_option(text)
        else:
            place.fill(text)
    for sure in form.locator("[name=sure]").all():
        sure.check()
    with tab.expect_navigation():
        button(form).click()
    return tab.locator("#said").inner_text()


def unfold(form: Locator) -> None:
    """Open what a form is hidden in."""
    folded = form.locator("xpath=ancestor::details[not(@open)]")
    if folded.count():
        folded.locator("summary").first.click()
