"""The steps of who acts, and of who may not."""

from __future__ import annotations

from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

from demo.fleet import eventually
from tests.acceptance.attacks import send_bodies
from tests.browser.other_site import other_site
from tests.browser.tabs import gone_s, log_in, note_rows, row, stands_anew, submit
from tests.browser.walk import SOON_S, SURGE_PER_MINUTE, TOKEN, WHO, hold, noting_when

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.walk import Walk

LIFTED = ("203.0.113.1", "203.0.113.2", "203.0.113.3")
KEPT = "203.0.113.66"
BY_HAND, ALLOWED = "198.51.100.7", "198.51.100.8"
LIFT = """async ip => {
  const said = await fetch("/acts/unban", {method: "POST", body: new URLSearchParams({address: ip, back: "/"})})
  return said.status
}"""
CROWD = [f"192.0.2.{last}" for last in range(1, SURGE_PER_MINUTE + 6)]


def without_a_token_there_is_no_button_and_a_script_is_refused(walk: Walk) -> None:
    for path in ("/", "/bans", f"/address/{KEPT}", "/enforcer", "/queue", "/allowlist"):
        tab = walk.reader.open(path)
        assert tab.locator("#read-only").is_visible()
        assert tab.locator("form[method=post]").count() == 0, path
        assert tab.evaluate(LIFT, KEPT) == 403
        assert walk.reader.taken() == [f"403: {walk.url}/acts/unban"]
        tab.close()
    assert f"{KEPT}/32" in walk.entries()
    assert walk.f2b("operator", "audit")["acts"] == []


def a_wrong_token_is_refused(walk: Walk) -> None:
    tab = walk.reader.open("/login")
    tab.locator("form#login [name=token]").fill("a-token-of-nobody")
    tab.locator("form#login button").click()
    tab.locator("form#login").wait_for()
    assert tab.locator("form#logout").count() == 0
    assert {each.partition(":")[0] for each in walk.reader.taken()} <= {"403", "401"}
    tab.close()


def another_site_cannot_act_in_the_name_of_who_is_logged_in(walk: Walk) -> None:
    with other_site(f"{walk.url}/acts/unban", address=KEPT, back="/") as url:
        tab = walk.jane.context.new_page()
        tab.goto(url)
        with tab.expect_navigation() as answer:
            tab.locator("button").click()
        assert answer.value.status == 403
        tab.close()
    assert {each.partition(":")[0] for each in walk.jane.taken()} == {"elsewhere", "403"}
    assert f"{KEPT}/32" in walk.entries()


def who_has_a_token_lifts_a_ban_and_every_open_page_follows_within_two_seconds(walk: Walk) -> None:
    tabs = [walk.reader.open("/bans"), walk.jane.open("/bans")]
    for tab in tabs:
        note_rows(tab)
    visitor = walk.visitor()
    late_s = []
    for ip in LIFTED:
        own = visitor.open(f"/address/{ip}")
        if own.locator("form#logout").count() == 0:
            own.goto(f"/login?back=/address/{ip}")
            log_in(own, TOKEN)
        with noting_when(partial(walk.is_free, ip)) as lifted_s:
            assert ip in submit(own, "form#unban", reason="it was me")
        late_s += [gone_s(tab, ip) - lifted_s[0] for tab in tabs]
        own.close()
    hold(walk, "the lift of a ban", late_s)
    walk.eventually_enforced(*LIFTED, banned=False)


def a_ban_by_hand_is_enforced(walk: Walk) -> None:
    for ip in (BY_HAND, ALLOWED):
        tab = walk.jane.open(f"/address/{ip}")
        assert ip in submit(tab, "form#ban", reason="scans", **{"for": "1h"})
    walk.eventually_enforced(BY_HAND, ALLOWED)
    assert row(walk.reader.open("/bans?q=198.51.100.0/24"), BY_HAND).count() == 1


def whom_somebody_allows_goes_free_until_the_entry_ends_or_is_taken_back(walk: Walk) -> None:
    tab = walk.jane.open("/allowlist")
    submit(tab, "form#allow", address=ALLOWED, comment="our office", **{"for": "30d"})
    walk.eventually_enforced(ALLOWED, banned=False)
    entry = walk.reader.open("/allowlist").locator(f"tr[data-network^='{ALLOWED}']")
    assert "our office" in entry.inner_text()
    assert "for ever" not in entry.inner_text()
    submit(tab, f"tr[data-network^='{ALLOWED}'] form.disallow")
    tab.locator(f"tr[data-network^='{ALLOWED}']").wait_for(state="detached")


def a_pause_holds_what_is_enforced_until_it_is_ended(walk: Walk) -> None:
    overview = walk.reader.open("/")
    tab = walk.jane.open("/enforcer")
    submit(tab, "form#pause", reason="deploying rules", **{"for": "30m"})
    overview.locator("#verdict").get_by_text("paused").wait_for()
    submit(tab, "form#resume")
    tab.locator("form#resume").wait_for(state="detached")


def a_dead_letter_is_put_back_and_one_is_dropped(walk: Walk) -> None:
    send_bodies(walk.fleet, ['{"ip": "nobody"}'])
    tab = walk.jane.open("/queue")
    letter = "#dead-letters tr:has-text('nobody')"
    # They are read twice a minute at most: who reads them hides them from others.
    eventually(lambda: stands_anew(tab, letter), "it is shown", SOON_S, 1)
    submit(tab, f"{letter} form.retry")
    eventually(lambda: stands_anew(tab, letter), "it is refused again", SOON_S, 1)
    eventually(lambda: drop_one_reason(tab), "none is left", SOON_S, 1)


def drop_one_reason(tab: Page) -> bool:
    """Drop the letters of one reason; tell whether there were none."""
    if not stands_anew(tab, "form#drop"):
        return tab.get_by_text("There are none.").count() == 1
    submit(tab, "form#drop")
    return False


def a_surge_is_let_in(walk: Walk) -> None:
    walk.report(*CROWD)
    tab = walk.jane.open("/enforcer")
    tab.locator("form#release").wait_for()
    assert not {f"{ip}/32" for ip in CROWD} <= walk.entries()
    submit(tab, "form#release", reason="a real attack")
    walk.eventually_enforced(*CROWD)


def the_audit_has_who_did_what_and_why(walk: Walk) -> None:
    everything = walk.f2b("operator", "audit")["acts"]
    acts = [each for each in everything if not each["by"].startswith("f2b-worker ")]
    assert {each["by"] for each in acts} == {WHO}
    did = [act for act, _ in groupby((each["verb"], each["reason"]) for each in reversed(acts))]
    assert did == [
        ("unban", "it was me"),
        ("ban", "scans"),
        ("allow", "our office"),
        ("disallow", ""),
        ("pause", "deploying rules"),
        ("resume", ""),
        ("dlq-retry", ""),
        ("dlq-drop", ""),
        ("release", "a real attack"),
    ]
    told = walk.reader.open("/audit").locator("#audit").inner_text()
    assert told.count(WHO) == len(acts) >= len(did) + len(LIFTED)
    assert [ip for ip in (*LIFTED, BY_HAND, ALLOWED) if ip not in told] == []


STEPS = (
    without_a_token_there_is_no_button_and_a_script_is_refused,
    a_wrong_token_is_refused,
    another_site_cannot_act_in_the_name_of_who_is_logged_in,
    who_has_a_token_lifts_a_ban_and_every_open_page_follows_within_two_seconds,
    a_ban_by_hand_is_enforced,
    whom_somebody_allows_goes_free_until_the_entry_ends_or_is_taken_back,
    a_pause_holds_what_is_enforced_until_it_is_ended,
    a_dead_letter_is_put_back_and_one_is_dropped,
    a_surge_is_let_in,
    the_audit_has_who_did_what_and_why,
)
