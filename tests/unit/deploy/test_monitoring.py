"""Alert rules and dashboards: they are what the script writes, they work, and they ask for what there is."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from deploy.monitoring.__main__ import DEPLOY, files
from deploy.monitoring.rules import ALERTS
from tests.conftest import ROOT, skip_or_fail
from tests.documented_metrics import PARTS, documented, values_of
from tests.promql import BOARDS, LostLabelError, Query, asked, queries, ranges

if TYPE_CHECKING:
    from pathlib import Path

PROMETHEUS = DEPLOY / "prometheus"
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text("utf-8")
PAGE = (ROOT / "docs" / "how-to" / "prometheus.md").read_text("utf-8")
TARGET = {"job", "instance"}  # Prometheus puts these on each series
# What Prometheus makes of our alerts, and what a worker with one process shows of itself (docs/metrics.md).
OF_OTHERS: dict[str, set[str]] = {
    "ALERTS": {"alertname", "alertstate", "severity"},
    "process_start_time_seconds": TARGET,
    "process_cpu_seconds_total": TARGET,
    "process_resident_memory_bytes": TARGET,
}
FILES = files()
UNITS = {"none", "short", "s", "bytes", "percentunit", "currencyUSD", "cps", "cpm", "reqps"}


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    found = shutil.which("promtool")
    if found is None:
        skip_or_fail("no promtool: install Debian's package prometheus")
    return subprocess.run([found, *arguments], cwd=PROMETHEUS, capture_output=True, text=True, check=False)


@cache
def boards() -> list[dict[str, Any]]:
    return [json.loads(path.read_text("utf-8")) for path in BOARDS]


def panels() -> list[dict[str, Any]]:
    return [panel for each in boards() for panel in each["panels"]]


def queries_of_panels() -> list[Query]:
    return [each for each in queries() if each.place.startswith("f2b-")]


@cache
def series() -> dict[str, set[str]]:
    """Name every series that there is, with its labels."""
    found = {name: set(labels) for name, labels in OF_OTHERS.items()}
    for name, row in documented().items():
        if row.kind == "histogram":
            found |= {f"{name}{part}": {*row.labels, *TARGET, "le"} for part in PARTS}
        else:
            found[name] = {*row.labels, *TARGET}
    return found


def wrong_in(query: Query) -> list[str]:
    """Say what a query asks for that is not there."""
    found: list[str] = []
    for each in asked(query):
        if each.name not in series():
            found.append(f"there is no {each.name}")
        elif each.labels - series()[each.name]:
            found.append(f"{each.name} has no {sorted(each.labels - series()[each.name])}")
        for label, value in each.values:
            values = values_of(re.sub(r"_(bucket|sum|count)$", "", each.name), label)
            if values is not None and value not in values:
                found.append(f"{label} of {each.name} is never {value}")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(DEPLOY).as_posix())
def test_the_committed_file_is_what_the_script_writes(path: Path) -> None:
    assert path.read_text("utf-8") == FILES[path], "run python -m deploy.monitoring"


def test_no_file_is_left_of_what_the_script_wrote_once() -> None:
    there = {*PROMETHEUS.iterdir(), *(DEPLOY / "grafana").iterdir()}
    assert there == {path for path in FILES if path.parent in {PROMETHEUS, DEPLOY / "grafana"}}


def test_prometheus_takes_every_rule() -> None:
    done = promtool("check", "rules", "--lint-fatal", "alerts.yaml")
    assert done.returncode == 0, done.stderr
    assert f"{len(ALERTS)} rules found" in done.stdout


def test_every_alert_fires_when_it_must_and_stays_silent_in_the_nearest_case_that_is_well() -> None:
    done = promtool("test", "rules", "alerts.test.yaml", "alerts.hours.test.yaml")
    assert done.returncode == 0, done.stdout + done.stderr

    played = [each for name in ("alerts.test.yaml", "alerts.hours.test.yaml") for each in scenes(name)]
    assert Counter(played) == {(alert.name, fires): 1 for alert in ALERTS for fires in (True, False)}


def scenes(file: str) -> list[tuple[str, bool]]:
    tests = yaml.safe_load((PROMETHEUS / file).read_text("utf-8"))["tests"]
    looks = [look for test in tests for look in test["alert_rule_test"]]
    return [(look["alertname"], bool(look["exp_alerts"])) for look in looks]


def test_an_alert_with_a_wrong_threshold_is_noticed(tmp_path: Path) -> None:
    rules = (PROMETHEUS / "alerts.yaml").read_text("utf-8")
    (tmp_path / "alerts.yaml").write_text(rules.replace("f2b_oldest_waiting_seconds) > 60", "f2b_surge) > 60"))
    played = yaml.safe_load((PROMETHEUS / "alerts.test.yaml").read_text("utf-8"))
    played["tests"] = [each for each in played["tests"] if each["name"].startswith("F2bBansWait ")]
    (tmp_path / "one.yaml").write_text(yaml.safe_dump(played))

    done = promtool("test", "rules", str(tmp_path / "one.yaml"))

    assert done.returncode != 0
    assert "F2bBansWait fires" in done.stdout + done.stderr


def test_every_metric_label_and_value_of_every_expression_exists() -> None:
    assert len(queries()) > 80, "hardly any expression is found: has the form of the files changed?"
    assert [(query.place, wrong) for query in queries() for wrong in wrong_in(query)] == []


def test_every_series_of_every_scene_may_exist() -> None:
    """Else a rule would be tried on what no worker ever shows."""
    scenes = [(each.name, name) for each in ALERTS for name in (*each.fires, *each.silent)]
    assert [(place, wrong) for place, name in scenes for wrong in wrong_in(Query(place, name, frozenset()))] == []


@pytest.mark.parametrize(
    ("expr", "labels", "told"),
    [
        ("f2b_bans_lost", (), "there is no f2b_bans_lost"),
        ("rate(f2b_batch_infractions[5m])", (), "there is no f2b_batch_infractions"),
        ("sum by (jail) (f2b_surge)", (), "f2b_surge has no ['jail']"),
        ('f2b_surge{colour="red"}', (), "f2b_surge has no ['colour']"),
        ("f2b_surge", ("ip_set",), "f2b_surge has no ['ip_set']"),
        ('f2b_queue_messages{state=~"waiting|lost"}', (), "state of f2b_queue_messages is never lost"),
        ("f2b_surge and on (blocklist) f2b_paused", (), "f2b_surge has no ['blocklist']"),
        ("histogram_quantile(0.9, rate(f2b_surge[5m]))", (), "f2b_surge has no ['le']"),
    ],
)
def test_an_expression_that_asks_for_what_is_not_there_is_noticed(
    expr: str, labels: tuple[str, ...], told: str
) -> None:
    assert wrong_in(Query("here", expr, frozenset(labels))) == [told]


@pytest.mark.parametrize("expr", ["sum(f2b_surge)", "max by (job) (f2b_surge)", "1 + sum by (job) (f2b_surge)"])
def test_a_label_that_an_expression_has_dropped_is_noticed_where_it_is_shown(expr: str) -> None:
    with pytest.raises(LostLabelError, match="region"):
        wrong_in(Query("here", expr, frozenset({"region"})))


def test_every_alert_has_its_entry_in_the_runbook_and_nothing_else_has_one() -> None:
    entries = re.findall(r"^### (F2b\w+)$", RUNBOOK, re.MULTILINE)
    assert entries == [alert.name for alert in ALERTS]
    for alert in ALERTS:
        assert alert.runbook_url.endswith(f"/docs/runbook.md#{alert.name.lower()}")


def test_every_entry_says_the_same_severity_as_its_rule_and_what_to_do() -> None:
    for alert in ALERTS:
        entry = RUNBOOK.partition(f"\n### {alert.name}\n")[2].partition("\n### ")[0]
        assert f"*{alert.severity}*" in entry, alert.name
        for part in ("**Means:**", "**Look:**", "**Do:**"):
            assert part in entry, f"{alert.name}: {part}"


def test_the_operators_rules_are_those_of_the_file() -> None:
    rule = yaml.safe_load((DEPLOY / "kubernetes/components/prometheusrule/alerts.yaml").read_text("utf-8"))
    assert rule["spec"] == yaml.safe_load((PROMETHEUS / "alerts.yaml").read_text("utf-8"))


def test_the_page_has_a_configuration_that_prometheus_takes_and_counts_right(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (scraping,) = [each for each in blocks if "scrape_configs" in each]
    (tmp_path / "token").write_text("secret")
    config = scraping.replace("/etc/prometheus/f2b-shim.token", str(tmp_path / "token"))
    (tmp_path / "prometheus.yml").write_text(config)
    shutil.copy(PROMETHEUS / "alerts.yaml", tmp_path)

    done = promtool("check", "config", str(tmp_path / "prometheus.yml"))

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"three dashboards and {len(ALERTS)} alerts" in PAGE
    assert [yaml.safe_load(each) for each in blocks]


# What follows are rules of https://github.com/grafana/dashboard-linter, which is a program in Go.


def test_a_dashboard_has_a_name_for_ever_and_asks_which_source_fleet_and_worker() -> None:
    assert len({each["uid"] for each in boards()}) == len(boards()) == 3
    for board in boards():
        assert re.fullmatch(r"f2b-[a-z]+", board["uid"])
        assert "id" not in board, "an id is of one Grafana"
        source, *others = board["templating"]["list"]
        assert (source["name"], source["type"], source["query"]) == ("datasource", "datasource", "prometheus")
        assert [each["name"] for each in others] == ["job", "instance"]
        assert all(each["datasource"]["uid"] == "${datasource}" for each in others)
        assert all(each["multi"] and each["includeAll"] and each["refresh"] == 2 for each in others)


def test_every_panel_has_title_unit_and_source() -> None:
    for panel in panels():
        assert panel["title"].strip()
        if panel["type"] != "row":
            assert panel["description"].strip(), panel["title"]
            assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
            sources = [each["datasource"]["uid"] for each in (panel, *panel["targets"])]
            assert set(sources) == {"${datasource}"}
            assert len(sources) > 1, f"{panel['title']} asks for nothing"


def test_every_panel_asks_for_the_fleets_and_workers_that_were_chosen_over_the_range_that_grafana_says() -> None:
    for query in queries_of_panels():
        assert set(ranges(query)) <= {"$__rate_interval", "$__range"}, query.place
        for each in asked(query):
            if each.name != "ALERTS":
                assert {("job", "$job"), ("instance", "$instance")} <= set(each.values), query.place


def test_panels_lie_beside_and_below_each_other_and_never_on_each_other() -> None:
    for board in boards():
        taken: Counter[tuple[int, int]] = Counter()
        for panel in board["panels"]:
            place = panel["gridPos"]
            assert place["x"] + place["w"] <= 24
            for x in range(place["x"], place["x"] + place["w"]):
                taken.update((x, y) for y in range(place["y"], place["y"] + place["h"]))
        assert max(taken.values()) == 1
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_most_metrics_of_the_worker_are_in_a_dashboard_or_an_alert() -> None:
    used = {re.sub(r"_(bucket|sum|count)$", "", each.name) for query in queries() for each in asked(query)}
    left = {name for name in documented() if name not in used}

    assert left <= {
        # Of fail2ban's exporter: its own dashboard shows them.
        "f2b_errors",
        "f2b_version",
        "f2b_jail_count",
        "f2b_config_jail_ban_time",
        "f2b_config_jail_find_time",
        "f2b_config_jail_max_retries",
        # Each has a line beside it that says more.
        "f2b_bans_active",
        "f2b_unknown_jail_total",
        "f2b_ledger_refused_total",
        "f2b_ip_sets_deleted_total",
        "f2b_metrics_connections_cut_total",
        "f2b_shim_stored_total",
        "f2b_shim_stored_late_total",
        "f2b_shim_repeated_total",
    }
