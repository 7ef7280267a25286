"""What pages are told, on a table and on a state file alike: the numbers of the commands."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from f2b_worker.acting.banning import BanWish, ban
from f2b_worker.acting.letters import Letters, drop
from f2b_worker.acting.lifting import LiftWish, unban
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.config.jails_file import read_jails
from f2b_worker.config.operator import load_operator
from f2b_worker.query.following import LOOKS_EVERY_S
from f2b_worker.query.letter_reader import BEING_READ, KEPT_S
from f2b_worker.query.objects import act_object
from f2b_worker.query.search import Search
from f2b_worker.query.selection import Selection
from f2b_worker.query.sources import Sources
from f2b_worker.query.status import status_object
from f2b_worker.query.story import story_object
from f2b_worker.query.view import RESTS_AFTER_S, View
from f2b_worker.query.wrong import WrongSetting
from f2b_worker.testing import FakeClock
from tests.integration.acting import IP, ok, place, told
from tests.integration.provisioning import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.provisioning import Cloud

__all__ = ["place"]

ON_A_TABLE = pytest.mark.parametrize("place", ["table"], indirect=True)
"""Of a file tests/unit/query/test_view.py tells the same."""

BANNED = [f"198.51.101.{last}" for last in range(60)]


@dataclass
class Watched:
    """Sources of a fleet, with a view that a test moves on by hand."""

    view: View
    sources: Sources
    clock: FakeClock
    cloud: Cloud

    def look(self) -> Sources:
        """Have everything looked at again, as it is now."""
        self.clock.advance(LOOKS_EVERY_S)
        self.view.touch()
        assert self.view.step() is not None
        return self.sources

    @property
    def calls(self) -> dict[str, int]:
        """The calls to AWS since this was last asked."""
        calls = self.cloud.aws.edge.calls()
        self.cloud.aws.edge.reset_calls()
        return dict(calls)


@pytest.fixture
def watched(place: str, cloud: Cloud) -> Watched:
    """Watch 60 bans of one jail and two of another, for whom nobody works, so that nobody notes a thing."""
    for name in ("f2b", "doubt"):
        cloud.ip_set(name)
    ok("ban", *BANNED, "--jail", "login", "--reason", "a test")
    ok("ban", IP, "203.0.113.0/24", "--for", "1h")
    ok("allow", "add", "192.0.2.7", "--comment", "the office", "--for", "1h")
    ok("pause", "--for", "1h", "--blocklist", "captcha", "--config", "f2b.toml")
    settings = load_operator(given(place))
    jails = read_jails(settings.config)
    clock = FakeClock(SystemClock().now_ms())
    view = View(settings, jails, clock)
    return Watched(view, Sources(settings, jails, view, clock), clock, cloud)


def given(place: str) -> dict[str, Any]:
    return {"config": Path("f2b.toml"), "queue": "f2b" if place == "table" else None, "ip_set": ("f2b",)}


def command(*words: str) -> Any:
    """Ask a command the same: of 0 and 1 either is an answer."""
    answer = run(*words, "--json")
    assert answer.exit_code in {0, 1}, answer.output
    return json.loads(answer.stdout)


def without_times(found: Any) -> Any:
    """Leave out when something was seen: a second later that is another time."""
    if isinstance(found, dict):
        return {name: without_times(each) for name, each in found.items() if not name.startswith("seen")}
    return [without_times(each) for each in found] if isinstance(found, list) else found


def test_pages_show_the_numbers_of_the_commands(watched: Watched, place: str) -> None:
    sources = watched.look()
    named = ("--config", "f2b.toml", "--ip-set", "f2b")
    asked = command("status", *named, *(("--queue", "f2b") if place == "table" else ()))
    assert without_times(status_object(sources.snapshot().status)) == without_times(asked)
    assert asked["bans"] == {"total": 62, "jails": {"login": 60, "manual": 2}}
    listed = command("list", *named, "--sort", "ip")["bans"]
    rows = [row.as_object() for page in (1, 2) for row in sources.bans(sort="ip", page=page).rows]
    assert [{name: row[name] for name in listed[0]} for row in rows] == listed
    assert {row["state"] for row in rows} == {"waiting"}
    counted = command("stats", "--by", "network")
    groups = sources.groups("network")
    assert ([{"name": name, "bans": bans} for name, bans in groups.rows], groups.total) == (
        counted["groups"],
        counted["total"],
    )
    assert story_object(IP, sources.story(IP)) == command("explain", IP, *named)
    assert [act_object(each) for each in sources.audit().acts] == command("audit")["acts"]
    allowed = command("allow", "list", "--config", "f2b.toml")["entries"]
    assert [each.as_object() for each in sources.allowlist()] == allowed
    assert {each["comment"] for each in allowed} == {"the office", None}


def test_what_is_asked_for_in_parts_says_whether_there_is_more(watched: Watched) -> None:
    watched.look()
    first, last = watched.sources.audit(per_page=3), watched.sources.audit(2, per_page=3)
    assert [each.verb.value for each in first.acts] == ["pause", "allow", "ban"]
    assert [each.verb.value for each in last.acts] == ["ban"]
    assert (first.is_last, last.is_last) == (False, True)
    around = watched.look().around("203.0.113.9/32")
    assert [each.who.key for each in around.rows if each.who] == ["203.0.113.0/24", f"{IP}/32"]
    newest = watched.sources.newest(5)
    assert (len(newest.rows), newest.total) == (5, 62)


@ON_A_TABLE
def test_dead_letters_are_read_aside_and_once_in_half_a_minute_since_to_read_them_hides_them(
    watched: Watched,
) -> None:
    url = watched.cloud.sqs.get_queue_url(QueueName="f2b-dead")["QueueUrl"]
    watched.cloud.sqs.send_message(QueueUrl=url, MessageBody="no message of ours")
    assert watched.sources.letters(within_s=0).problem == BEING_READ
    letters = watched.sources.letters(within_s=30)
    assert [each.body for each in letters.letters] == ["no message of ours"]
    assert (letters.is_whole, letters.problem, letters.reasons) == (True, None, {"received_too_often": 1})
    assert watched.calls
    assert watched.sources.letters() is letters
    assert watched.calls == {}
    done = drop(watched.sources.settings, Letters(every=True, yes=True), by="ann (dashboard)")
    assert len(done.letters) == 1
    watched.sources.forget_letters()
    assert watched.sources.letters(within_s=30).letters == []
    watched.clock.advance(KEPT_S)
    watched.cloud.aws.edge.fault("sqs:*", "throttle")
    try:
        assert "Rate exceeded" in str(watched.sources.letters(within_s=30).problem)
    finally:
        watched.cloud.aws.edge.clear_faults()


@ON_A_TABLE
def test_a_fleet_that_nobody_looks_at_is_asked_nothing(watched: Watched) -> None:
    watched.look()
    assert watched.calls
    watched.clock.advance(RESTS_AFTER_S + 1)
    assert [watched.view.step() for _ in range(3)] == [None, None, None]
    assert watched.calls == {}


@ON_A_TABLE
def test_the_bans_are_read_once_and_then_followed_and_waf_is_asked_once_a_minute(watched: Watched) -> None:
    watched.look()
    assert watched.calls.get("wafv2:GetIPSet") == 2
    watched.look()
    again = watched.calls
    assert not any(name.startswith("wafv2:") for name in again)
    assert again.get("dynamodb:Scan") is None
    watched.clock.advance(60.0)
    watched.look()
    assert watched.calls.get("wafv2:GetIPSet") == 2


@ON_A_TABLE
def test_where_waf_may_not_be_asked_the_bans_are_shown_and_it_is_said(watched: Watched) -> None:
    watched.cloud.aws.edge.fault("wafv2:*", "error")
    try:
        found = watched.look().snapshot()
        assert found.problem is None
        assert found.problems[-1].startswith("the IP sets cannot be looked into")
        assert [each.state for each in watched.sources.bans(Search(q=IP)).rows] == [None, None]
    finally:
        watched.cloud.aws.edge.clear_faults()


@ON_A_TABLE
def test_an_outage_of_the_queue_keeps_no_ban_from_being_shown(watched: Watched) -> None:
    watched.look()
    watched.cloud.aws.edge.fault("sqs:*", "throttle")
    try:
        ok("ban", "198.51.100.77", "--jail", "login")
        found = watched.look().snapshot()
        assert found.status.bans["login"] == len(BANNED) + 1
        assert found.problem is None
        assert str(found.rest_problem).endswith("Rate exceeded")
    finally:
        watched.cloud.aws.edge.clear_faults()
    assert watched.look().snapshot().rest_problem is None


@ON_A_TABLE
def test_an_outage_keeps_what_was_known_and_says_why_it_is_no_newer(watched: Watched) -> None:
    known = watched.look().snapshot()
    watched.cloud.aws.edge.fault("dynamodb:*", "throttle")
    try:
        kept = watched.look().snapshot()
    finally:
        watched.cloud.aws.edge.clear_faults()
    assert (kept.status, kept.standing) == (known.status, known.standing)
    assert kept.problem == "reading the ban log: Rate exceeded"
    assert watched.look().snapshot().problem is None


def test_many_pages_are_asked_for_at_once(watched: Watched) -> None:
    watched.look()
    asked: list[Callable[[], object]] = [
        lambda: watched.sources.bans(Search(q="198.51.101.0/24"), "ip", 2).first,
        lambda: len(watched.sources.story(IP).answers),
        lambda: watched.sources.groups("jail").total,
        lambda: len(watched.sources.audit().acts),
        lambda: len(watched.sources.allowlist()),
    ]
    alone = [each() for each in asked]
    with ThreadPoolExecutor(8) as threads:
        for _ in range(2):
            assert list(threads.map(lambda each: each(), asked)) == alone


def test_what_somebody_does_on_a_page_is_remembered_as_his(watched: Watched) -> None:
    settings, jails = watched.sources.settings, watched.sources.jails
    done = ban(settings, jails, BanWish(["192.0.2.200"], for_ms=3_600_000), by="ann (dashboard)")
    assert [each.outcome for each in done.outcomes] == ["banned"]
    assert watched.look().bans(Search(q="192.0.2.200")).total == 1
    lifted = unban(settings, jails, LiftWish(["192.0.2.200"], reason="a mistake"), by="bob (dashboard)")
    assert [each.outcome for each in lifted.outcomes] == ["lifted"]
    assert watched.look().bans(Search(q="192.0.2.200")).total == 0
    told_of = told("audit", "--ip", "192.0.2.200")["acts"]
    assert [(each["by"], each["verb"], each["reason"]) for each in told_of] == [
        ("bob (dashboard)", "unban", "a mistake"),
        ("ann (dashboard)", "ban", ""),
    ]
    with pytest.raises(WrongSetting, match="say --yes"):
        unban(settings, jails, LiftWish(selection=Selection()), by="bob (dashboard)")
