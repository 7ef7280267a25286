"""What an expression in PromQL asks for: which metrics, with which labels and values."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

import promql_parser as promql
import yaml

from tests.conftest import ROOT
from tests.documented_metrics import is_shown

if TYPE_CHECKING:
    from collections.abc import Iterator

RULES = ROOT / "deploy" / "prometheus" / "alerts.yaml"
BOARDS = sorted((ROOT / "deploy" / "grafana").glob("*.json"))
_LABEL_OF_A_RULE = re.compile(r"\$labels\.(\w+)")
_LABEL_OF_A_LEGEND = re.compile(r"\{\{(\w+)\}\}")


class Query(NamedTuple):
    """An expression, and which labels its reader must find in the answer."""

    place: str
    expr: str
    labels: frozenset[str]


class Asked(NamedTuple):
    """One metric in an expression.

    Attributes:
        name: Of the series.
        labels: Those that it must have for the expression to make sense.
        values: What some of them are compared with.
    """

    name: str
    labels: frozenset[str]
    values: tuple[tuple[str, str], ...]


class LostLabelError(Exception):
    """A label is needed that an aggregation below has dropped."""


def queries() -> list[Query]:
    """List every expression of the alert rules and of the dashboards."""
    return [*_of_rules(), *_of_boards()]


def asked(query: Query) -> list[Asked]:
    """Tell what a query asks for.

    Raises:
        LostLabelError: If its answer cannot have a label that it needs.
    """
    text = query.expr.replace("$__rate_interval", "5m").replace("$__range", "6h")
    return list(_walk(promql.parse(text), query.labels))


def unanswered(shown: str) -> set[str]:
    """Name what rules and dashboards ask for and a page of metrics shows neither now nor from a first value on."""
    names = {each.name for query in queries() for each in asked(query)}
    return {name for name in names if not is_shown(name, shown)}


def ranges(query: Query) -> list[str]:
    """Name the ranges that a query looks back over, as it writes them."""
    return re.findall(r"\[([^\]]+)\]", query.expr)


def _of_rules() -> Iterator[Query]:
    for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"]:
        for rule in group["rules"]:
            labels = _LABEL_OF_A_RULE.findall(rule["annotations"]["description"])
            yield Query(rule["alert"], rule["expr"], frozenset(labels))


def _of_boards() -> Iterator[Query]:
    for path in BOARDS:
        board = json.loads(path.read_text("utf-8"))
        for panel in board["panels"]:
            for target in panel.get("targets", ()):
                labels = _LABEL_OF_A_LEGEND.findall(target["legendFormat"])
                yield Query(f"{board['uid']}: {panel['title']}", target["expr"], frozenset(labels))


def _walk(node: promql.Expr, needed: frozenset[str]) -> Iterator[Asked]:
    match node:
        case promql.VectorSelector():
            yield _selected(node, needed)
        case promql.MatrixSelector():
            yield _selected(node.vector_selector, needed)
        case promql.AggregateExpr():
            kept = frozenset(node.modifier.labels if node.modifier else ())
            if needed - kept:
                raise LostLabelError(f"{node.prettify()} has no {sorted(needed - kept)}")
            yield from _walk(node.expr, kept)
        case promql.BinaryExpr():
            matched = frozenset(node.modifier.matching.labels if node.modifier and node.modifier.matching else ())
            yield from _walk(node.lhs, needed | matched)
            # `or` shows the right side, too, and so does what follows a number; all others only match by it.
            is_shown = str(node.op) == "or" or isinstance(node.lhs, promql.NumberLiteral)
            yield from _walk(node.rhs, needed if is_shown else matched)
        case promql.Call():
            more = {"le"} if node.func.name == "histogram_quantile" else set()
            for each in node.args:
                yield from _walk(each, needed | more)
        case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            yield from _walk(node.expr, needed)
        case promql.NumberLiteral() | promql.StringLiteral():
            pass
        case _:
            raise TypeError(f"unknown in an expression: {node}")


def _selected(node: promql.VectorSelector, needed: frozenset[str]) -> Asked:
    matchers = node.matchers.matchers
    values = [(each.name, value) for each in matchers for value in each.value.split("|")]
    return Asked(node.name or "", needed | {each.name for each in matchers}, tuple(values))
