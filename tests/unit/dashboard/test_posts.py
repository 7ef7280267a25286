"""Who may act, and what is refused before anything happens."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from f2b_worker.dashboard.asked import Said
from f2b_worker.dashboard.posts import FORM_BYTES_MAX, NOT_RIGHT
from f2b_worker.errors import Unavailable
from f2b_worker.query.wording import DEFECT
from tests.unit.dashboard.scene import OURS, TOKEN, Dashboard, acts_done, refusals

FORM = {"content-type": "application/x-www-form-urlencoded"}


def test_who_logs_in_acts_in_his_name_and_comes_back_to_the_page_with_what_became_of_it() -> None:
    dashboard = Dashboard(becomes=Said(is_done=True, text="203.0.113.7: lifted"))
    answer = dashboard.post("/acts/unban", dashboard.logged_in(), address="203.0.113.7", back="/bans?page=2")
    assert (answer.status, answer.header("location")) == (303, "/bans?page=2")
    assert dashboard.done == [("ann", {"address": ["203.0.113.7"], "back": ["/bans?page=2"]})]
    shown = dashboard.get("/bans", cookie=answer.cookie)
    assert "|said 203.0.113.7: lifted" in shown.text
    assert "f2b_said_8080=; " in shown.header("set-cookie"), "it is shown once"


def test_without_a_session_nothing_is_done_and_one_line_says_what_to_do() -> None:
    dashboard = Dashboard()
    before = refusals("no_session")
    answer = dashboard.post("/acts/ban", address="203.0.113.7")
    assert answer.status == 403
    assert "Log in first: this needs a token." in answer.text
    assert dashboard.done == []
    assert refusals("no_session") == before + 1


def test_a_dashboard_without_a_token_is_read_only_also_for_who_held_one_before() -> None:
    held = Dashboard().logged_in()
    dashboard = Dashboard(tokens=())
    before = refusals("read_only")
    answers = [dashboard.post("/acts/ban", held, address="203.0.113.7"), dashboard.post("/login", token=TOKEN)]
    assert [each.status for each in answers] == [403, 403]
    assert all("read-only" in each.text and "--acts" in each.text for each in answers)
    assert dashboard.done == []
    assert refusals("read_only") == before + 2


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
    ],
)
@pytest.mark.parametrize("target", ["/acts/ban", "/login", "/logout"])
def test_a_page_of_another_site_does_nothing_with_somebody_elses_session(
    target: str, headers: dict[str, str]
) -> None:
    dashboard = Dashboard()
    cookie = dashboard.logged_in()["cookie"]
    before = refusals("cross_site")
    answer = dashboard.post(target, {**headers, "cookie": cookie}, address="203.0.113.7", token=TOKEN)
    assert answer.status == 403
    assert answer.header("set-cookie") == ""
    assert dashboard.done == []
    assert refusals("cross_site") == before + 1


def test_a_wrong_token_is_counted_and_after_some_of_them_also_a_right_one_waits() -> None:
    dashboard = Dashboard()
    before, before_many = refusals("wrong_token"), refusals("too_many_tokens")
    for _ in range(3):
        answer = dashboard.post("/login", token="wrong", back="/bans")
        assert answer.status == 403
        assert f"login.html|problem={NOT_RIGHT}, back=/bans" in answer.text
        assert answer.header("set-cookie") == ""
    late = dashboard.post("/login", token=TOKEN)
    assert late.status == 429
    assert late.header("retry-after") == "1"
    assert "Wait 1 s" in late.text
    dashboard.clock.advance(1)
    assert dashboard.post("/login", token=TOKEN).status == 303
    assert (refusals("wrong_token"), refusals("too_many_tokens")) == (before + 3, before_many + 1)


def test_a_login_is_in_the_log_with_the_name_and_without_the_token() -> None:
    with capture_logs() as lines:
        Dashboard().post("/login", token=TOKEN)
    (line,) = lines
    assert (line["event"], line["name"], line["peer"]) == ("dashboard_login", "ann", "127.0.0.1")
    assert TOKEN not in str(line)


def test_each_login_that_is_refused_is_in_the_log_with_who_tried_and_without_what_was_tried() -> None:
    dashboard = Dashboard()
    with capture_logs() as lines:
        for _ in range(4):
            dashboard.post("/login", token="hunter2")
    assert [(each["event"], each["peer"], each["reason"]) for each in lines] == [
        *[("dashboard_login_refused", "127.0.0.1", "wrong_token")] * 3,
        ("dashboard_login_refused", "127.0.0.1", "too_many_tokens"),
    ]
    assert "hunter2" not in str(lines)


@pytest.mark.parametrize(
    ("becomes", "counts"),
    [
        (Said(is_done=False, text="9 banned, 1 refused", has_changed=True), 1),
        (Said(is_done=True, text="no ban runs"), 0),
        (Said(is_done=False, text="refused"), 0),
    ],
)
def test_an_act_is_counted_if_a_part_of_it_changed_something(becomes: Said, counts: int) -> None:
    dashboard = Dashboard(becomes=becomes)
    before = acts_done("ban")
    dashboard.post("/acts/ban", dashboard.logged_in(), address="203.0.113.7")
    assert acts_done("ban") == before + counts


@pytest.mark.parametrize("back", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_nobody_is_led_to_another_site(back: str) -> None:
    dashboard = Dashboard()
    ours = dashboard.logged_in()
    assert dashboard.post("/login", token=TOKEN, back=back).header("location") == "/"
    assert dashboard.post("/acts/ban", ours, address="203.0.113.7", back=back).header("location") == "/"


def test_who_logs_out_is_out_with_each_copy_of_the_cookie() -> None:
    dashboard = Dashboard()
    ours = dashboard.logged_in()
    answer = dashboard.post("/logout", ours)
    assert (answer.status, answer.header("location")) == (303, "/")
    assert "f2b_session_8080=; " in answer.header("set-cookie")
    assert dashboard.post("/acts/ban", ours, address="203.0.113.7").status == 403


@pytest.mark.parametrize(
    ("becomes", "told"),
    [
        (
            Said(is_done=False, text="10.0.0.1: refused: it is never banned"),
            "10.0.0.1: refused: it is never banned",
        ),
        (Unavailable("writing to the table: no answer"), "writing to the table: no answer"),
        (ZeroDivisionError("secret"), DEFECT),
    ],
)
def test_an_act_that_fails_is_told_on_the_next_page(becomes: Said | Exception, told: str) -> None:
    dashboard = Dashboard(becomes=becomes)
    answer = dashboard.post("/acts/ban", dashboard.logged_in(), address="10.0.0.1")
    assert answer.status == 303
    assert told in dashboard.get("/", cookie=answer.cookie).text


def test_a_form_that_is_too_large_or_none_is_refused_and_nothing_is_done() -> None:
    dashboard = Dashboard()
    ours = dashboard.logged_in()
    large = dashboard.ask("POST", "/acts/ban", {**FORM, **ours}, b"address=" + b"1" * FORM_BYTES_MAX)
    assert large.status == 413
    as_json = dashboard.ask("POST", "/acts/ban", {**ours, "content-type": "application/json"}, b"{}")
    assert as_json.status == 415
    as_text = dashboard.ask("POST", "/acts/ban", {**ours, "content-type": "text/plain"}, b"address=203.0.113.7")
    assert as_text.status == 415
    assert dashboard.done == []


def test_a_form_that_says_how_much_too_large_it_is_is_refused_before_it_is_asked_for() -> None:
    answer = Dashboard().ask("POST", "/login", {**FORM, **OURS, "content-length": str(FORM_BYTES_MAX + 1)}, b"")
    assert answer.status == 413


@pytest.mark.parametrize("target", ["/acts/nothing", "/acts/", "/acts", "/", "/bans", "/login/x", "/ban"])
def test_there_is_nothing_else_to_post_to(target: str) -> None:
    dashboard = Dashboard()
    assert dashboard.post(target, dashboard.logged_in()).status == 404
    assert dashboard.done == []


def test_a_field_that_stands_twice_reaches_the_act_twice() -> None:
    dashboard = Dashboard()
    headers = {**FORM, **dashboard.logged_in()}
    dashboard.ask("POST", "/acts/ban", headers, b"address=203.0.113.7&address=2001%3Adb8%3A%3A1&reason=a+%C3%A9")
    assert dashboard.done == [("ann", {"address": ["203.0.113.7", "2001:db8::1"], "reason": ["a é"]})]


def test_where_a_browser_says_only_its_origin_that_counts() -> None:
    dashboard = Dashboard()
    ours = {"origin": "http://localhost:8080", "cookie": dashboard.logged_in()["cookie"]}
    assert dashboard.post("/acts/ban", ours, address="203.0.113.7").status == 303
    assert OURS == {"sec-fetch-site": "same-origin"}
