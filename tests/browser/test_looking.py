"""What looks at the dashboard sees what a page may not do: else its silence about the dashboard says nothing."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.browser.axe import violations
from tests.browser.looking import Visitor
from tests.browser.other_site import served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.server import BaseHTTPRequestHandler

    import pytest
    from playwright.sync_api import Browser

POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src *"
GOOD = "<h1>Bans</h1><img src='/picture.svg' alt='A map'><script src='/good.js'></script>"
PAGES = {
    "/good": GOOD,
    "/inline-script": f"{GOOD}<script>document.title = 'It ran'</script>",
    "/inline-style": f"{GOOD}<p style='color: red'>Red</p>",
    "/elsewhere": f"{GOOD}<img src='http://198.51.100.1/spy.png' alt='A spy'>",
    "/broken-script": f"{GOOD}<script src='/broken.js'></script>",
    "/missing": f"{GOOD}<script src='/not-there.js'></script>",
    "/unlabelled": f"{GOOD}<img src='/picture.svg'>",
    "/pale": f"<link rel=stylesheet href='/pale.css'>{GOOD}<p>Hardly to be read</p>",
}
FILES = {
    "/good.js": ("text/javascript", "document.title = 'It ran'"),
    "/picture.svg": ("image/svg+xml", "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>"),
    "/broken.js": ("text/javascript", "nothing.at.all()"),
    "/pale.css": ("text/css", "p { color: #888 } @media (prefers-color-scheme: dark) { p { color: #222 } }"),
}
FAULTS = {
    "/good": "",
    "/inline-script": "policy: script-src-elem inline on ",
    "/inline-style": "policy: style-src-attr inline on ",
    "/elsewhere": "elsewhere: http://198.51.100.1/spy.png",
    "/broken-script": "script: nothing is not defined",
    "/missing": "404: http://127.0.0.1",
}


def answer(request: BaseHTTPRequestHandler) -> None:
    kind, text = FILES.get(request.path, ("text/plain", ""))
    if request.path in PAGES:
        body = f"<body><main>{PAGES[request.path]}</main>"
        kind, text = "text/html", f"<!doctype html><html lang=en><title>A page</title>{body}"
    request.send_response(200 if text else 404)
    request.send_header("Content-Type", kind)
    request.send_header("Content-Security-Policy", POLICY)
    request.end_headers()
    request.wfile.write(text.encode())


@contextmanager
def visiting(browser: Browser) -> Iterator[Visitor]:
    with served(answer) as url:
        visitor = Visitor(browser, url)
        yield visitor
        visitor.close()


def test_what_a_page_may_not_do_is_noted(browser: Browser, subtests: pytest.Subtests) -> None:
    with visiting(browser) as visitor:
        for path, said in FAULTS.items():
            tab = visitor.open(path)
            tab.wait_for_load_state("networkidle")
            assert tab.title() == "It ran"
            faults = visitor.taken()
            with subtests.test(path=path):
                assert faults if said else not faults
                assert not said or any(each.startswith(said) for each in faults), faults
            tab.close()


def test_axe_sees_what_has_no_label_and_what_is_too_pale_in_either_scheme(browser: Browser) -> None:
    with visiting(browser) as visitor:
        assert names(violations(visitor.open("/good"))) == []
        assert names(violations(visitor.open("/unlabelled"))) == ["image-alt"]
        tab = visitor.open("/pale")
        assert names(violations(tab)) == ["color-contrast"]
        tab.emulate_media(color_scheme="dark")
        assert names(violations(tab)) == []
        assert visitor.taken() == []


def names(found: list[str]) -> list[str]:
    return [each.partition(":")[0] for each in found]
