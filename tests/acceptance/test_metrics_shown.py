"""What real workers show at /metrics while they judge and enforce: by jail, in times, in units and in dollars."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from demo.fleet import eventually, free_port, get
from f2b_worker import __version__
from tests.acceptance.attacks import now_ms, report, send_bodies
from tests.documented_metrics import undocumented

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from demo.fleet import Fleet

EXPORTERS = {
    "f2b_config_jail_ban_time",
    "f2b_config_jail_find_time",
    "f2b_config_jail_max_retries",
    "f2b_errors",
    "f2b_jail_banned_current",
    "f2b_jail_banned_total",
    "f2b_jail_failed_current",
    "f2b_jail_failed_total",
    "f2b_up",
}
"""The nine that the sample dashboard of fail2ban's exporter asks for, beside those of its map.

https://github.com/hctrdev/fail2ban-prometheus-exporter, _examples/grafana/dashboard.json
"""

HISTOGRAMS = {
    "f2b_batch_infractions",
    "f2b_report_to_verdict_seconds",
    "f2b_verdict_to_enforced_seconds",
    "f2b_report_to_enforced_seconds",
}


class Shown:
    """What a page of metrics shows."""

    def __init__(self, page: str) -> None:
        self.page = page
        families = list(text_string_to_metric_families(page))
        self._samples = [each for family in families for each in family.samples]

    def names(self) -> set[str]:
        return {each.name for each in self._samples}

    def values(self, name: str, label: str) -> dict[str, float]:
        """The values of a metric by one of its labels, added up over the others."""
        found: dict[str, float] = {}
        for each in self._samples:
            if each.name == name:
                found[each.labels[label]] = found.get(each.labels[label], 0.0) + each.value
        return found

    def value(self, name: str) -> float:
        (sample,) = (each for each in self._samples if each.name == name)
        return sample.value


def total(shown: Shown, name: str) -> float:
    return sum(shown.values(name, "jail").values())


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_worker_shows_what_it_does_by_jail_and_how_long_it_takes(fleet: Fleet, processes: str) -> None:
    port = free_port()
    fleet.start_worker("--metrics-port", str(port), "--processes", processes)

    def shown() -> Shown:
        return Shown(get(f"http://127.0.0.1:{port}/metrics")[1])

    eventually(lambda: get(f"http://127.0.0.1:{port}/readyz")[0] == 200, "it is ready", 60)
    eventually(lambda: shown().values("f2b_lease_holder", "region") == {"us-east-1": 1}, "it enforces", 60)
    mine = [
        {"ip": "203.0.113.7", "jail": "not-in-the-file", "at": now_ms() / 1000, "id": str(n)} for n in range(5)
    ]
    send_bodies(fleet, [*report("203.0.113.1", 5), *report("203.0.113.2", 2), json.dumps(mine)])

    def is_enforced() -> bool:
        return shown().value("f2b_report_to_enforced_seconds_count") == 2

    eventually(is_enforced, "both bans are in the IP set", 60)
    actions = "f2b_operator_actions_total"
    # What was done before the scribe looked first, another worker may have counted.
    eventually(lambda: processes != "1" or "ban" in shown().values(actions, "action"), "the audit is read", 60)
    fleet.operate("operator", "ban", "198.51.100.1", "--reason", "looked at it")
    eventually(lambda: shown().value("f2b_verdict_to_enforced_seconds_count") == 3, "the ban by hand is, too", 60)
    eventually(lambda: shown().values("f2b_ip_set_entries", "ip_set") != {}, "the sets are shown", 60)
    eventually(lambda: sum(shown().values("f2b_jail_failed_current", "jail").values()) == 1, "who failed is", 60)
    eventually(
        lambda: sum(shown().values("f2b_jail_banned_current", "jail").values()) == 3, "who is banned is", 60
    )

    if processes == "1":  # the worker that is the scribe looks at the audit each half minute
        eventually(lambda: shown().values(actions, "action")["ban"] == 1, "the operator's act is counted", 60)
    now = shown()
    assert undocumented(now.page) == []
    assert now.names() >= EXPORTERS
    assert now.value("f2b_up") == 1
    assert now.values("f2b_version", "exporter") == {__version__: 1}
    assert {name: each for name, each in now.values("f2b_jail_failed_total", "jail").items() if each} == {
        "default": 7,
        "other": 5,
    }
    assert now.values("f2b_jail_banned_total", "jail")["other"] == 1
    assert "not-in-the-file" not in now.page.replace('f2b_cannot_ban_total{jail="', "")
    assert all(0 < now.value(f"{name}_sum") < 60 for name in HISTOGRAMS)
    assert now.value("f2b_report_to_verdict_seconds_count") == 3
    assert set(now.values("f2b_aws_request_seconds_count", "service")) == {"dynamodb", "sqs", "wafv2"}
    assert now.values("f2b_aws_request_seconds_count", "outcome")["ok"] > 20
    units = now.values("f2b_aws_capacity_units_total", "kind")
    assert units["read"] > 0
    assert units["write"] >= 3
    assert now.value("f2b_estimated_cost_dollars_per_hour") > 0
    assert set(now.values("f2b_queue_messages", "state")) == {"waiting", "in_flight", "delayed", "dead_letters"}
    assert sum(now.values("f2b_ip_set_entries", "ip_set").values()) == 3
    assert 0 < now.values("f2b_waf_update_budget_used_ratio", "region")["us-east-1"] < 1


def test_standalone_mode_shows_the_same_but_for_what_it_does_not_ask_of_aws(
    fleet: Fleet, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    port = free_port()
    start("--metrics-port", str(port))
    for _ in range(3):
        assert fleet.get("/infraction/203.0.113.9")[0] == 200

    def shown() -> Shown:
        return Shown(get(f"http://127.0.0.1:{port}/metrics")[1])

    eventually(lambda: shown().value("f2b_report_to_enforced_seconds_count") == 1, "it is enforced", 60)
    eventually(lambda: total(shown(), "f2b_jail_banned_current") == 1, "who is banned is shown", 60)
    now = shown()
    assert undocumented(now.page) == []
    assert now.names() >= EXPORTERS
    assert (now.value("f2b_up"), total(now, "f2b_jail_failed_total"), total(now, "f2b_jail_banned_total")) == (
        1,
        3,
        1,
    )
    assert set(now.values("f2b_queue_messages", "state")) == {"waiting", "in_flight", "delayed", "dead_letters"}
    assert set(now.values("f2b_aws_request_seconds_count", "service")) == {"wafv2"}
    assert (now.value("f2b_estimated_cost_dollars_per_hour"), now.values("f2b_lease_holder", "region")) == (
        0,
        {"us-east-1": 1},
    )
