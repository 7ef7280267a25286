"""Holds what a running process shows at /metrics against docs/metrics.md."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prometheus_client.metrics_core import Metric
    from prometheus_client.samples import Sample

PAGE = Path(__file__).resolve().parents[1] / "docs/metrics.md"
_ROW = re.compile(r"\| `(f2b_\w+)` \| (\w+) \| ([^|]*) \|.*\| ([^|]+) \|")
_VALUES = re.compile(r"### `(\w+)` of `(\w+)`\n\n(.*?)(?=\n#|\Z)", re.DOTALL)

PARTS = ("_bucket", "_sum", "_count")
"""The series of a histogram."""

_OF_SEVERAL = "Multiprocess metric"
"""What prometheus_client says in place of the meaning where several processes count together."""


class Documented(NamedTuple):
    """One row of the page."""

    kind: str
    labels: frozenset[str]
    told: str


def undocumented(shown: str) -> list[str]:
    """Name what a page of metrics shows and docs/metrics.md does not say of it."""
    page = PAGE.read_text("utf-8")
    rows = _rows(page, "The worker") | _rows(page, "The shim")
    wrong: list[str] = []
    for name, family in _families(shown).items():
        wrong += _differences(name, rows.get(name), family.type, family.documentation)
        wrong += [text for each in family.samples for text in _odd_labels(page, name, each.labels)]
        wrong += _unnamed_labels(name, rows.get(name), family.samples)
    return wrong


def missing(shown: str, title: str) -> set[str]:
    """Name what stands in docs/metrics.md under a heading, and a page of metrics does not show."""
    return set(_rows(PAGE.read_text("utf-8"), title)) - set(_families(shown))


def documented() -> dict[str, Documented]:
    """Read the page: every metric of worker and shim, by its name."""
    page = PAGE.read_text("utf-8")
    return _rows(page, "The worker") | _rows(page, "The shim")


def values_of(name: str, label: str) -> frozenset[str] | None:
    """Read which values a label of a metric has; None if somebody configures them."""
    return _closed(PAGE.read_text("utf-8")).get((label, name))


def is_shown(name: str, shown: str) -> bool:
    """Tell whether a page of metrics has a series of that name, or will have it from its first value on."""
    return any(f"# TYPE {name.removesuffix(end)} " in shown for end in ("", *PARTS))


def _families(shown: str) -> dict[str, Metric]:
    families = [each for each in text_string_to_metric_families(shown) if each.name.startswith("f2b_")]
    return {
        f"{each.name}_total" if each.type == "counter" else each.name: each
        for each in families
        if not each.name.endswith("_created")
    }


def _rows(page: str, title: str) -> dict[str, Documented]:
    section = page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    found = _ROW.findall(section)
    assert found, f"{PAGE.name} has no metrics of {title}"
    return {name: Documented(kind, frozenset(_quoted(labels)), told) for name, kind, labels, told in found}


def _differences(name: str, row: Documented | None, kind: str, told: str) -> Iterator[str]:
    if row is None:
        yield f"{name} is not in {PAGE.name}"
    elif row.kind != kind or told not in {row.told, _OF_SEVERAL}:
        yield f"{name}: {kind}, {told}"


def _unnamed_labels(name: str, row: Documented | None, samples: Iterable[Sample]) -> Iterator[str]:
    named = {label for each in samples for label in each.labels}
    if row is not None and row.kind == "histogram":
        named.discard("le")  # which bucket it is: of every histogram
    if row is not None and not named <= row.labels:
        yield f"{name} has the labels {sorted(named)}"


def _odd_labels(page: str, name: str, labels: dict[str, str]) -> Iterator[str]:
    for label, value in labels.items():
        closed = _closed(page).get((label, name))
        if closed is not None and value not in closed:
            yield f"{name}: {label} is {value}"


@cache
def _closed(page: str) -> dict[tuple[str, str], frozenset[str]]:
    return {
        (label, name): frozenset(re.findall(r"^\| `([\w-]+)` \|", rows, re.MULTILINE))
        for label, name, rows in _VALUES.findall(page)
    }


def _quoted(text: str) -> list[str]:
    return re.findall(r"`(\w+)`", text)
