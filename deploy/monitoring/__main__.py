"""Writes alert rules, their tests and dashboards: `python -m deploy.monitoring`."""

from __future__ import annotations

import json
from pathlib import Path

from deploy.monitoring import rules
from deploy.monitoring.cost import COST
from deploy.monitoring.enforcer import ENFORCER
from deploy.monitoring.fleet import FLEET

BOARDS = {"fleet": FLEET, "enforcer": ENFORCER, "cost": COST}
DEPLOY = Path(__file__).resolve().parents[1]


def files() -> dict[Path, str]:
    """Make all files."""
    found = {
        DEPLOY / "prometheus" / "alerts.yaml": rules.alerts(),
        DEPLOY / "prometheus" / "alerts.test.yaml": rules.tests(of_hours=False),
        DEPLOY / "prometheus" / "alerts.hours.test.yaml": rules.tests(of_hours=True),
        DEPLOY / "kubernetes" / "components" / "prometheusrule" / "alerts.yaml": rules.for_the_operator(),
    }
    boards = {
        DEPLOY / "grafana" / f"{name}.json": f"{json.dumps(board.as_json(), indent=2)}\n"
        for name, board in BOARDS.items()
    }
    return found | boards


def main() -> None:
    """Write all files."""
    for path, text in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
