"""The page of one address tells its whole story."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from f2b_worker.config.operator import OperatorSettings
from f2b_worker.dashboard.asked import Visitor
from f2b_worker.dashboard.pages.address import blocklists_in, unban_command
from f2b_worker.domain.acts.act import Act, Verb
from f2b_worker.domain.acts.allowlist import AllowEntry
from f2b_worker.domain.blocklists import Blocklist
from f2b_worker.domain.jails import DAY_MS
from f2b_worker.domain.judge.verdicts import Hit, OffenderId
from f2b_worker.query.lookup import asked_in, look_up
from f2b_worker.query.reasons import because
from f2b_worker.query.story import story
from f2b_worker.query.wording import moment
from f2b_worker.testing import MemoryLedger
from tests.unit.dashboard.pages.scene import BANNED, Looking, OtherSnapshot, new_fleet

if TYPE_CHECKING:
    from pathlib import Path

    from f2b_worker.ports import StandingBan
    from f2b_worker.query.sources import Sources
    from tests.unit.dashboard.pages.scene import Fleet


def test_the_story_has_the_sentence_of_f2b_explain_for_each_jail(reader: Looking, sources: Sources) -> None:
    page = reader.main(f"/address/{BANNED}").text
    told = story(sources.settings, sources.jails, asked_in(BANNED, sources.jails.policy))
    sentences = [because(each.found, each.now_ms) for each in told.answers]

    assert len(sentences) == 2
    for sentence in sentences:
        assert f"{sentence[0].upper()}{sentence[1:]}." in page


def test_the_story_has_infractions_with_notes_bans_and_who_lifted_one(reader: Looking, fleet: Fleet) -> None:
    page = reader.main(f"/address/{BANNED}")
    tables: dict[str, list[str]] = {each.one("caption").text.partition(",")[0]: [] for each in page.all("table")}
    for table in page.all("table"):
        tables[table.one("caption").text.partition(",")[0]] += [row.text for row in table.one("tbody").all("tr")]

    assert [row for row in tables["Infractions"] if "POST /wp-login.php web-1 1 yes" in row]
    assert [row for row in tables["Infractions"] if "GET /admin web-2 1 no" in row]
    assert tables["Bans"][0].startswith(f"2nd (runs) {moment(fleet.now_ms - 60_000)}")
    assert tables["Bans"][1].startswith(f"1st {moment(fleet.now_ms - DAY_MS)}")
    assert tables["What people did to this address"] == [
        f"{moment(fleet.now_ms - DAY_MS + 60_000)} unban ben@laptop a customer"
    ]
    assert "Banned in jail login ." in page.text


def test_a_page_says_one_number_of_infractions_for_a_hit_that_counts_for_several(
    reader: Looking, fleet: Fleet
) -> None:
    hit = Hit(fleet.now_ms - 1000, "heavy", weight=5)
    fleet.ban([OffenderId("login", "203.0.113.200/32")], evidence=(hit,))

    page = reader.main("/address/203.0.113.200")

    assert "5 infractions within" in page.one("p", class_="because").text
    (row,) = [each for each in page.all("tr") if each.text.startswith("1st (runs)")]
    assert "5 infractions" in row.text
    assert page.one("svg", class_="timeline")["aria-label"].startswith("5 infractions and 1 ban ")


def test_a_story_of_a_thousand_infractions_says_how_many_it_leaves_out(reader: Looking, fleet: Fleet) -> None:
    hits = tuple(Hit(fleet.now_ms - 2000 + number, f"id-{number:04d}") for number in range(1000))
    fleet.ban([OffenderId("login", "203.0.113.201/32")], evidence=hits)

    page = reader.main("/address/203.0.113.201")

    (caption,) = [each.text for each in page.all("caption") if each.text.startswith("Infractions")]
    assert caption == "Infractions, the newest first; 900 older ones are not shown"


def test_the_story_and_the_audit_say_how_something_was_done(tmp_path: Path) -> None:
    fleet = new_fleet(tmp_path)
    who = OffenderId("login", "203.0.113.7/32")
    fleet.ban([who])
    act = Act("lift", fleet.now_ms, "ben@laptop", Verb.UNBAN, (who.key,), how="and forget the past")
    fleet.act(act, lift=[who])
    sources = fleet.sources()

    for url in ("/address/203.0.113.7", "/audit"):
        assert "unban and forget the past" in Looking(sources).main(url).text

    sources.close()
    fleet.state.close()


def test_nothing_misses_in_a_window_whose_infractions_a_running_ban_has_used(reader: Looking) -> None:
    page = reader.main(f"/address/{BANNED}")
    login, scan = (page.one("section", aria_labelledby=f"jail-{number}").text for number in (1, 2))

    assert "0 of 3 infractions within 10m, counted since the ban" in login
    assert "missing" not in login
    assert "1 of 3 infractions within 10m, 2 missing" in scan


def test_the_allowlist_that_the_snapshot_has_is_not_read_again_for_the_story(sources: Sources) -> None:
    known = OtherSnapshot(sources, entries=(AllowEntry(f"{BANNED}/32"),))

    assert "On the allowlist" in Looking(known).main(f"/address/{BANNED}").text


def test_whom_nobody_bans_has_no_window_and_a_way_to_the_list_that_says_so(reader: Looking) -> None:
    allowed, private = reader.main("/address/198.51.100.7"), reader.main("/address/10.0.0.1")

    assert allowed.one("a", href="/allowlist").text == "allowlist"
    assert not private.all("a", href="/allowlist"), "what is built in is not listed"
    assert "missing" not in allowed.text + private.text


def test_who_may_not_act_is_told_how_the_ban_can_be_lifted(reader: Looking, sources: Sources) -> None:
    on_a_laptop = Looking(sources, Visitor()).main(f"/address/{BANNED}")

    assert reader.main(f"/address/{BANNED}").one("a", href=f"/login?back=%2Faddress%2F{BANNED}").text == "log in"
    assert f"f2b unban {BANNED} --state {sources.settings.state}" in on_a_laptop.text
    assert unban_command(OperatorSettings(table="f2b"), f"{BANNED}/32") == f"f2b unban {BANNED} --table f2b"
    assert "f2b unban" not in Looking(sources, Visitor()).main("/address/198.51.100.77").text


def test_an_ipv6_address_has_the_ban_of_its_64_as_its_own(operator: Looking) -> None:
    page = operator.main("/address/2001:db8:1:2::77")

    assert "Banned in jail scan ." in page.text
    assert page.one("form", id="unban").one("input", name="address")["value"] == "2001:db8:1:2::77/128"
    assert "HEAD /" in page.text


def test_who_is_not_banned_can_be_banned_and_has_no_ban_to_lift(operator: Looking) -> None:
    page = operator.main("/address/198.51.100.77")

    assert "Not banned." in page.text
    assert not page.all("form", id="unban")
    assert page.one("form", id="ban").one("input", name="address")["value"] == "198.51.100.77"
    assert not page.all("input", name="sure"), "one address is no wide network"


def test_a_network_is_banned_only_by_somebody_who_says_that_he_is_sure(operator: Looking) -> None:
    page = operator.main("/address/198.51.100.0%2F24")

    assert {each["id"] for each in page.all("form") if each.all("input", name="sure")} == {"ban", "allow"}


def test_a_ban_goes_where_somebody_chooses_of_the_blocklists_of_the_file(sources: Sources) -> None:
    blocklists = (Blocklist("captcha", ("doubt",)), Blocklist("block", ("f2b",)))

    assert blocklists_in(replace(sources.jails, blocklists=blocklists)) == ["block", "captcha"]
    assert blocklists_in(sources.jails) == ["block"]


def test_the_neighbours_of_an_address_are_named(reader: Looking) -> None:
    page = reader.main(f"/address/{BANNED}")
    rows = [each["data-ip"] for each in page.one("table", id="neighbours").all("tr", data_ip="*")]

    assert rows == [f"203.0.113.{number}" for number in range(10, 20)]
    assert page.all("a", href="/bans?q=203.0.113.0%2F24")


@pytest.mark.parametrize("network", ["203.0.0.0/16", "0.0.0.0/0"])
def test_of_a_network_that_is_wider_than_a_neighbourhood_the_bans_in_it_are_named(
    reader: Looking, network: str
) -> None:
    page = reader.main(f"/address/{quote(network, safe='')}")
    rows = [each["data-ip"] for each in page.one("table", id="neighbours").all("tr", data_ip="*")]

    assert rows[0] == BANNED
    assert page.all("a", href=f"/bans?q={quote(network, safe='')}")


def test_what_is_no_address_is_a_page_that_says_so(reader: Looking) -> None:
    page = reader.page("/address/nonsense")

    assert page.status == 404
    assert "'nonsense' is no IPv4 or IPv6 address" in reader.main("/address/nonsense").text


def test_what_happened_is_drawn_with_a_sentence_for_who_does_not_see_it(reader: Looking) -> None:
    login, scan = reader.main(f"/address/{BANNED}").all("svg", class_="timeline")

    assert login["role"] == "img"
    assert login["aria-label"].startswith("3 infractions and 2 bans from ")
    assert len(login.all("rect", class_="ban")) == 1
    assert len(login.all("line", class_="hit used")) == 3
    assert len(scan.all("line", class_="hit")) == 1
    assert len(scan.all("rect", class_="window")) == 1


class CountedBook(MemoryLedger):
    """A ledger that counts how often it is asked for the bans of a key."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[str] = []

    def standing_of(self, key: str) -> list[StandingBan]:
        self.keys.append(key)
        return super().standing_of(key)


def test_the_bans_of_an_address_are_read_once_for_all_jails_that_judge_it(sources: Sources) -> None:
    book, policy = CountedBook(), sources.jails.policy
    known = look_up(book, policy, asked_in(BANNED, policy), None, [], now_ms=0, standing=[])
    assert len(known) == 3
    assert len(book.keys) <= 2, "once for the answers, and once for what covers it"
