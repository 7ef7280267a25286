"""One alert rule: what Prometheus evaluates, what people read, and two scenes that its test plays."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

RUNBOOK = "https://github.com/OWNER/f2b/blob/main/docs/runbook.md"
"""Where the runbook is. The repository has no address yet: docs/how-to/prometheus.md says how to put one there."""

PAGE = "page"
"""Somebody is needed now: attackers get through, or nobody is let go."""

TICKET = "ticket"
"""Somebody is needed in working hours."""

STEP = "1m"
_SCENE_ENDS = "40m"
_LABEL = re.compile(r"\{\{ \$labels\.(\w+) \}\}")
_VALUE = re.compile(r"\{\{ \$value[^}]*\}\}")


@dataclass(frozen=True)
class Alert:
    """A rule, and the scenes of its test.

    Attributes:
        name: Begins with F2b; the heading of its entry in docs/runbook.md.
        expr: In PromQL.
        summary: One line, without labels.
        description: May have `{{ $labels.x }}` and `{{ $value }}`.
        severity: PAGE or TICKET.
        lasts: For how long the expression must hold.
        fires: Series that make it fire, each with its values, one a minute.
        silent: Series with which it must stay silent: the nearest case that is well.
        seen: The labels of the alert that fires in the test.
        shown: What the description makes of the value in the test.
        ends: When the test looks.
    """

    name: str
    expr: str
    summary: str
    description: str
    severity: str
    fires: Mapping[str, str]
    silent: Mapping[str, str]
    lasts: str = "0m"
    seen: Mapping[str, str] | None = None
    shown: str = ""
    ends: str = _SCENE_ENDS

    @property
    def runbook_url(self) -> str:
        """Where its entry in the runbook is."""
        return f"{RUNBOOK}#{self.name.lower()}"

    @property
    def takes_hours(self) -> bool:
        """Whether its scenes last for hours."""
        return self.ends.endswith("h")

    def as_rule(self) -> dict[str, Any]:
        """Make what Prometheus reads."""
        return {
            "alert": self.name,
            "expr": self.expr,
            "for": self.lasts,
            "labels": {"severity": self.severity},
            "annotations": self._annotations(self.description),
        }

    def as_tests(self) -> list[dict[str, Any]]:
        """Make what promtool plays: it fires, and it stays silent."""
        labels = {"severity": self.severity, **(self.seen or {})}
        text = _LABEL.sub(lambda found: labels[found[1]], self.description)
        annotations = self._annotations(_VALUE.sub(self.shown, text))
        fired = {"exp_labels": labels, "exp_annotations": annotations}
        return [
            self._test("fires", self.fires, [fired]),
            self._test("stays silent", self.silent, []),
        ]

    def _annotations(self, description: str) -> dict[str, str]:
        return {"summary": self.summary, "description": description, "runbook_url": self.runbook_url}

    def _test(self, does: str, series: Mapping[str, str], alerts: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "name": f"{self.name} {does}",
            "interval": STEP,
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "alert_rule_test": [{"eval_time": self.ends, "alertname": self.name, "exp_alerts": alerts}],
        }


def grew(metric: str, by: str, window: str) -> str:
    """Make an expression that is true if a counter with labels rose.

    Such a counter is there from its first value on, and `increase` sees no rise in that
    (https://github.com/prometheus/prometheus/issues/1673). So a counter that is new counts as well.
    """
    return (
        f"sum by ({by}) (increase({metric}[{window}])) > 0\n"
        f"or\n"
        f"sum by ({by}) ({metric} unless {metric} offset {window}) > 0"
    )
