"""Panels and dashboards of Grafana, as the JSON model that it imports.

https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

WIDTH = 24
"""Columns of a dashboard."""

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
RATE = "$__rate_interval"

FLEET_WIDE = "The worker that enforces shows it for the whole fleet: so the largest counts, not the sum."
EACH_WORKER = "Each worker shows its own part: so the sum counts."

GREEN, RED = "green", "red"
ONE_IS_WELL = {"0": ("no", RED), "1": ("yes", GREEN)}
ONE_IS_BAD = {"0": ("no", GREEN), "1": ("yes", RED)}


def of(metric: str, *matchers: str) -> str:
    """Select the chosen fleets and workers of a metric."""
    chosen = ",".join(('job=~"$job"', 'instance=~"$instance"', *matchers))
    return f"{metric}{{{chosen}}}"


def per_s(metric: str, by: str, *matchers: str) -> str:
    """Make the rate of a counter, summed over workers."""
    return f"sum by ({by}) (rate({of(metric, *matchers)}[{RATE}]))"


def quantile(ratio: float, histogram: str, by: str = "", *matchers: str) -> str:
    """Make a quantile of a histogram over all workers."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({ratio}, {per_s(f'{histogram}_bucket', labels, *matchers)})"


@dataclass(frozen=True)
class Panel:
    """One picture.

    Attributes:
        title: What it shows.
        unit: As Grafana names it.
        what: What a reader must know to read it right.
        targets: Expressions, each with what its lines are called.
        kind: As Grafana names it.
        width: In columns.
        least: Where its axis begins; None if that is for Grafana to say.
        most: Where its axis ends.
        red_from: From which value on it is red.
        says: Words and colours in place of values.
        stacked: Whether lines add up.
    """

    title: str
    unit: str
    what: str
    targets: Mapping[str, str]
    kind: str = "timeseries"
    width: int = 8
    least: float | None = 0
    most: float | None = None
    red_from: float | None = None
    says: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    stacked: bool = False

    @property
    def height(self) -> int:
        """How high it is, in rows."""
        return 4 if self.kind == "stat" else 8

    def as_json(self, number: int, x: int, y: int) -> dict[str, Any]:
        """Make what Grafana reads."""
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.what,
            "datasource": DATASOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "fieldConfig": {"defaults": self._defaults(), "overrides": []},
            "options": self._options(),
            "targets": list(self._targets()),
        }

    def _targets(self) -> Iterator[dict[str, Any]]:
        is_now = self.kind in {"stat", "bargauge"}
        for place, (legend, expr) in enumerate(self.targets.items()):
            yield {
                "refId": chr(ord("A") + place),
                "datasource": DATASOURCE,
                "expr": expr,
                "legendFormat": legend,
                "instant": is_now,
                "range": not is_now,
            }

    def _defaults(self) -> dict[str, Any]:
        steps: list[dict[str, Any]] = [{"color": GREEN, "value": None}]
        if self.red_from is not None:
            steps.append({"color": RED, "value": self.red_from})
        told = {
            value: {"text": text, "color": colour, "index": place}
            for place, (value, (text, colour)) in enumerate(self.says.items())
        }
        found: dict[str, Any] = {
            "unit": self.unit,
            "min": self.least,
            "max": self.most,
            "thresholds": {"mode": "absolute", "steps": steps},
            "mappings": [{"type": "value", "options": told}] if told else [],
        }
        if self.kind == "timeseries":
            mode = "normal" if self.stacked else "none"
            found["custom"] = {"fillOpacity": 20 if self.stacked else 5, "stacking": {"mode": mode, "group": "A"}}
        return {name: value for name, value in found.items() if value is not None}

    def _options(self) -> dict[str, Any]:
        if self.kind == "timeseries":
            return {
                "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }
        reduced = {"calcs": ["lastNotNull"], "fields": "", "values": False}
        if self.kind == "bargauge":
            return {"reduceOptions": reduced, "orientation": "horizontal", "displayMode": "basic"}
        return {"reduceOptions": reduced, "colorMode": "background", "graphMode": "none", "textMode": "auto"}


@dataclass(frozen=True)
class Board:
    """A dashboard: rows of panels.

    Attributes:
        uid: Its name in URLs; it stays, so that an import replaces the one before.
        title: What it is called.
        what: What it is for.
        rows: Titles, and the panels below each.
    """

    uid: str
    title: str
    what: str
    rows: Mapping[str, Sequence[Panel]]

    def as_json(self) -> dict[str, Any]:
        """Make what Grafana imports."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.what,
            "tags": ["f2b"],
            "schemaVersion": 39,
            "version": 1,
            "editable": True,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": {"from": "now-6h", "to": "now"},
            "timezone": "utc",
            "annotations": {"list": []},
            "links": [_TO_THE_OTHERS],
            "templating": {"list": _VARIABLES},
            "panels": list(self._panels()),
        }

    def _panels(self) -> Iterator[dict[str, Any]]:
        number, y = 0, 0
        for title, panels in self.rows.items():
            number += 1
            place = {"x": 0, "y": y, "w": WIDTH, "h": 1}
            yield {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []}
            y += 1
            x = high = 0
            for panel in panels:
                if x + panel.width > WIDTH:
                    x, y, high = 0, y + high, 0
                number += 1
                yield panel.as_json(number, x, y)
                x, high = x + panel.width, max(high, panel.height)
            y += high


_TO_THE_OTHERS = {
    "type": "dashboards",
    "title": "f2b",
    "tags": ["f2b"],
    "asDropdown": True,
    "includeVars": True,
    "keepTime": True,
    "targetBlank": False,
}


def _variable(name: str, label: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": query, "refId": name},
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".+",
        "current": {"text": ["All"], "value": ["$__all"]},
        "hide": 0,
    }


_VARIABLES = [
    {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "current": {},
        "refresh": 1,
        "hide": 0,
    },
    _variable("job", "Fleet (job)", "label_values(f2b_up, job)"),
    _variable("instance", "Worker", 'label_values(f2b_up{job=~"$job"}, instance)'),
]
