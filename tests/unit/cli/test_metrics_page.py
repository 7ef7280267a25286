"""docs/metrics.md has every metric that the code makes, and every value of a label with a closed set of them."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from f2b_worker.cli.metrics_labels import CLOSED, OPEN
from f2b_worker.cli.metrics_page import label_names, metrics_of, of_every_process, page
from f2b_worker.dashboard import metrics as of_dashboard
from f2b_worker.observe import metrics as of_worker
from f2b_worker.shim import metrics as of_shim
from tests.documented_metrics import missing, undocumented

if TYPE_CHECKING:
    from collections.abc import Iterator

CODE = Path(__file__).resolve().parents[3] / "worker/f2b_worker"
# Where a literal becomes the value of a label: the function, and which of its arguments does.
SET_BY = {"labels": 0, "_counted": 0, "_refuse": 1, "_cut": 1, "_leave": 0, "counted": 0, "refused": 3}
METRIC_OF = {
    "shim/app.py": "f2b_shim_refused",
    "http/connections.py": "f2b_shim_refused",
    "shim/reports.py": "f2b_shim_refused",
    "observe/server.py": "f2b_metrics_connections_cut",
    "intake/loop.py": "f2b_postponed",
    "intake/settling.py": "f2b_postponed",
    "adapters/sqs/deliveries.py": "f2b_postponed",
    "dashboard/app.py": "f2b_dashboard_refused",
    "dashboard/posts.py": "f2b_dashboard_refused",
    "dashboard/showing.py": "f2b_dashboard_refused",
    "dashboard/stream.py": "f2b_dashboard_refused",
}


@cache
def calls_in(path: Path) -> list[ast.Call]:
    return [each for each in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(each, ast.Call)]


def literal_names() -> Iterator[str]:
    """Find the names of metrics, wherever they are made."""
    for path in CODE.rglob("*.py"):
        for call in calls_in(path):
            first = call.args[0] if call.args else None
            made = ast.unparse(call.func).rpartition(".")[2] in {"Counter", "Gauge", "_shown_by_one", "Histogram"}
            if made and isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value


def literal_values() -> Iterator[tuple[str, str]]:
    """Find what is written out as the value of a label: the module, and the value."""
    for path in CODE.rglob("*.py"):
        for call in calls_in(path):
            place = SET_BY.get(ast.unparse(call.func).rpartition(".")[2])
            argument = call.args[place] if place is not None and len(call.args) > place else None
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                yield path.relative_to(CODE).as_posix(), argument.value


def test_every_metric_that_the_code_makes_is_on_the_page() -> None:
    names = list(literal_names())

    assert len(names) > 30, "hardly any metric is found: has the way they are made changed?"
    assert [name for name in names if f"| `{name}`" not in page() and f"| `{name}_total`" not in page()] == []


def test_every_value_of_a_label_that_the_code_writes_out_is_on_the_page() -> None:
    values = list(literal_values())

    assert len(values) > 20, "hardly any value is found: has the way they are set changed?"
    assert [(module, value) for module, value in values if value not in CLOSED[METRIC_OF[module], "reason"]] == []


def test_every_label_of_a_metric_is_on_the_page() -> None:
    metrics = [*metrics_of(of_worker), *metrics_of(of_shim), *metrics_of(of_dashboard), *of_every_process()]
    used = {(told.name, label) for each in metrics for told in each.describe() for label in label_names(each)}

    assert {(name, label) for name, label in used if label not in OPEN} == set(CLOSED)


@pytest.mark.parametrize(
    ("kind", "sample", "wrong"),
    [
        ("counter", "f2b_invented_total 1", "f2b_invented_total is not in metrics.md"),
        ("counter", "f2b_surge_total 1", "f2b_surge_total is not in metrics.md"),
        ("gauge", 'f2b_surge{region="x",way="y"} 1', "f2b_surge has the labels ['region', 'way']"),
        ("counter", 'f2b_ignored_total{reason="invented"} 1', "f2b_ignored_total: reason is invented"),
        ("counter", "f2b_generation_total 1", "f2b_generation_total is not in metrics.md"),
    ],
)
def test_a_metric_that_the_page_does_not_describe_is_noticed(kind: str, sample: str, wrong: str) -> None:
    name = sample.partition("{")[0].partition(" ")[0]
    shown = f"# HELP {name} Multiprocess metric\n# TYPE {name} {kind}\n{sample}\n"

    assert undocumented(shown) == [wrong]


def test_a_metric_with_another_text_than_the_page_has_is_noticed() -> None:
    shown = "# HELP f2b_surge Other text\n# TYPE f2b_surge gauge\nf2b_surge 1\n"

    assert undocumented(shown) == ["f2b_surge: gauge, Other text"]


def test_a_metric_that_is_on_the_page_and_not_shown_is_noticed() -> None:
    assert "f2b_surge" in missing("", "The worker")
