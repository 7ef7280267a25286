"""The generated parts of the pages about speed are what the committed figures say; their arithmetic is right."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.end_to_end.bench import is_in_time, summed_up
from benchmarks.end_to_end.producers import MAXRETRY, Part, offences
from benchmarks.worker import capacity
from benchmarks.worker.growth import AXES, AXIS_POINTS, FILE, Point, points
from benchmarks.worker.plots import BEGIN, END, draw, growth_table, pages, replaced
from benchmarks.worker.report import Contender, Run, figures

if TYPE_CHECKING:
    from pathlib import Path

POINT = {
    "pack": 100,
    "infractions_per_cpu_s": {"median": 50_000},
    "sqs_requests_per_million": 3_000,
    "write_units_per_million": 80_000,
    "read_units_per_million": 10_000,
}


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILE.read_text())
    return found


def test_the_committed_pages_are_what_the_committed_figures_say(report: dict[str, Any]) -> None:
    for path, text in pages(report).items():
        assert path.read_text() == text, f"{path.name}: run make bench-plots"


def test_the_committed_figures_hold_every_point_and_no_name_of_a_machine(report: dict[str, Any]) -> None:
    assert set(report["points"]) == {point.name for point in points(AXES)}
    assert "machine" not in report


def test_the_tables_name_every_point_and_the_picture_is_the_same_for_the_same_figures(tmp_path: Path) -> None:
    run = Run(1_000_000, 20.0, 10.0, 5.0, 8_000, 3_000, 80_000, 10_000.0, {}, None)
    found = {
        point.name: figures(Contender("f2b-worker", point.pack, (), point.processes), [run])
        for point in points(AXES)
    }
    made = {"processor": "p", "cores": 2, "load": 0, "python": "3", "runs": 1, "seconds": 1.0, "points": found}
    lines = list(growth_table(made))
    assert sum("| 50,000 |" in line for line in lines) == sum(map(len, AXIS_POINTS.values()))
    assert "| cores that are busy all the time | 20 | 20 |" in list(capacity.page(made))
    draw(made, tmp_path / "one.svg")
    draw(made, tmp_path / "two.svg")
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_axes_that_cross_measure_their_common_point_once() -> None:
    assert points(["pack", "processes"]).count(Point("zipf")) == 1


def test_only_what_stands_between_the_markers_is_replaced() -> None:
    assert replaced(f"a{BEGIN}old{END}b", ["new"]) == f"a{BEGIN}\n\nnew\n\n{END}b"
    with pytest.raises(ValueError, match="markers"):
        replaced("no markers", ["new"])


def test_what_a_million_a_second_need_follows_from_one_processs_figures() -> None:
    need = capacity.need(POINT)
    assert need.cores == 20
    assert need.workers == 30
    assert need.messages_per_s == 10_000
    assert need.sqs_requests_per_s == 13_000
    assert need.units_per_s == 80_000
    assert need.partitions == 80
    assert need.table_stops_per_s == 500_000
    an_hour = 3600 * (13_000 * 0.40 + 80_000 * 0.625 + 10_000 * 0.125) / 1e6
    assert need.dollars_per_hour == pytest.approx(an_hour)


def test_the_design_stops_at_a_table_s_units_for_new_bans_and_half_a_million_addresses() -> None:
    assert round(capacity.bans_per_s()) == 18_182
    assert capacity.held_per_s() == 120_000
    assert capacity.enforced_most() == 500_000


def test_who_is_in_no_ip_set_counts_as_later_than_everybody() -> None:
    found = summed_up([1.0, 0.5], expected=4)
    assert found == {"offenders": 4, "missing": 2, "p50_s": None, "p90_s": None, "p99_s": None}
    assert summed_up([1.0, 0.5, 3.0], expected=3)["p50_s"] == 1.0


@pytest.mark.parametrize(
    "wrong", [{"reported_per_s": 90}, {"missing": 1}, {"not_sent": 1}, {"p50_s": 2.0}, {"p50_s": None}]
)
def test_a_row_is_in_time_only_if_nothing_is_wrong_with_it(wrong: dict[str, Any]) -> None:
    row = {"wanted_per_s": 100, "reported_per_s": 100, "missing": 0, "not_sent": 0, "p50_s": 1.5}
    assert is_in_time(row)
    assert not is_in_time(row | wrong)


def test_each_offender_is_reported_maxretry_times_by_all_processes_together() -> None:
    parts = [Part("", "", process, 4, 1_000, 100.0, 5.0, 0.0, 5.0, 0.2) for process in range(4)]
    hits = [ip for part in parts for _, _, ip in offences(part)]
    assert hits
    assert {hits.count(ip) for ip in hits} == {MAXRETRY}
