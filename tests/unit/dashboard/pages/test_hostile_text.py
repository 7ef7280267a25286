"""What an attacker writes is text on each page, whatever it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from f2b_worker.domain.acts.act import Act, Verb
from f2b_worker.domain.acts.allowlist import AllowEntry
from f2b_worker.domain.judge.infractions import Reason
from f2b_worker.domain.judge.verdicts import Hit, OffenderId
from tests.unit.dashboard.pages.scene import BANNED, OPERATOR, Looking, new_fleet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.dashboard.dom import Node

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{7*7}}",
    "{% include 'frame.html' %}",
    "' autofocus onfocus='alert(1)",
    "javascript:alert(1)",
    "</main><main id=main>",
    "<div hx-get=/acts/ban hx-trigger=load>",
    "\u202etxt.exe\u2066",
    "nul\x00nul",
    "\x1b[31mred",
    "\ud7ff\ufffe",
    "x" * 200,
)
TOLD = (0, 2, 8)
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""What nobody sees, or what turns a line around."""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Looking]:
    """Give a fleet in which each text that somebody may write is hostile."""
    fleet = new_fleet(tmp_path_factory.mktemp("hostile"))
    for number, text in enumerate(HOSTILE):
        jail = f"login{number}"
        if number in TOLD:  # as many as make a ban: the story has each of these
            hit = Hit(fleet.now_ms - 1000 - number, f"{text}@{text}|{text}")
            fleet.watch(OffenderId("login", f"{BANNED}/32"), [hit])
        fleet.ban([OffenderId(jail, f"203.0.113.{100 + number}/32")], note=text)
        act = Act(
            f"act{number}", fleet.now_ms - number, text, Verb.BAN, (f"{BANNED}/32", text), text, text, how=text
        )
        fleet.act(act)
        entry = AllowEntry(f"198.51.100.{number}/32", None, text, text, fleet.now_ms)
        fleet.act(Act(f"allow{number}", fleet.now_ms, text, Verb.ALLOW, (entry.network,)), allow=[entry])
        fleet.bury(text, Reason.NOT_JSON, text)
        fleet.sign(f"worker{number}", text)
    fleet.act(Act("pause", fleet.now_ms, HOSTILE[1], Verb.PAUSE, ("*",), "", HOSTILE[0]))
    sources = fleet.sources()
    sources.view.fresh(60)
    sources.letters(60)
    yield Looking(sources, OPERATOR)
    sources.close()
    fleet.state.close()


PAGES = (
    "/bans",
    f"/address/{BANNED}",
    "/top",
    "/top?by=jail",
    "/enforcer",
    "/queue",
    "/allowlist",
    "/audit",
    "/",
    *(f"/bans?q={quote(text)}&note={quote(text)}&jail={quote(text)}&sort={quote(text)}" for text in HOSTILE[:9]),
    *(f"/address/{quote(text)}" for text in HOSTILE[:9]),
    *(f"/queue?reason={quote(text)}" for text in HOSTILE[:3]),
    *(f"/top?by={quote(text)}" for text in HOSTILE[:3]),
)


def dangers(page: Node) -> list[str]:
    """Name what no page of ours has."""
    found = [f"<{each.tag}>" for tag in ("img", "iframe", "style", "object", "embed") for each in page.all(tag)]
    found += ["script" for each in page.all("script") if not each["src"].startswith("/static/")]
    for each in page.walk():
        found += [f"{each.tag} {name}" for name in each.attributes if name.startswith("on") or name == "style"]
        found += [f"{each.tag} {name}" for name in each.attributes if name.startswith("hx-") and each.tag != "div"]
        found += [
            each[name] for name in ("href", "action", "src") if each.attributes.get(name, "").startswith("java")
        ]
    return found


@pytest.mark.parametrize("url", PAGES)
def test_hostile_text_is_text(hostile: Looking, url: str) -> None:
    html = hostile.html(url)
    page = hostile.whole(url)

    assert dangers(page) == []
    assert len(page.all("main")) == 1
    assert b">49<" not in html
    assert not UNSEEN.search(page.one("main").text)
    assert len(page.all("div", hx_sse_connect="*")) <= 1


def test_hostile_text_is_shown_as_it_was_written(hostile: Looking) -> None:
    for url in ("/bans", f"/address/{BANNED}", "/enforcer", "/queue", "/allowlist", "/audit"):
        text = hostile.main(url).text
        assert HOSTILE[0] in text, url
        assert HOSTILE[2] in text or url == "/enforcer", url  # there is one worker on a file
        assert r"\u202etxt.exe" in text or url in {"/bans", "/enforcer"}, url  # a note is kept without it


def test_the_check_notices_what_is_dangerous() -> None:
    from tests.unit.dashboard.dom import parsed  # noqa: PLC0415

    bad = b'<p onclick="x" style="y"><a href="javascript:x"></a><img><script src="//x"></script></p>'
    assert len(dangers(parsed(bad))) == 5
