"""Each page shows what the commands show, to everybody, and its buttons to whom may act."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from f2b_worker.domain.acts.control import Control, Pause
from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.domain.judge.enforcement import State
from f2b_worker.domain.judge.verdicts import UNREADABLE, Ban, OffenderId
from f2b_worker.domain.noted_sets import NotedGroup, NotedSet, NotedSets, Progress
from f2b_worker.errors import Unavailable
from f2b_worker.ports import Notes
from f2b_worker.ports.fleet import Holder, QueueDepth
from f2b_worker.query.letter_reader import BEING_READ
from f2b_worker.query.pages import BanRow, Letters
from f2b_worker.query.status import Filled, status_object
from tests.unit.dashboard.pages.scene import BANNED, BANS, OPERATOR, URLS, Looking, OtherSnapshot

if TYPE_CHECKING:
    from f2b_worker.ports.fleet import WorkerSign
    from f2b_worker.query.sources import Sources
    from tests.unit.dashboard.dom import Node
    from tests.unit.dashboard.pages.scene import Fleet

ALL = BANS + 2
ACTS = {
    f"/address/{BANNED}": {"unban", "ban", "allow"},
    "/allowlist": {"allow", "disallow"},
    "/queue": {"retry", "drop"},
    "/enforcer": {"pause"},
}
"""The pages on which something can be done, and what."""


def actions(page: Node) -> set[str]:
    return {each["action"].rpartition("/")[2] for each in page.all("form", method="post")} - {"logout"}


@pytest.mark.parametrize("url", URLS)
def test_a_page_is_well_made_for_who_hears_it_and_for_who_uses_keys(operator: Looking, url: str) -> None:
    page = operator.whole(url)
    ids = [each["id"] for each in page.all("*", id="*")]
    labelled = {each["for"] for each in page.all("label", for_="*")}

    assert page.one("html")["lang"] == "en"
    assert page.one("head").one("title").text.endswith(" · f2b")
    assert len(page.all("h1")) == len(page.all("main", id="main")) == 1
    assert len(ids) == len(set(ids))
    assert {each["aria-labelledby"] for each in page.all("*", aria_labelledby="*")} <= set(ids)
    assert all(each.all("caption") for each in page.all("table"))
    assert all("scope" in each.attributes for each in page.all("th"))
    assert len(page.all("form", id="search")) == 1
    for label in page.all("label"):
        assert label.text
    for field in page.all("input") + page.all("select"):
        is_inside = any(field in label.walk() for label in page.all("label"))
        assert is_inside or field.attributes.get("type") == "hidden" or field.attributes.get("id") in labelled
    for form in page.all("form"):
        assert len(form.all("button")) == 1


@pytest.mark.parametrize("url", URLS)
def test_nothing_can_be_done_without_a_session_and_all_with_one(
    reader: Looking, operator: Looking, url: str
) -> None:
    assert actions(reader.whole(url)) == set()
    found = actions(operator.whole(url))
    assert found == ACTS.get(url, {"ban", "allow"} if url.endswith(".77") else set())


@pytest.mark.parametrize("url", sorted(ACTS))
def test_whatever_is_done_leads_back_to_the_page(operator: Looking, url: str) -> None:
    forms = [each for each in operator.whole(url).all("form", method="post") if each["action"] != "/logout"]

    assert {each.one("input", name="back")["value"] for each in forms} == {url}


def test_the_verdict_and_the_numbers_are_those_of_f2b_status(reader: Looking, sources: Sources) -> None:
    told = status_object(sources.snapshot().status)
    verdict = reader.main("/").one("*", id="verdict")

    assert told["problems"] == ["1 dead letter: f2b dlq list"]
    assert verdict["data-ok"] == "false"
    assert verdict.text == f"NOT OK {told['problems'][0]}"
    assert f"All {told['bans']['total']} bans" in reader.main("/").text
    assert f"of {told['bans']['total']}" in reader.main("/bans").one("caption").text


def test_a_fleet_that_works_is_ok(sources: Sources) -> None:
    seen = replace(sources.snapshot().status.seen, queue=QueueDepth(0, 0, 0, 0))
    verdict = Looking(OtherSnapshot(sources, status={"seen": seen})).main("/").one("*", id="verdict")

    assert verdict["data-ok"] == "true"
    assert verdict.text.startswith(f"OK {ALL} bans run in ")


def test_what_cannot_be_read_now_is_said_beside_what_was_known(sources: Sources) -> None:
    page = Looking(OtherSnapshot(sources, problem="DynamoDB does not answer: try again")).main("/bans")

    assert page.one("*", id="verdict")["data-ok"] == "false"
    assert page.one("*", id="verdict").text.startswith(
        "NOT KNOWN DynamoDB does not answer: try again This page shows"
    )
    assert len(page.one("table", id="bans").all("tr", data_ip="*")) == 50


def test_where_all_but_the_bans_is_old_the_verdict_says_what_is_new(sources: Sources) -> None:
    verdict = Looking(OtherSnapshot(sources, rest_problem="SQS throttles")).main("/").one("*", id="verdict")

    assert verdict["data-ok"] == "false"
    assert verdict.text.startswith("NOT KNOWN SQS throttles The bans are those of now. The rest was seen at ")


@pytest.mark.parametrize("url", ["/", "/enforcer", "/queue", "/allowlist"])
def test_a_page_that_shows_the_rest_says_why_it_is_not_known_where_only_the_bans_are(
    sources: Sources, url: str
) -> None:
    looking = Looking(OtherSnapshot(sources, rest_problem="SQS throttles", is_rest_known=False))

    verdict = looking.main("/bans").one("*", id="verdict")
    assert verdict.text == "NOT KNOWN SQS throttles Only the bans are known."
    with pytest.raises(Unavailable, match="SQS throttles"):
        looking.page(url)


def test_a_remark_stands_behind_what_is_wrong_with_the_fleet_and_makes_nothing_old(sources: Sources) -> None:
    page = Looking(OtherSnapshot(sources, remarks=("the jails file is wrong",))).main("/")
    verdict = page.one("*", id="verdict")

    assert verdict["data-ok"] == "false"
    assert verdict.text == "NOT OK 1 dead letter: f2b dlq list the jails file is wrong"


def test_the_bans_are_shown_fifty_a_page_and_every_view_is_a_link(reader: Looking) -> None:
    first = reader.main("/bans?q=203.0.113.0%2F24&sort=ip")
    rows = [each["data-ip"] for each in first.one("table", id="bans").all("tr", data_ip="*")]
    links = {each.text: each["href"] for each in first.one("nav", aria_label="Pages of the list").all("a")}
    last = reader.main(links["Last"])

    assert rows == ["203.0.113.7", *(f"203.0.113.{number}" for number in range(10, 59))]
    assert first.one("caption").text == "Running bans, 1\N{EN DASH}50 of 121"
    assert links == {
        "Next": "/bans?q=203.0.113.0%2F24&sort=ip&page=2",
        "Last": "/bans?q=203.0.113.0%2F24&sort=ip&page=3",
    }
    assert last.one("caption").text == "Running bans, 101\N{EN DASH}121 of 121"
    assert {each.text for each in last.one("nav", aria_label="Pages of the list").all("a")} == {
        "First",
        "Previous",
    }
    assert [each["value"] for each in first.one("form", id="search").all("input", name="q")] == ["203.0.113.0/24"]


def test_a_row_says_who_where_since_when_and_for_what(reader: Looking) -> None:
    (row,) = reader.main(f"/bans?q={BANNED}").one("table", id="bans").all("tr", data_ip=BANNED)
    cells = {each["data-label"]: each.text for each in row.all("td")}

    assert row.one("th").one("a")["href"] == f"/address/{BANNED}"
    assert cells["Jail"] == "login"
    assert cells["Ban"] == "2nd"
    assert cells["Left"].startswith(("58m", "59m"))
    assert cells["Note"] == "POST /wp-login.php"
    assert cells["In WAF"] == "unknown", "no IP set is named"


def test_the_heads_of_the_columns_sort_and_say_by_what_it_is_sorted(reader: Looking) -> None:
    heads = reader.main("/bans?q=203&sort=count").one("table", id="bans").one("thead").all("th")

    assert {each.text: each["aria-sort"] for each in heads if "aria-sort" in each.attributes} == {
        "Ban": "descending"
    }
    assert {each.text: each.one("a")["href"] for each in heads if each.all("a")}[
        "Left"
    ] == "/bans?q=203&sort=until"


def test_a_search_says_what_it_did_not_understand_and_what_it_found(reader: Looking) -> None:
    nobody = reader.main("/bans?q=192.0.2.77")
    assert "No running ban is like this." in nobody.text
    assert [each["href"] for each in nobody.all("a", class_="ip")] == ["/address/192.0.2.77"]
    assert not reader.main("/bans?q=login").all("p")
    assert "write 203.0.113.0/24" in reader.main("/bans?q=203.0.113%2F99").one("p", role="status").text
    by_note = reader.main("/bans?note=wp-login").one("table", id="bans").all("tr", data_ip="*")
    assert [each["data-ip"] for each in by_note] == [BANNED]
    for nonsense in ("page=-3", "page=x", "page=99999999999999", "sort=none", "state=none", "by=none", "jail=%00"):
        assert reader.page(f"/bans?{nonsense}").status == 200


def test_each_state_is_a_word_with_its_meaning_and_a_sign(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    ban = Ban(0, FOREVER_MS, 1, 1000, blocklists=("captcha",))
    rows = [BanRow(OffenderId("login", "203.0.113.7/32"), ban, state) for state in (*State, None)]
    rows.append(BanRow(None, UNREADABLE))
    found = replace(sources.bans(), rows=rows)
    monkeypatch.setattr(sources, "bans", lambda *_: found)
    page = Looking(sources).main("/bans")
    shown = [
        each.one("td", data_label="In WAF").text for each in page.one("table", id="bans").all("tr", data_ip="*")
    ]
    meanings = [each.text for each in page.one("details").all("dt")]

    assert shown == [
        *(f"{state.replace('_', ' ')} in captcha" for state in State),
        "unknown in captcha",
        "unreadable",
    ]
    assert sorted(meanings) == sorted([*(state.replace("_", " ") for state in State), "unknown"])
    assert {each.text for each in page.all("td", data_label="Left")} == {"for ever", "?"}


def test_the_top_counts_as_f2b_stats_does(reader: Looking, sources: Sources) -> None:
    for by in ("network", "jail", "hour", "count", "by", "blocklist", "family", "country"):
        table = reader.main(f"/top?by={by}").one("table")
        rows = [(each.one("th").text, each.all("td")[-1].text) for each in table.one("tbody").all("tr")]
        assert rows == [(name, f"{number:,}") for name, number in sources.groups(by).rows]
    networks = reader.main("/top?by=network").one("table")
    assert networks.one("tbody").all("a")[0]["href"] == "/bans?q=203.0.113.0%2F24"


def enforced(fleet: Fleet) -> dict[str, object]:
    """Make up what an enforcer with full sets, a surge and a pause says."""
    noted = NotedSets(
        fleet.now_ms - 5_000,
        fleet.now_ms - 6_000,
        (NotedGroup("block", 4, (NotedSet("f2b-1", 10_000, fleet.now_ms),), ("203.0.113.7/32",), None),),
        Progress(57, fleet.now_ms - 125_000, fleet.now_ms - 60_000, 2_340),
    )
    notes = Notes(
        {"arn:aws:wafv2:eu-west-1:123456789012:regional/ipset/f2b-1/a": frozenset(["192.0.2.9/32"])},
        fleet.now_ms - 60_000,
        sets=noted,
    )
    return {
        "sets": [Filled("f2b-1", "block", 4, 10_000, fleet.now_ms)],
        "are_noted": True,
        "notes": {"eu-west-1": notes},
        "control": Control({"*": Pause(fleet.now_ms, None, "ben@laptop", "a deployment")}, 3),
    }


def test_the_enforcer_says_how_full_its_sets_are_and_what_keeps_bans_out(fleet: Fleet, sources: Sources) -> None:
    seen = replace(sources.snapshot().status.seen, holders={"eu-west-1": Holder("web-1/1/a", "block")})
    other = OtherSnapshot(sources, status={**enforced(fleet), "seen": seen})
    page, text = Looking(other, OPERATOR).main("/enforcer"), Looking(other).main("/enforcer").text
    budget, filled = page.all("meter")

    assert (filled["value"], filled["max"]) == ("10000", "10000")
    assert (budget["value"], budget["max"]) == ("57", "60")
    assert "57 of 60 in the last minute" in text
    assert "Report to IP set 2.3 s for the last ban, 1m" in text
    assert "10,000 of 10,000" in text
    assert "Enforced by web-1/1/a" in text
    assert "Wait to be written 1, the longest since 2m" in text
    assert "192.0.2.9/32" in text
    assert "many: bans since" in text
    assert "All blocklists: paused since" in text
    assert "by ben@laptop: a deployment" in text
    assert actions(page) == {"pause", "resume", "release"}
    assert page.one("form", id="resume").one("input", name="blocklist")["value"] == "*"
    assert [each["value"] for each in page.one("form", id="pause").all("option")] == ["*", "block"]


@pytest.mark.parametrize(
    ("workers", "told"), [((), "start f2b-worker"), (None, "Look whether f2b-worker --standalone runs")]
)
def test_where_nobody_works_or_enforces_the_page_says_what_to_do(
    sources: Sources, workers: tuple[WorkerSign, ...] | None, told: str
) -> None:
    seen = replace(sources.snapshot().status.seen, workers=workers, holders={"eu-west-1": Holder("", "")})
    text = Looking(OtherSnapshot(sources, status={"seen": seen})).main("/enforcer").text

    assert "nobody : no worker holds the lease. Give one the IP sets of eu-west-1, by --ip-set" in text
    assert told in text


@pytest.mark.parametrize(("oldest_ms", "told"), [(None, "not known"), (0, "0s old"), (75_400, "1m 15s old")])
def test_the_queue_says_how_old_its_oldest_message_is(sources: Sources, oldest_ms: int | None, told: str) -> None:
    seen = replace(sources.snapshot().status.seen, oldest_ms=oldest_ms)
    assert f"Oldest message {told}" in Looking(OtherSnapshot(sources, status={"seen": seen})).main("/queue").text


def test_a_dead_letter_is_shown_with_its_reason_and_what_is_in_it(operator: Looking) -> None:
    page = operator.main("/queue")
    row = page.one("table", id="dead-letters").one("tr", data_id="*")

    assert "no infraction is in it" in row.text
    assert row.all("p")[0].text == '{"v": 1}'
    assert row.one("form")["action"] == "/acts/retry"
    assert row.one("input", name="id")["value"] == row["data-id"]
    assert page.one("form", id="retry").one("option")["value"] == "empty"
    assert "required" in page.one("form", id="drop").one("input", name="sure").attributes
    assert "There are none." not in page.text


def test_of_many_dead_letters_the_choice_says_among_how_many_they_were_counted(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    (letter,) = sources.letters().letters
    found = Letters((letter,) * 100, 0, is_whole=False, reasons=Counter(empty=37))
    monkeypatch.setattr(sources, "letters", lambda: found)
    page = Looking(sources, OPERATOR).main("/queue")

    for name in ("retry", "drop"):
        assert page.one("form", id=name).one("option").text == "empty (37 of the first 100)"
        assert "up to 100 with this reason" in page.one("form", id=name).text


def test_dead_letters_that_are_not_read_yet_are_asked_for_again(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "letters", lambda: Letters((), 0, problem=BEING_READ))
    (said,) = Looking(sources).main("/queue").all("p", data_again="3")

    assert said.text.startswith("The dead letters are being read")
    assert said.one("a")["href"] == "/queue"
    monkeypatch.setattr(sources, "letters", lambda: Letters((), 0, problem="SQS refuses: no right"))
    page = Looking(sources).main("/queue")
    assert "SQS refuses: no right" in page.text
    assert not page.all("p", data_again="*")
    assert "There are none." not in page.text


def test_the_allowlist_has_what_was_added_and_what_the_file_says(operator: Looking) -> None:
    rows = {
        each["data-network"]: each for each in operator.main("/allowlist").one("table").all("tr", data_network="*")
    }

    assert set(rows) == {"198.51.100.7", "192.0.2.0/24", "198.51.100.9"}
    assert "the office" in rows["198.51.100.7"].text
    assert rows["198.51.100.7"].one("form")["action"] == "/acts/disallow"
    assert "file, jail scan only" in rows["198.51.100.9"].text
    assert not rows["192.0.2.0/24"].all("form"), "what the file says is changed in the file"


def test_the_audit_says_who_did_what_when_and_why(reader: Looking) -> None:
    newest, oldest = reader.main("/audit").one("table", id="audit").one("tbody").all("tr")

    assert "ben@laptop allow 198.51.100.7" in newest.text
    assert oldest.text.endswith("ben@laptop unban 203.0.113.7 a customer")
    assert oldest.one("a")["href"] == f"/address/{BANNED}"
    assert "Nobody did anything." in reader.main("/audit?page=2").text


def test_where_the_pages_of_the_audit_end_before_the_acts_the_last_one_says_how_to_see_all(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = sources.audit(1)
    assert "f2b audit" not in Looking(sources).main("/audit").text
    monkeypatch.setattr(sources, "audit", lambda _: replace(whole, page=100, is_last=True, is_cut=True))
    page = Looking(sources).main("/audit?page=1000000000")
    assert "Older acts stand on no page. All: f2b audit --since 400d --limit 0" in page.text
    assert "Page 100" in page.text
    assert [each.text for each in page.all("a", rel="prev")] == ["Previous"]
    assert not page.all("a", rel="next")
