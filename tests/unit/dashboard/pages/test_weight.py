"""A page is light, at its heaviest: no more than 150 KB with all that it loads, as the server sends it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from f2b_worker.dashboard.pages.address import HITS_SHOWN
from f2b_worker.dashboard.static_files import static_files
from f2b_worker.domain.judge.infractions import noted_id
from f2b_worker.domain.judge.verdicts import Ban, Hit, OffenderId
from f2b_worker.query.pages import BanRow, Groups
from tests.unit.dashboard.dom import parsed
from tests.unit.dashboard.pages.scene import BANNED, OPERATOR, Looking, new_fleet

if TYPE_CHECKING:
    from pathlib import Path

    from f2b_worker.query.sources import Sources

BYTES_MAX = 150_000
LOADED = re.compile(rb'(?:src|href)="/static/([^"?#]+)')


def weight(html: bytes) -> int:
    return len(html) + sum(len(static_files()[name.decode()].body) for name in set(LOADED.findall(html)))


@pytest.fixture
def heaviest(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> Looking:
    """Fill each row of each table with long texts, and the map with all countries."""
    ban = Ban(0, 10**12, 100, 1000, blocklists=("captcha", "block"))
    who = OffenderId("a-jail-with-quite-a-long-name", "2001:db8:1111:2222::/64")
    rows = [BanRow(who, ban, None, "RU", "n" * 40)] * 50
    world = set(re.findall(rb'id="c-(..)"', static_files()["world.svg"].body))
    countries = [(code.decode(), 10_000 + number) for number, code in enumerate(sorted(world))]
    networks = [(f"2001:db8:{number:x}::/48", 99_999) for number in range(50)]
    page = replace(sources.bans(), rows=rows)
    monkeypatch.setattr(sources, "bans", lambda *_: page)
    monkeypatch.setattr(sources, "newest", lambda number: replace(page, rows=rows[:number]))
    monkeypatch.setattr(sources, "around", lambda _, number: replace(page, rows=rows[:number]))
    monkeypatch.setattr(
        sources, "groups", lambda by, top: Groups(by, (countries if by == "country" else networks)[:top], 1)
    )
    return Looking(sources, OPERATOR)


@pytest.mark.parametrize(
    "url", ["/", "/bans", f"/address/{BANNED}", "/top?by=country", "/top", "/queue", "/audit"]
)
def test_a_page_weighs_no_more_than_150_kb(heaviest: Looking, url: str) -> None:
    assert weight(heaviest.html(url)) <= BYTES_MAX


def test_an_address_that_200_jails_know_weighs_no_more_and_each_jail_is_named_with_a_way_to_its_story(
    tmp_path: Path,
) -> None:
    fleet = new_fleet(tmp_path)
    jails = [f"jail-{number:03}" for number in range(200)]
    (tmp_path / "f2b.toml").write_text(
        "[defaults]\nmaxretry = 1000\n" + "".join(f"[jails.{each}]\n" for each in jails)
    )
    for jail in jails:
        who = OffenderId(jail, "203.0.113.7/32")
        fleet.watch(
            who, [Hit(fleet.now_ms - n, noted_id(f"{jail}-{n}@web-1", "n" * 40)) for n in range(HITS_SHOWN)]
        )
    fleet.ban([OffenderId("jail-150", "203.0.113.7/32")])
    sources = fleet.sources()
    try:
        reader = Looking(sources, OPERATOR)
        html, chosen = reader.html("/address/203.0.113.7"), reader.main("/address/203.0.113.7?jail=jail-199")
    finally:
        sources.close()
        fleet.state.close()
    assert weight(html) <= BYTES_MAX
    page = parsed(html)
    assert page.one("h2", id="jail-1").text == "Jail jail-150", "where it is banned"
    assert {each["href"] for each in page.one("ul", class_="named").all("a")} == {
        f"?jail={each}" for each in jails if each != "jail-150"
    }
    assert "jail-000 watched 100 infractions, 0 bans" in page.one("ul", class_="named").text
    assert chosen.one("h2", id="jail-1").text == "Jail jail-199"
    assert "Banned in jail jail-150 ." in chosen.text


def test_the_weight_counts_what_a_page_loads() -> None:
    assert weight(b'<script src="/static/htmx.min.js?v=1"></script>') > len(static_files()["htmx.min.js"].body)
    assert weight(b'<use href="/static/world.svg?v=1#c-RU">') > 40_000
