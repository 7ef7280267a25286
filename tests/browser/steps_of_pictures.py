"""The pictures of docs/pictures: a step proves they can be made; with F2B_TEST_MAKES_PICTURES it makes them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from tests.browser.walk import NOTES
from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.walk import Walk

PICTURES = ROOT / "docs" / "pictures"
MAKING = bool(os.environ.get("F2B_TEST_MAKES_PICTURES"))
BYTES_MAX = 150_000
SCANNER, GUESSER = "198.51.100.23", "203.0.113.42"
BY_JAIL = {
    "scan": [SCANNER, "198.51.100.24", "198.51.100.77", "192.0.2.200", "2001:db8:5ca::1"],
    "api": ["203.0.113.130", "203.0.113.131", "2001:db8:a71::9"],
    "login": [GUESSER, "203.0.113.17", "203.0.113.23", "203.0.113.99"],
}
ALL_ENFORCED = """() => [...document.querySelectorAll("#newest-bans .state")].every(
  each => each.textContent.trim().endsWith("enforced"))"""
DESKTOP, PHONE = (1280, 760), (360, 720)


def the_pictures_of_the_docs_can_be_made_and_are_light(walk: Walk) -> None:
    for jail, ips in BY_JAIL.items():
        walk.report(*ips, jail=jail, notes=NOTES)
    tab = walk.reader.open("/")
    tab.locator("#verdict[data-ok=true]").wait_for()
    tab.wait_for_function(ALL_ENFORCED)
    folder = PICTURES if MAKING else walk.folder
    made = [
        picture(walk, folder / "dashboard-light.png", "/", DESKTOP, "light"),
        picture(walk, folder / "dashboard-dark.png", "/", DESKTOP, "dark"),
        picture(walk, folder / "dashboard-address.png", f"/address/{GUESSER}", DESKTOP, "light"),
        picture(walk, folder / "dashboard-phone.png", "/bans?sort=start", PHONE, "dark"),
    ]
    assert [path.name for path in made if path.stat().st_size > BYTES_MAX] == []


def picture(walk: Walk, path: Path, page: str, size: tuple[int, int], scheme: Literal["light", "dark"]) -> Path:
    """Look at a page as it is once its stream has come and its charts are drawn."""
    viewport = {"width": size[0], "height": size[1]}
    tab = walk.visitor(viewport=viewport, color_scheme=scheme, device_scale_factor=1).open(page)
    tab.locator("#fresh", has_text="live").wait_for()
    for chart in tab.locator("[data-chart]").all():
        chart.locator("canvas").wait_for()
    tab.screenshot(path=path)
    tab.close()
    return path


STEPS = (the_pictures_of_the_docs_can_be_made_and_are_light,)
