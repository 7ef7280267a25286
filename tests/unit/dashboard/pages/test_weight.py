"""A page is light, at its heaviest: no more than 150 KB with all that it loads, as the server sends it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from f2b_worker.dashboard.static_files import static_files
from f2b_worker.domain.judge.verdicts import Ban, OffenderId
from f2b_worker.query.pages import BanRow, Groups
from tests.unit.dashboard.pages.scene import BANNED, OPERATOR, Looking

if TYPE_CHECKING:
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


def test_the_weight_counts_what_a_page_loads() -> None:
    assert weight(b'<script src="/static/htmx.min.js?v=1"></script>') > len(static_files()["htmx.min.js"].body)
    assert weight(b'<use href="/static/world.svg?v=1#c-RU">') > 40_000
