"""A night with `f2b`, as docs/incidents.md walks it: on a real fleet whose workers are killed, and on one file."""

from __future__ import annotations

import json
import subprocess
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

import pytest

from demo.fleet import BIN, NAME, Fleet, eventually, free_port, get
from tests.acceptance.attacks import report, send_bodies
from tests.acceptance.killing import Killing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.own_policies

RANGE, OFFICE, IP = "203.0.113.0/24", "203.0.113.77", "198.51.100.9"
FLEET = ("--table", NAME, "--ip-set", NAME)


def f2b(fleet: Fleet, *arguments: str, code: int = 0) -> str:
    command = [str(BIN / "f2b"), *arguments]
    done = subprocess.run(command, env=fleet.environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, (arguments, done.stdout, done.stderr)
    return done.stdout


def told(fleet: Fleet, *arguments: str, code: int = 0) -> Any:
    return json.loads(f2b(fleet, *arguments, "--json", code=code))


def covered(fleet: Fleet, ip: str) -> bool:
    """Tell whether an IP set holds an address."""
    return any(ip_address(ip) in ip_network(each) for each in fleet.ip_set_entries())


def test_a_range_is_banned_parted_around_an_allowed_address_and_lifted_while_workers_are_killed(
    fleet: Fleet,
) -> None:
    for _ in range(3):
        fleet.start_worker()
    with Killing(fleet) as killing:
        f2b(fleet, "ban", RANGE, "--for", "1h", "--reason", "a botnet", "--wait", "90s", *FLEET)
        assert covered(fleet, OFFICE)
        f2b(fleet, "allow", "add", OFFICE, "--comment", "our office", "--table", NAME)
        eventually(lambda: not covered(fleet, OFFICE) and covered(fleet, "203.0.113.76"), "it goes free", 90, 1)
        assert all(covered(fleet, f"203.0.113.{last}") for last in (0, 76, 78, 255))
        assert told(fleet, "list", *FLEET)["bans"][0]["ip"] == RANGE
        send_bodies(fleet, report(OFFICE, 5))
        f2b(fleet, "unban", RANGE, "--reason", "over", "--wait", "90s", *FLEET)
        eventually(lambda: fleet.ip_set_entries() == set(), "nobody is left in WAF", 60, 1)
        eventually(lambda: killing.killed >= 2, "two workers were killed", 60, 0.5)
    assert f2b(fleet, "banned", OFFICE, RANGE, "--table", NAME, code=1)
    acts = told(fleet, "audit", "--table", NAME)["acts"]
    assert [(each["verb"], each["what"], each["reason"]) for each in acts] == [
        ("unban", [RANGE], "over"),
        ("allow", [OFFICE], "our office"),
        ("ban", [RANGE], "a botnet"),
    ]
    assert all(each["by"].startswith("arn:aws:") for each in acts)


def test_a_pause_holds_the_ip_sets_as_they_are_until_it_ends(fleet: Fleet) -> None:
    port = free_port()
    fleet.start_worker("--metrics-port", str(port))
    f2b(fleet, "pause", "--reason", "new rules", "--table", NAME)
    # A worker hears of it within two seconds: a ban that follows sooner may be written.
    readyz = f"http://127.0.0.1:{port}/readyz"
    eventually(lambda: "blocklist block is paused" in get(readyz)[1], "the pause is heard", 60)
    f2b(fleet, "ban", IP, "--table", NAME)
    assert told(fleet, "status", "--queue", NAME, *FLEET, code=1)["ok"] is False
    assert "does not have" not in f2b(fleet, "ban", IP, "--wait", "4s", *FLEET, code=1)
    assert fleet.ip_set_entries() == set()
    f2b(fleet, "resume", "--table", NAME)
    eventually(lambda: fleet.ip_set_entries() == {f"{IP}/32"}, "it is in WAF", 60, 1)
    eventually(lambda: told(fleet, "list", *FLEET)["bans"][0]["state"] == "enforced", "it is said so", 30, 1)
    eventually(
        lambda: not json.loads(run_status(fleet))["problems"],
        "a worker gives signs of life, and all is well",
        60,
        1,
    )


def run_status(fleet: Fleet) -> str:
    command = [str(BIN / "f2b"), "status", "--queue", NAME, *FLEET, "--json"]
    return subprocess.run(command, env=fleet.environment, capture_output=True, text=True, check=False).stdout


def test_the_verbs_work_beside_a_standalone_worker(
    fleet: Fleet, start: Callable[..., subprocess.Popen[bytes]], state: Path
) -> None:
    start()
    here = ("--state", str(state), "--ip-set", NAME)
    f2b(fleet, "ban", RANGE, "--for", "1h", "--wait", "60s", *here)
    f2b(fleet, "allow", "add", OFFICE, "--state", str(state))
    eventually(lambda: not covered(fleet, OFFICE) and covered(fleet, "203.0.113.76"), "it goes free", 60, 1)
    assert told(fleet, "status", *here)["workers"][0]["alive"]
    f2b(fleet, "reload", "--state", str(state))
    eventually(lambda: told(fleet, "status", *here)["workers"][0]["generation"] == 1, "it says it reloaded", 30, 1)
    f2b(fleet, "unban", RANGE, "--wait", "60s", *here)
    eventually(lambda: fleet.ip_set_entries() == set(), "nobody is left in WAF", 60, 1)
    acts = told(fleet, "audit", "--state", str(state))["acts"]
    assert [each["verb"] for each in acts] == ["unban", "reload", "allow", "ban"]
    assert all("@" in each["by"] for each in acts)
