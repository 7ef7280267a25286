"""Several blocklists, the surge guard and the probes: through real worker processes."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from demo.fleet import BIN, NAME, eventually, free_port, get
from f2b_worker.cli.f2b import main
from tests.acceptance.attacks import send_bodies

if TYPE_CHECKING:
    from pathlib import Path

    from demo.fleet import Fleet
    from localstack.local_aws import LocalAws

TWICE = """\
[defaults]
maxretry = 3
findtime = "10m"
bantime = "10m"

[blocklists.captcha]
ip_set = "doubt"
scope = "CLOUDFRONT"

[jails.login]
bantime = "1m"
dbpurgeage = "1d"
blocklist = "captcha"
escalation = {2 = "block"}
"""


def infractions(ip: str, jail: str, at_s: float) -> list[dict[str, Any]]:
    """As many as a ban takes, within a second."""
    return [{"ip": ip, "jail": jail, "at": at_s + n / 10, "id": f"{ip}-{at_s}-{n}"} for n in range(3)]


def held(fleet: Fleet, scope: Any) -> dict[str, set[str]]:
    """What each IP set of a scope holds, those that hold nothing left out."""
    sets = fleet.waf.list_ip_sets(Scope=scope)["IPSets"]
    answers = {
        each["Name"]: fleet.waf.get_ip_set(Name=each["Name"], Id=each["Id"], Scope=scope)["IPSet"]["Addresses"]
        for each in sets
    }
    return {name: set(entries) for name, entries in answers.items() if entries}


def asked(fleet: Fleet, *arguments: str) -> str:
    command = [str(BIN / "f2b"), *arguments]
    return subprocess.run(command, env=fleet.environment, check=True, capture_output=True, text=True).stdout


def test_the_first_ban_asks_for_a_captcha_and_the_second_blocks(
    fleet: Fleet, local_aws: LocalAws, tmp_path: Path
) -> None:
    config = tmp_path / "f2b.toml"  # the fleet's own
    config.write_text(TWICE)
    local_aws.edge.set_waf_rate(None)
    options = ["--queue", NAME, "--table", NAME, "--ip-set", NAME, "--config", str(config)]
    made = CliRunner().invoke(main, ["provision", *options])
    assert made.exit_code == 0, made.output
    local_aws.edge.set_waf_rate(1.0)
    local_aws.edge.reset_calls()
    now_s = time.time()
    fleet.start_worker()

    again = infractions("203.0.113.1", "login", now_s - 300) + infractions("203.0.113.1", "login", now_s - 2)
    once = infractions("203.0.113.2", "login", now_s - 2) + infractions("203.0.113.3", "default", now_s - 2)
    send_bodies(fleet, [json.dumps(again + once)])

    eventually(lambda: held(fleet, "CLOUDFRONT") == {"doubt-ipv4": {"203.0.113.2/32"}}, "one is in doubt", 30, 0.8)
    blocked = {f"{NAME}-ipv4": {"203.0.113.1/32", "203.0.113.3/32"}}
    eventually(lambda: held(fleet, "REGIONAL") == blocked, "two are blocked", 30, 0.8)
    assert local_aws.edge.calls()["wafv2:UpdateIPSet"] == 2
    explained = asked(fleet, "explain", "203.0.113.2", *options[2:])
    assert "IP set     doubt-ipv4, as 203.0.113.2/32 (blocklist captcha)" in explained
    shown = asked(fleet, "list", "--table", NAME).splitlines()
    assert [line.rpartition(", in ")[2] for line in shown if "203.0.113.2 " in line] == ["captcha"]


def test_a_surge_stays_out_until_somebody_releases_it(fleet: Fleet, tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    fleet.start_worker("--max-new-bans-per-minute", "5", log=log)
    now_s = time.time()
    surge = [each for last in range(10) for each in infractions(f"203.0.113.{last}", "default", now_s - 2)]

    send_bodies(fleet, [json.dumps(surge)])
    eventually(lambda: len(fleet.bans()) == 10, "all are judged", 30)
    eventually(lambda: "f2b release" in log.read_text(), "the alarm says what to do", 20)
    time.sleep(3)  # longer than an enforcer takes
    assert held(fleet, "REGIONAL") == {}

    told = asked(fleet, "release", "--table", NAME)
    assert told.startswith("us-east-1: released what was held back since ")
    assert told.endswith(", 10 active bans from then on\n")
    eventually(lambda: len(held(fleet, "REGIONAL").get(f"{NAME}-ipv4", ())) == 10, "all are in", 30, 0.8)
    assert asked(fleet, "release", "--table", NAME).startswith("no bans are held back")


@pytest.mark.parametrize(
    ("calls", "code", "told"),
    [
        ("wafv2:*", "AccessDeniedException", "IP set"),
        ("dynamodb:*", "AccessDeniedException", ""),
        ("sqs:ReceiveMessage", "AccessDenied", ""),
    ],
)
def test_a_worker_without_access_lives_but_is_not_ready_and_says_why(
    fleet: Fleet, local_aws: LocalAws, calls: str, code: str, told: str
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    fleet.start_worker("--metrics-port", str(port))
    eventually(lambda: get(url + "/readyz") == (200, "ok\n"), "it is ready", 30)
    eventually(lambda: "f2b_bans_active" in get(url + "/metrics")[1], "it shows its metrics", 10)

    local_aws.edge.fault(calls, "throttle", code=code)
    send_bodies(fleet, [json.dumps(infractions("203.0.113.1", "default", time.time() - 1))])
    eventually(lambda: get(url + "/readyz")[0] == 503, "it is not ready", 30)
    status, line = get(url + "/readyz")
    assert (status, line.count("\n")) == (503, 1)
    assert told in line
    assert get(url + "/healthz") == (200, "ok\n")

    local_aws.edge.clear_faults()
    eventually(lambda: get(url + "/readyz") == (200, "ok\n"), "it is ready again", 30)
