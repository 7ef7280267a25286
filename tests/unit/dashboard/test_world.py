"""The map has a shape for each country that the registries name, and is light."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from f2b_worker.dashboard.static_files import static_files
from tests.unit.dashboard.dom import parsed

MAP = static_files()["world.svg"].body
SVG = "{http://www.w3.org/2000/svg}"
# Antarctica, and what the borders have as a part of another country, or not at all: Réunion, Gibraltar …
NOT_DRAWN = {"AQ", "BQ", "BV", "CC", "CX", "GF", "GI", "GP", "MQ", "RE", "SJ", "TK", "TV", "UM", "YT"}


def test_each_country_is_one_shape_with_a_name() -> None:
    root = ET.fromstring(MAP)  # our own file
    (world,) = root.findall(f"{SVG}g")
    ids = [each.attrib["id"] for each in world]

    assert world.attrib["id"] == "world"
    assert len(ids) == len(set(ids)) > 230
    assert all(re.fullmatch(r"c-[A-Z]{2}", each) for each in ids)
    assert {each.tag for each in world} == {f"{SVG}path", f"{SVG}circle"}
    assert not parsed(MAP).all("script")


def test_the_countries_that_attacks_come_from_are_drawn_however_small() -> None:
    drawn = {each.decode() for each in re.findall(rb'id="c-(..)"', MAP)}

    assert {"CN", "US", "RU", "DE", "NL", "FR", "GB", "SG", "HK", "SC", "MU", "MT", "LU", "XK"} <= drawn
    assert not drawn & NOT_DRAWN


def test_the_map_is_no_heavier_than_60_kb_and_draws_all_of_russia_on_its_own_side() -> None:
    (russia,) = re.findall(rb'id="c-RU" d="([^"]+)"', MAP)
    starts = [int(x) for x in re.findall(rb"M(\d+) ", russia)]

    assert len(MAP) <= 60_000
    assert min(starts) < 200, "it goes on in the west, behind the line of the date"
    assert max(starts) > 500
    assert not re.search(rb"-?[5-9]\d\d", re.sub(rb"M\d+ \d+", b"", russia)), "no line crosses the map"
