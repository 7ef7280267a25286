"""A real Prometheus reads a real worker: each expression of rules and dashboards is answered, and alerts fire."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from demo.fleet import eventually, free_port
from tests.acceptance.attacks import report, send_bodies
from tests.conftest import skip_or_fail
from tests.promql import RULES, Query, queries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from demo.fleet import Fleet

ADDRESSES = ("203.0.113.1", "203.0.113.2", "203.0.113.3")
JOB = "f2b-worker"


class Prometheus:
    """A server that scrapes one target each second, and whose alerts fire after a second."""

    def __init__(self, program: str, folder: Path, target: str) -> None:
        port = free_port()
        self._url = f"http://127.0.0.1:{port}/api/v1"
        rules = re.sub(r"(?m)^(\s+for:) \S+$", r"\1 1s", RULES.read_text("utf-8"))
        (folder / "alerts.yaml").write_text(rules)
        scrape = {"job_name": JOB, "static_configs": [{"targets": [target]}]}
        often = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config = {"global": often, "rule_files": ["alerts.yaml"], "scrape_configs": [scrape]}
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        options = [
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=error",
        ]
        self._process = subprocess.Popen([program, *options])

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)

    def ask(self, path: str, **parameters: str) -> Any:
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self._url}/{path}?{query}", timeout=10) as answer:
            told = json.load(answer)
        assert told["status"] == "success", told
        return told["data"]

    def value(self, expr: str) -> dict[tuple[str, ...], float]:
        """Answer an expression: by the values of its labels, but those of the target."""
        return {
            tuple(
                value for label, value in each["metric"].items() if label not in {"__name__", "job", "instance"}
            ): (float(each["value"][1]))
            for each in self.ask("query", query=filled_in(expr))["result"]
        }

    def firing(self) -> set[str]:
        return {each["labels"]["alertname"] for each in self.ask("alerts")["alerts"] if each["state"] == "firing"}

    def answers(self) -> bool:
        try:
            return bool(self.value("f2b_up == 1"))
        except OSError:
            return False


def filled_in(expr: str) -> str:
    """Put in what Grafana does."""
    chosen = {"$job": JOB, "$instance": ".+", "$__rate_interval": "30s", "$__range": "5m"}
    for name, value in chosen.items():
        expr = expr.replace(name, value)
    return expr


@pytest.fixture
def prometheus(fleet: Fleet, tmp_path: Path) -> Iterator[Prometheus]:
    program = shutil.which("prometheus")
    if program is None:
        skip_or_fail("no prometheus: install Debian's package prometheus")
    port = free_port()
    fleet.start_worker("--metrics-port", str(port), "--processes", "1")
    folder = tmp_path / "prometheus"
    folder.mkdir()
    server = Prometheus(program, folder, f"127.0.0.1:{port}")
    try:
        eventually(server.answers, "Prometheus has read a worker that works", 60, 0.3)
        yield server
    finally:
        server.stop()


def test_prometheus_answers_every_expression_shows_an_attack_and_tells_when_the_last_worker_dies(
    fleet: Fleet, prometheus: Prometheus
) -> None:
    fleet_wide = {"F2bNoWorker", "F2bNothingEnforces"}
    send_bodies(fleet, [body for address in ADDRESSES for body in report(address, 3)])
    eventually(lambda: len(fleet.ip_set_entries()) == len(ADDRESSES), "all are in the IP set", 30, 0.6)
    banned = next(each for each in queries() if each.place == "f2b-fleet: Banned now").expr
    eventually(lambda: prometheus.value(banned) == {(): len(ADDRESSES)}, "the dashboard shows the bans", 20, 0.5)

    assert [each.place for each in queries() if not is_answered(prometheus, each)] == []
    for place in ("f2b-fleet: Report to IP set", "f2b-fleet: Infractions a second, by jail"):
        (shown, *_) = [each.expr for each in queries() if each.place == place]
        eventually(lambda shown=shown: has_grown(prometheus, shown), f"{place} shows it", 20, 0.5)  # type: ignore[misc]
    rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
    assert {rule["health"] for rule in rules} == {"ok"}, [rule.get("lastError") for rule in rules]
    assert not fleet_wide & prometheus.firing()

    fleet.kill()

    eventually(lambda: fleet_wide <= prometheus.firing(), "the alerts fire", 30, 0.5)


def has_grown(prometheus: Prometheus, expr: str) -> bool:
    """Tell whether a rate, or a time that is taken from rates, has a number: from the second scrape on."""
    (value,) = prometheus.value(expr).values()
    return 0 < value < 60


def is_answered(prometheus: Prometheus, query: Query) -> bool:
    """Tell whether an answer has the labels that its reader needs, as far as there is something to show."""
    result = prometheus.ask("query", query=filled_in(query.expr))["result"]
    return all(query.labels <= set(each["metric"]) for each in result)
