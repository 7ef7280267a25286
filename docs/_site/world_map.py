"""Make the dashboard's map of the world: `python docs/_site/world_map.py FOLDER`.

FOLDER is the unpacked npm package world-atlas 2.0.2, whose borders are Natural Earth's, in the public domain. Run
it when that package changes; the map that it writes is committed, so that nobody needs it to build or run f2b.
"""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from math import hypot, pi, radians
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Point = tuple[int, int]

TARGET = Path(__file__).resolve().parents[2] / "worker" / "f2b_worker" / "dashboard" / "static" / "world.svg"

WIDTH, HEIGHT = 960, 430
"""The size of the drawing, from Greenland to Cape Horn."""

_TOP_LATITUDE = 84.0
_ANTARCTICA = "AQ"
_DOT = 3
"""The radius of a country that the coarse borders leave out: Singapore and Hong Kong have more hosts than most."""

# ISO 3166-1: numbers, by which the borders are named, and the codes of two letters, by which the registries name.
_CODES = """
004AF 008AL 010AQ 012DZ 016AS 020AD 024AO 028AG 031AZ 032AR 036AU 040AT 044BS 048BH 050BD 051AM 052BB 056BE 060BM
064BT 068BO 070BA 072BW 076BR 084BZ 086IO 090SB 092VG 096BN 100BG 104MM 108BI 112BY 116KH 120CM 124CA 132CV 136KY
140CF 144LK 148TD 152CL 156CN 158TW 170CO 174KM 178CG 180CD 184CK 188CR 191HR 192CU 196CY 203CZ 204BJ 208DK 212DM
214DO 218EC 222SV 226GQ 231ET 232ER 233EE 234FO 238FK 239GS 242FJ 246FI 248AX 250FR 258PF 260TF 262DJ 266GA 268GE
270GM 275PS 276DE 288GH 296KI 300GR 304GL 308GD 316GU 320GT 324GN 328GY 332HT 334HM 336VA 340HN 344HK 348HU 352IS
356IN 360ID 364IR 368IQ 372IE 376IL 380IT 384CI 388JM 392JP 398KZ 400JO 404KE 408KP 410KR 414KW 417KG 418LA 422LB
426LS 428LV 430LR 434LY 438LI 440LT 442LU 446MO 450MG 454MW 458MY 462MV 466ML 470MT 478MR 480MU 484MX 492MC 496MN
498MD 499ME 500MS 504MA 508MZ 512OM 516NA 520NR 524NP 528NL 531CW 533AW 534SX 540NC 548VU 554NZ 558NI 562NE 566NG
570NU 574NF 578NO 580MP 583FM 584MH 585PW 586PK 591PA 598PG 600PY 604PE 608PH 612PN 616PL 620PT 624GW 626TL 630PR
634QA 642RO 643RU 646RW 652BL 654SH 659KN 660AI 662LC 663MF 666PM 670VC 674SM 678ST 682SA 686SN 688RS 690SC 694SL
702SG 703SK 704VN 705SI 706SO 710ZA 716ZW 724ES 728SS 729SD 732EH 740SR 748SZ 752SE 756CH 760SY 762TJ 764TH 768TG
776TO 780TT 784AE 788TN 792TR 795TM 796TC 800UG 804UA 807MK 818EG 826GB 831GG 832JE 833IM 834TZ 840US 850VI 854BF
858UY 860UZ 862VE 876WF 882WS 887YE 894ZM
"""
CODES = {each[:3]: each[3:] for each in _CODES.split()}
_NAMELESS = {"Kosovo": "XK", "N. Cyprus": "CY", "Somaliland": "SO"}
"""Borders without a number: the first has a code of its own in use, the registries know the others' as these."""


def project(longitude: float, latitude: float) -> Point:
    """Place a point on the drawing, by the Natural Earth projection (Šavrič, Jenny and Patterson, 2011)."""
    unit = WIDTH / 2 / _across(pi, 0)
    x, y = _across(radians(longitude), radians(latitude)), _up(radians(_TOP_LATITUDE)) - _up(radians(latitude))
    return round(WIDTH / 2 + x * unit), round(y * unit)


def _across(longitude: float, latitude: float) -> float:
    square = latitude**2
    return longitude * (
        0.8707
        - 0.131979 * square
        + square**2 * (-0.013791 + square**2 * (0.003971 * square - 0.001529 * square**2))
    )


def _up(latitude: float) -> float:
    square = latitude**2
    return latitude * (
        1.007226 + square * (0.015085 + square**2 * (-0.044475 + 0.028874 * square - 0.005916 * square**2))
    )


class Borders:
    """The countries of one TopoJSON file: https://github.com/topojson/topojson-specification."""

    def __init__(self, path: Path) -> None:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
        scale, shift = found["transform"]["scale"], found["transform"]["translate"]
        self._arcs = [list(_unpacked(arc, scale, shift)) for arc in found["arcs"]]
        self._countries = found["objects"]["countries"]["geometries"]

    def rings(self) -> dict[str, list[list[Point]]]:
        """Return the rings of each country, by its code; Antarctica is none."""
        found: dict[str, list[list[Point]]] = {}
        for each in self._countries:
            code = CODES.get(each.get("id", "")) or _NAMELESS.get(each["properties"]["name"])
            if code and code != _ANTARCTICA:
                found.setdefault(code, []).extend(self._ring(ring) for ring in _rings_of(each))
        return found

    def _ring(self, arcs: Sequence[int]) -> list[Point]:
        points: list[Point] = []
        for number in arcs:
            arc = self._arcs[number] if number >= 0 else self._arcs[~number][::-1]
            points += arc[1:] if points else arc
        return points


def _unpacked(arc: Iterable[Sequence[int]], scale: Sequence[float], shift: Sequence[float]) -> Iterator[Point]:
    x = y = 0
    for dx, dy in arc:
        x, y = x + dx, y + dy
        yield project(x * scale[0] + shift[0], y * scale[1] + shift[1])


def _rings_of(country: dict[str, Any]) -> Iterator[Sequence[int]]:
    polygons = country["arcs"] if country["type"] == "MultiPolygon" else [country["arcs"]]
    for polygon in polygons:
        yield from polygon


def path_of(rings: Iterable[Sequence[Point]]) -> str:
    """Write rings as a path: points that the drawing cannot tell apart once, and no ring of fewer than four."""
    text = ""
    for ring in (part for whole in rings for part in _parts(whole)):
        points = [ring[0], *(here for before, here in pairwise(ring) if here != before)]
        if len(points) > 3:
            steps = "".join(_step(x - x0, y - y0) for (x0, y0), (x, y) in pairwise(points))
            text += f"M{points[0][0]} {points[0][1]}l{steps.lstrip()}z"
    return text


def _parts(ring: Sequence[Point]) -> Iterator[list[Point]]:
    """Part a ring that crosses the line of the date: Russia's goes on at the other side of the drawing."""
    sides: tuple[list[Point], list[Point]] = ([ring[0]], [])
    side = 0
    for before, here in pairwise(ring):
        if abs(here[0] - before[0]) > WIDTH / 2:
            side = 1 - side
        sides[side].append(here)
    yield from (each for each in sides if each)


def _step(dx: int, dy: int) -> str:
    return f"{'' if dx < 0 else ' '}{dx}{'' if dy < 0 else ' '}{dy}"


def middle_of(rings: Sequence[Sequence[Point]]) -> Point:
    """Find the middle of the longest ring."""
    ring = max(rings, key=lambda each: sum(hypot(x - x0, y - y0) for (x0, y0), (x, y) in pairwise(each)))
    return round(sum(x for x, _ in ring) / len(ring)), round(sum(y for _, y in ring) / len(ring))


def drawing(folder: Path) -> str:
    """Draw the world: a path for each country of the coarse borders, a dot for each other one."""
    coarse, fine = Borders(folder / "countries-110m.json").rings(), Borders(folder / "countries-50m.json").rings()
    shapes = {code: path for code, rings in coarse.items() if (path := path_of(rings))}
    lines = [f'<path id="c-{code}" d="{path}"/>' for code, path in sorted(shapes.items())]
    for code in sorted(fine.keys() - shapes.keys()):
        x, y = middle_of(fine[code])
        lines.append(f'<circle id="c-{code}" cx="{x}" cy="{y}" r="{_DOT}"/>')
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">'
    source = "<!-- Natural Earth, public domain, by world-atlas 2.0.2; made by docs/_site/world_map.py -->"
    return "\n".join([head, source, '<g id="world">', *lines, "</g>", "</svg>", ""])


if __name__ == "__main__":
    TARGET.write_text(drawing(Path(sys.argv[1])), "utf-8")
