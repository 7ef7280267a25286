"""The first page shows at a glance what happens."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

from f2b_worker.dashboard.pages.overview import jail_lines
from f2b_worker.domain.tally import OTHERS, UNKNOWN
from f2b_worker.query.series import RANGES, Series
from f2b_worker.query.sources import Sources
from tests.unit.dashboard.pages.scene import BANNED, BANS, Looking

if TYPE_CHECKING:
    import pytest

NUMBERS = Series(
    0, 60_000, [0, 60], {"infractions": {"login": [1, 1200], "scan": [2, 0]}, "bans": {"login": [0, 3]}}
)


def test_the_charts_have_a_range_a_source_and_a_table_of_their_sums(
    reader: Looking, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def series(length_ms: int) -> Series:
        asked.append(length_ms)
        return NUMBERS

    monkeypatch.setattr(sources, "series", series)
    for since, (length_ms, name) in RANGES.items():
        page = reader.main(f"/?since={since}")
        charts = page.all("div", data_chart="*")
        assert [each["data-chart"] for each in charts] == ["infractions", "bans", "unbans"]
        assert {each["data-url"] for each in charts} == {f"/series.json?since={since}"}
        assert all(each["role"] == "img" and name in each["aria-label"] for each in charts)
        assert page.one("nav", aria_label="Time shown").one("a", aria_current="true").text == since
        assert asked.pop() == length_ms
        rows = [row.text for row in page.one("table", id="series").one("tbody").all("tr")]
        assert rows == ["login 1,201 3 0", "scan 2 0 0"]
    assert reader.main("/?since=nonsense").one("a", aria_current="true").text == "24h"


def test_where_the_numbers_over_time_cannot_be_read_the_page_says_so_and_shows_the_rest(
    reader: Looking, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = replace(sources.snapshot(), is_ledger_away=True, problem="DynamoDB is away", number=0)
    alone = Sources(sources.settings, sources.jails, sources.view)
    monkeypatch.setattr(alone, "view", SimpleNamespace(snapshot=known, fresh=lambda: known, jails=sources.jails))
    page = Looking(alone).main("/")

    assert "DynamoDB is away" in page.one("section", aria_labelledby="over-time").text
    assert page.one("*", id="verdict")["data-ok"] == "false"
    assert page.one("table", id="newest-bans").all("tr", data_ip="*")


def test_a_name_under_which_several_jails_are_counted_has_its_meaning(
    reader: Looking, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = Series(0, 60_000, [0], {"infractions": {UNKNOWN: [1], OTHERS: [2], "login": [3]}})
    monkeypatch.setattr(sources, "series", lambda _: numbers)
    rows = [row.one("th").text for row in reader.main("/").one("table", id="series").one("tbody").all("tr")]

    assert rows == [
        "(others) those beyond 64 jails",
        "(unknown) what the jails file does not have",
        "login",
    ]


def test_each_of_the_busiest_jails_has_a_colour_and_the_rest_share_one() -> None:
    of_jails = {f"jail{number:02}": [number] for number in range(20)}
    lines = jail_lines(Series(0, 1, [0], {"infractions": of_jails}))

    assert [each.jail for each in lines[:7]] == [f"jail{number:02}" for number in range(13, 20)]
    assert [each.colour for each in lines] == [*range(7), *[7] * 13]
    assert len(lines) == 20


def test_the_newest_bans_and_who_was_banned_most_often_stand_there(reader: Looking) -> None:
    page = reader.main("/")
    newest = [each["data-ip"] for each in page.one("table", id="newest-bans").all("tr", data_ip="*")]
    often = page.one("section", aria_labelledby="top-offenders").one("tbody").all("tr")

    assert len(newest) == 10
    assert BANNED in newest
    assert often[0].text == f"{BANNED} login 2nd"
    assert (
        page.one("section", aria_labelledby="top-network").one("tbody").all("tr")[0].text
        == f"203.0.113.0/24 {BANS + 1}"
    )


def test_what_the_charts_need_is_loaded_where_there_are_charts(reader: Looking) -> None:
    for url, has_charts in (("/", True), ("/bans", False), ("/top?by=country", False)):
        loaded = [each["src"] for each in reader.whole(url).all("script")]
        assert any("uPlot" in each for each in loaded) is has_charts
        assert any("hx-sse" in each for each in loaded)
