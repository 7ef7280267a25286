"""What the two cookies hold, and what a browser is told of them."""

from __future__ import annotations

import pytest

from f2b_worker.dashboard.asked import Said
from f2b_worker.dashboard.cookies import Cookies


def _back(set_cookie: tuple[bytes, bytes], host: bytes = b"localhost:8080") -> Cookies:
    return Cookies([(b"host", host), (b"cookie", b"a=1; " + set_cookie[1].partition(b";")[0])])


HERE = Cookies([(b"host", b"localhost:8080")])


def test_a_script_cannot_read_the_cookies_and_no_other_site_sends_them() -> None:
    for _, value in (
        HERE.keep_session("x"),
        HERE.drop_session(),
        HERE.keep_said(Said(True, "x")),
        HERE.drop_said(),
    ):
        assert b"; HttpOnly" in value
        assert b"; SameSite=Strict" in value
        assert b"; Path=/;" in value


@pytest.mark.parametrize(
    ("headers", "is_secure"),
    [
        ([], False),
        ([(b"origin", b"http://f2b")], False),
        ([(b"origin", b"https://f2b")], True),
        ([(b"x-forwarded-proto", b"https")], True),
        ([(b"x-forwarded-proto", b"http")], False),
    ],
)
def test_behind_https_they_are_never_sent_without_it(headers: list[tuple[bytes, bytes]], is_secure: bool) -> None:
    _, value = Cookies([(b"host", b"f2b"), *headers]).keep_session("x")
    assert (b"; Secure" in value) == is_secure


def test_a_session_comes_back_as_it_was_kept() -> None:
    assert _back(HERE.keep_session("ann:1:2:3")).session == "ann:1:2:3"
    assert HERE.session == ""


def test_two_dashboards_on_one_machine_leave_each_other_alone() -> None:
    assert _back(HERE.keep_session("x"), b"localhost:8081").session == ""


@pytest.mark.parametrize("text", ["lifted", "über\n203.0.113.7: \u202egone", "<b>; a=b, c", "\ud800", ""])
def test_what_became_of_an_act_comes_back_as_text(text: str) -> None:
    said = _back(HERE.keep_said(Said(is_done=False, text=text))).said
    assert said == Said(False, text.replace("\ud800", "?"))


@pytest.mark.parametrize("letter", ["x", "é", "\u20ac", "\U0001f600", "\x00", '"'])
def test_however_much_was_done_the_cookie_fits_a_browser_and_says_that_more_is_left_out(letter: str) -> None:
    text = "\n".join(f"{number}: {letter * 40}" for number in range(500))
    kept = HERE.keep_said(Said(is_done=True, text=text))
    assert len(kept[1]) < 4096
    said = _back(kept).said
    assert said is not None
    *lines, last = said.text.split("\n")
    assert lines == text.split("\n")[: len(lines)]
    assert last == f"… and {500 - len(lines)} more; f2b audit has them"


@pytest.mark.parametrize("held", ["x", "bm8=", "WzEsMiwzXQ==", "W10=", "e30=", "bnVsbA==", "%00", "/w=="])
def test_a_cookie_of_somebody_else_is_nothing(held: str) -> None:
    assert Cookies([(b"host", b"localhost:8080"), (b"cookie", f"f2b_said_8080={held}".encode())]).said is None
