"""Pages are HTML in which everything that somebody wrote is text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from jinja2 import UndefinedError

from f2b_worker.dashboard.asked import Asked, Page, Said, Visitor
from f2b_worker.dashboard.rendering import NAVIGATION, TEMPLATES, Renderer, link
from f2b_worker.dashboard.static_files import static_files
from tests.hostile import HOSTILE, SIGN, steering
from tests.unit.dashboard.dom import parsed

if TYPE_CHECKING:
    from pathlib import Path

NOW_MS = 1_700_000_000_000
REFUSED = Page(403, "refused.html", {"title": "Not allowed", "text": "<b>Log in</b> first."})
STATIC = re.compile(r'static_url\("([^"]+)"\)')


@pytest.fixture
def renderer() -> Renderer:
    return Renderer(lambda: NOW_MS)


def asked(url: str = "/bans", **more: Any) -> Asked:
    return Asked(url.partition("?")[0], {}, url=url, **more)


@pytest.mark.parametrize("path", sorted(TEMPLATES.iterdir()), ids=lambda path: path.name)
def test_no_template_has_what_the_policy_of_the_browser_forbids(path: Path) -> None:
    text = path.read_text("utf-8")

    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|hx-on|\bjs:|\|\s*safe\b|autoescape false", text)
    assert not re.search(r"<script(?![^>]*\bsrc=)", text)
    assert not re.search(r'(src|href)="(https?:)?//(?!www\.nro\.net|creativecommons\.org)', text)
    assert set(STATIC.findall(text)) <= static_files().keys()


def test_what_a_page_shows_is_text_and_no_markup(renderer: Renderer) -> None:
    page = parsed(renderer.whole(REFUSED, asked()))

    assert "<b>Log in</b> first." in page.one("main").text
    assert not page.all("b")


def test_a_name_that_a_template_lacks_is_an_error_and_no_empty_place(renderer: Renderer) -> None:
    with pytest.raises(UndefinedError):
        renderer.whole(Page(200, "refused.html", {"title": "x"}), asked())


def test_the_stream_has_what_stands_in_main(renderer: Renderer) -> None:
    whole, main = renderer.whole(REFUSED, asked()), renderer.main(REFUSED, asked())

    assert main in whole
    assert b"<main" not in main


def test_the_menu_leads_to_all_pages_and_says_which_one_this_is(renderer: Renderer) -> None:
    menu = parsed(renderer.whole(REFUSED, asked())).one("nav", aria_label="Pages")

    assert [each["href"] for each in menu.all("a")] == [f"/{segment}" for segment, _ in NAVIGATION]
    assert [each.text for each in menu.all("a", aria_current="page")] == ["Bans"]


def test_who_may_not_act_sees_that_and_who_may_can_log_out(renderer: Renderer) -> None:
    for visitor in (Visitor(), Visitor(can_log_in=True)):
        page = parsed(renderer.whole(REFUSED, asked("/audit?page=2", visitor=visitor)))
        assert page.one("*", id="read-only").text == "read-only"
        links = [each["href"] for each in page.all("a") if each.text == "Log in"]
        assert links == (["/login?back=%2Faudit%3Fpage%3D2"] if visitor.can_log_in else [])
        assert not page.all("form", method="post")
    page = parsed(renderer.whole(REFUSED, asked(visitor=Visitor("an<b>na", may_act=True, can_log_in=True))))
    assert not page.all("*", id="read-only")
    assert "an<b>na" in page.one("header").text
    assert page.one("form", id="logout")["action"] == "/logout"


def test_what_was_typed_into_a_form_steers_nothing_where_it_is_said_again(renderer: Renderer) -> None:
    said = Said(is_done=False, text=f"in jail {HOSTILE}: no ban runs\nthe second line")
    told = parsed(renderer.whole(REFUSED, asked(said=said))).one("*", id="said").text
    assert SIGN in told
    assert not steering(told)
    assert told.endswith("the second line")


def test_what_became_of_an_act_is_said_outside_of_what_the_stream_replaces(renderer: Renderer) -> None:
    said = Said(is_done=False, text="203.0.113.7: <i>refused</i>")
    page = parsed(renderer.whole(REFUSED, asked(said=said)))

    assert page.one("*", id="said").text == said.text
    assert page.one("*", id="said")["role"] == "status"
    assert not page.one("main").all("*", id="said")


def test_the_form_of_the_login_says_what_is_wrong_and_leads_back(renderer: Renderer) -> None:
    context = {"problem": "This token is not right.", "back": '/bans?q="x'}
    page = parsed(renderer.whole(Page(403, "login.html", context), asked("/login")))
    form = page.one("form", id="login")

    assert "This token is not right." in page.one("main").text
    assert [(each["name"], each.attributes.get("value")) for each in form.all("input")] == [
        ("back", '/bans?q="x'),
        ("token", None),
    ]
    assert form.one("input", name="token")["type"] == "password"


def test_a_link_leaves_out_what_is_empty_and_quotes_the_rest() -> None:
    assert link("/bans", q="a b&c", jail="", page=None) == "/bans?q=a+b%26c"
    assert link("/address/2001:db8::/64") == "/address/2001%3Adb8%3A%3A/64"
    assert link("/top") == "/top"
