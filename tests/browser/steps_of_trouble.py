"""The steps of those who have it harder: no JavaScript, a worker that is started again, no worker at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demo.fleet import eventually, get
from f2b_worker.dashboard.stream import BEGINNING, TOO_MANY, event
from tests.browser.tabs import addresses, log_in, note_rows, row, seen_s, stands_anew, submit
from tests.browser.walk import SOON_S, TOKEN, WHO, laptop, one_host

if TYPE_CHECKING:
    from playwright.sync_api import Route

    from tests.browser.walk import Walk

PLAIN, AFTER, ON_LAPTOP, ON_ONE_HOST = (f"203.0.113.{last}" for last in range(101, 105))


def all_of_it_works_without_javascript(walk: Walk) -> None:
    walk.ban(PLAIN)
    visitor = walk.visitor(has_scripts=False)
    tab = visitor.open("/bans?sort=start")
    eventually(
        lambda: stands_anew(tab, f"#bans tr[data-ip='{PLAIN}']"), "it is shown, if asked for again", SOON_S, 1
    )
    form = tab.locator("form#search")
    form.locator("[name=q]").fill(PLAIN)
    form.locator("[name=q]").press("Enter")
    tab.wait_for_url("**/bans?*")
    assert addresses(tab) == [PLAIN]
    row(tab, PLAIN).locator("a[href^='/address/']").first.click()
    tab.goto(f"/login?back=/address/{PLAIN}")
    log_in(tab, TOKEN)
    assert PLAIN in submit(tab, "form#unban", reason="without a script")
    walk.eventually_enforced(PLAIN, banned=False)


def an_open_page_recovers_by_itself_when_the_worker_is_started_again(walk: Walk) -> None:
    tab = walk.reader.open("/bans?sort=start")
    note_rows(tab)
    walk.fleet.kill()
    walk.start_worker()
    walk.report(AFTER)
    seen_s(tab, AFTER)
    # While nobody listens there is no answer, and htmx says so on the console.
    assert [each for each in walk.reader.taken() if not each.startswith(("no answer: ", "console: "))] == []
    assert walk.jane.open(f"/address/{AFTER}").locator("form#unban").is_visible()  # still logged in


def a_page_that_the_server_does_not_keep_up_to_date_any_more_says_so_and_stays_away(walk: Walk) -> None:
    # With "retry: 2000" as the server has it, htmx would be here again within 2.6 s.
    asked: list[str] = []

    def end(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(content_type="text/event-stream", body=BEGINNING + event("end", TOO_MANY.encode()))

    visitor = walk.visitor()
    visitor.context.route("**/stream?*", end)
    tab = visitor.open("/bans")
    tab.locator("#lost", has_text=TOO_MANY).wait_for()
    tab.wait_for_timeout(6_000)
    assert tab.locator("#lost").is_visible()
    assert tab.locator("#fresh").text_content() == "not live"
    assert len(asked) == 1


def a_laptop_shows_the_same_and_acts_only_if_told_to(walk: Walk) -> None:
    walk.ban(ON_LAPTOP)
    with laptop(walk) as shown:
        assert "read-only" in shown.says("http://")
        tab = walk.visitor(shown.url).open("/bans?sort=start")
        assert ON_LAPTOP in addresses(tab)
        assert tab.locator("form[method=post]").count() == 0
        walk.close_tabs()
    with laptop(walk, "--acts") as shown:
        token = shown.says("log in with this token: ").rpartition(" ")[2]
        tab = walk.visitor(shown.url).open(f"/login?back=/address/{ON_LAPTOP}")
        log_in(tab, token)
        assert ON_LAPTOP in submit(tab, "form#unban", reason="from a laptop")
        walk.eventually_enforced(ON_LAPTOP, banned=False)
        walk.close_tabs()
    [act] = [each for each in walk.f2b("operator", "audit")["acts"] if each["reason"] == "from a laptop"]
    assert act["by"] not in {"", WHO}


def a_worker_on_one_file_serves_it_too(walk: Walk) -> None:
    with one_host(walk) as (door, dashboard):
        tab = walk.visitor(dashboard).open("/bans")
        note_rows(tab)
        for _ in range(3):
            assert get(f"{door}/infraction/{ON_ONE_HOST}")[0] == 200
        seen_s(tab, ON_ONE_HOST)
        tab.goto(f"/login?back=/address/{ON_ONE_HOST}")
        log_in(tab, TOKEN)
        assert ON_ONE_HOST in submit(tab, "form#unban", reason="on one host")
        tab.goto("/bans")
        assert addresses(tab) == []
        walk.close_tabs()


STEPS = (
    all_of_it_works_without_javascript,
    an_open_page_recovers_by_itself_when_the_worker_is_started_again,
    a_page_that_the_server_does_not_keep_up_to_date_any_more_says_so_and_stays_away,
    a_laptop_shows_the_same_and_acts_only_if_told_to,
    a_worker_on_one_file_serves_it_too,
)
