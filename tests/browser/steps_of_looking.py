"""The steps of who only looks."""

from __future__ import annotations

import re
import time
from functools import partial
from typing import TYPE_CHECKING, Literal

from demo.fleet import NAME
from tests.acceptance.attacks import send_bodies
from tests.acceptance.dashboards import SAME_OF_ENFORCER
from tests.browser.axe import violations
from tests.browser.tabs import addresses, note_rows, row, seen_s
from tests.browser.walk import NOTES, hold, noting_when

if TYPE_CHECKING:
    from playwright.sync_api import Page, Request, Route

    from tests.browser.looking import Visitor
    from tests.browser.walk import Walk

Scheme = Literal["light", "dark"]
ATTACKERS = ("203.0.113.1", "203.0.113.2", "203.0.113.3")
MARKUP = "<img src=x onerror=alert(1)>"
"""What an attacker would like a page to run."""
MARKED = "203.0.113.66"
HAS_BARS = """canvas => {
  const rgb = text => text.match(/[0-9.]+/g).slice(0, 3).map(Number).join()
  const jails = [...document.querySelectorAll("#series .swatch")].map(each => rgb(getComputedStyle(each).color))
  const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height)
  for (let at = 0; at < data.length; at += 4) if (jails.includes(data.slice(at, at + 3).join())) return true
  return false
}"""
"""Whether a chart has a dot in the colour of a jail."""
BROKEN_UP = """() => [...document.querySelectorAll("th")]
  .filter(each => each.innerText.length < 25)
  .filter(each => each.clientHeight > 5 * parseFloat(getComputedStyle(each).lineHeight))
  .map(each => each.innerText)
"""
"""Names of a few letters that stand on five lines and more."""
WEIGHT_MAX = 150_000
VIEWS = ("/", "/bans", "/address/203.0.113.1", "/top", "/enforcer", "/queue", "/allowlist", "/audit", "/login")
LOOKS: tuple[tuple[int, Scheme], ...] = ((1280, "light"), (1280, "dark"), (360, "dark"), (360, "light"))
SAME = ("ok", "problems", "bans", "pauses", "generation")
"""What stays for longer than it takes to ask twice."""
BOOKMARKS = (
    "/bans?q=203.0.113.0%2F24&sort=start",
    "/bans?jail=login&state=enforced",
    "/bans?q=203.0.113.2",
    "/top?by=network",
    "/?since=1h",
)


def a_ban_is_on_every_open_page_within_two_seconds_of_being_stored(walk: Walk) -> None:
    tabs = [walk.reader.open("/bans") for _ in range(2)]
    for tab in tabs:
        note_rows(tab)
    late_s = []
    for ip in ATTACKERS:
        with noting_when(partial(walk.is_banned, ip)) as stored_s:
            walk.report(ip)
        late_s += [seen_s(tab, ip) - stored_s[0] for tab in tabs]
    hold(walk, "a ban", late_s)
    assert set(addresses(tabs[0])) == set(ATTACKERS)


def a_page_follows_whichever_of_its_scripts_comes_late(walk: Walk) -> None:
    for script in ("app.js", "hx-sse"):
        visitor = walk.visitor()
        visitor.context.route(f"**/static/{script}*", late)
        visitor.open("/bans").locator("#fresh", has_text="live").wait_for()


def late(route: Route) -> None:
    """Let a file come when all others are there, and do their work."""
    time.sleep(1.0)
    route.continue_()


def its_page_opens_by_click_and_by_keyboard_and_tells_its_whole_story(walk: Walk) -> None:
    walk.eventually_enforced(*ATTACKERS)
    tab = walk.reader.open("/bans")
    row(tab, ATTACKERS[0]).locator("a[href^='/address/']").first.click()
    tab.wait_for_url(f"**/address/{ATTACKERS[0]}*")
    story = tab.locator("#main").inner_text()
    assert [note for note in NOTES if note not in story] == []
    assert "web-1" in story
    assert "3 infractions within 10m" in story
    tab.go_back()
    assert set(addresses(tab)) == set(ATTACKERS)

    focus_by_tab(tab, f"/address/{ATTACKERS[1]}")
    tab.keyboard.press("Enter")
    tab.wait_for_url(f"**/address/{ATTACKERS[1]}*")
    assert ATTACKERS[1] in tab.locator("h1").inner_text()


def focus_by_tab(tab: Page, target: str) -> None:
    """Go from link to link, as who has no mouse."""
    for _ in range(100):
        tab.keyboard.press("Tab")
        if target in tab.evaluate("() => document.activeElement.getAttribute('href') ?? ''"):
            return
    raise AssertionError(f"no way to {target} by keyboard")


def what_an_attacker_writes_is_text(walk: Walk) -> None:
    walk.report(MARKED, notes=[MARKUP, "<b>bold</b>", "&lt;"])
    send_bodies(walk.fleet, [f'{{"ip": "203.0.113.67", "jail": "{MARKUP}"}}', f'{{"ip": "{MARKUP}"}}'])
    walk.eventually_enforced(MARKED)
    for path in (f"/address/{MARKED}", "/bans", "/queue"):
        tab = walk.reader.open(path)
        tab.locator("#main").get_by_text(MARKUP).first.wait_for(state="attached")
        assert tab.locator("#main img, #main b").count() == 0
        tab.close()


def every_view_has_a_url_of_its_own(walk: Walk) -> None:
    tab = walk.reader.open("/bans")
    for ip in (*ATTACKERS, MARKED):
        row(tab, ip).get_by_text("enforced").wait_for()
    shown = {}
    for path in BOOKMARKS:
        tab.goto(path)
        shown[path] = skeleton(tab)
    for path in reversed(BOOKMARKS[:-1]):
        tab.go_back()
        assert (tab.url, skeleton(tab)) == (f"{walk.url}{path}", shown[path])
    for path in BOOKMARKS:
        assert skeleton(walk.visitor().open(path)) == shown[path]
    assert set(addresses(walk.reader.open(BOOKMARKS[2]))) == {ATTACKERS[1]}


def skeleton(tab: Page) -> str:
    """What a page shows, but for numbers, which move."""
    return re.sub(r"\d+\w*", "N", tab.locator("#main").inner_text())


def numbers_are_those_of_the_command(walk: Walk) -> None:
    tab = walk.reader.open("/")
    served = tab.evaluate("async () => await (await fetch('/status.json')).json()")
    said = walk.f2b("status", "status", "--queue", NAME, "--ip-set", NAME)
    assert served.keys() == said.keys()
    assert [served[name] for name in SAME] == [said[name] for name in SAME]
    assert [served["enforcers"][0][name] for name in SAME_OF_ENFORCER] == [
        said["enforcers"][0][name] for name in SAME_OF_ENFORCER
    ]
    assert (tab.locator("#verdict").get_attribute("data-ok") == "true") is said["ok"]


def what_happened_just_now_is_in_the_charts(walk: Walk) -> None:
    tab = walk.reader.context.new_page()
    tab.route("**/series.json*", leave_the_last_step)
    tab.goto("/")
    chart = tab.locator("[data-chart=bans] canvas")
    chart.wait_for()
    tab.wait_for_function(HAS_BARS, arg=chart.element_handle())


def leave_the_last_step(route: Route) -> None:
    """Answer with a series in which nothing happened before."""
    found = route.fetch().json()
    for jails in found["kinds"].values():
        for numbers in jails.values():
            numbers[:] = [*([0] * (len(numbers) - 1)), 9]
    route.fulfill(json=found)


def no_page_has_a_fault_for_axe_in_either_scheme_nor_on_a_phone(walk: Walk) -> None:
    for visitor in (walk.reader, walk.jane):
        assert [fault for path in VIEWS for fault in faults_of(visitor.open(path))] == []


def faults_of(tab: Page) -> list[str]:
    found = []
    for width, scheme in LOOKS:
        tab.set_viewport_size({"width": width, "height": 800})
        tab.emulate_media(color_scheme=scheme)
        found += [f"{tab.url} {width} {scheme}: {each}" for each in violations(tab)]
        if tab.evaluate("() => document.documentElement.scrollWidth > innerWidth"):
            found.append(f"{tab.url} {width}: wider than the screen")
        found += [f"{tab.url} {width}: {text!r} is broken up" for text in tab.evaluate(BROKEN_UP)]
    tab.close()
    return found


def a_page_weighs_no_more_than_150_kilobytes(walk: Walk) -> None:
    weights = {path: weight_of(walk.visitor(), path) for path in VIEWS}
    walk.tell(f"pages weigh {min(weights.values()):,} to {max(weights.values()):,} bytes")
    assert max(weights.values()) <= WEIGHT_MAX, weights


def weight_of(visitor: Visitor, path: str) -> int:
    """Add up what comes over the wire for a page, for who has none of it yet."""
    finished: list[Request] = []

    def keep(request: Request) -> None:  # a method of a list would be refused: it takes no attributes
        finished.append(request)

    visitor.context.on("requestfinished", keep)
    visitor.open(path).wait_for_timeout(300)
    sizes = [each.sizes() for each in finished]
    return sum(each["responseBodySize"] + each["responseHeadersSize"] for each in sizes)


STEPS = (
    a_ban_is_on_every_open_page_within_two_seconds_of_being_stored,
    a_page_follows_whichever_of_its_scripts_comes_late,
    its_page_opens_by_click_and_by_keyboard_and_tells_its_whole_story,
    what_an_attacker_writes_is_text,
    every_view_has_a_url_of_its_own,
    numbers_are_those_of_the_command,
    what_happened_just_now_is_in_the_charts,
    a_page_weighs_no_more_than_150_kilobytes,
    no_page_has_a_fault_for_axe_in_either_scheme_nor_on_a_phone,
)
