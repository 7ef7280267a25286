"""`bans` and `explain` say of each ban how far it is enforced: every state is made for real."""

from __future__ import annotations

import json
import re
import subprocess
import time
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from demo.fleet import BIN, NAME, eventually
from tests.acceptance.attacks import send_bodies
from tests.log_lines import logged

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from demo.fleet import Fleet
    from localstack.local_aws import LocalAws

JAILS = """\
[defaults]
maxretry = 3
bantime = "1h"

[blocklists.block]
collapse = { at_least = 4, ipv4 = 24, ipv6 = 48 }

[jails.watch]
mode = "observe"
"""
CROWD = [f"203.0.113.{number}" for number in range(1, 6)]


def ban(fleet: Fleet, ips: Sequence[str], jail: str = "default") -> None:
    now_s = time.time()
    items = [{"ip": ip, "jail": jail, "at": now_s - n / 10, "id": f"{ip}-{n}"} for ip in ips for n in range(3)]
    send_bodies(fleet, [json.dumps(items)])


def ask(fleet: Fleet, *arguments: str) -> str:
    """Ask the real command."""
    command = [str(BIN / "f2b"), *arguments, "--table", NAME]
    return subprocess.run(command, env=fleet.environment, check=True, capture_output=True, text=True).stdout


def states(fleet: Fleet, *options: str) -> dict[str, str | None]:
    """What `list` says of each address."""
    found = json.loads(ask(fleet, "list", "--json", *options))
    return {each["ip"]: each["state"] for each in found["bans"]}


def explained(fleet: Fleet, ip: str, *options: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(ask(fleet, "explain", ip, "--json", *options))["jails"]
    return found


def events(log: Path) -> list[tuple[str, str]]:
    return [(line["event"], line["key"]) for line in logged(log) if "key" in line]


def fill_ip_set(fleet: Fleet) -> None:
    """Put so many entries of somebody else's in that no room is left."""
    summary = next(each for each in fleet.waf.list_ip_sets(Scope="REGIONAL")["IPSets"] if "ipv4" in each["Name"])
    where: Any = {"Name": summary["Name"], "Id": summary["Id"], "Scope": "REGIONAL"}
    entries = [f"{ip_address('198.18.0.0') + number}/32" for number in range(10_000)]
    fleet.waf.update_ip_set(**where, Addresses=entries, LockToken=fleet.waf.get_ip_set(**where)["LockToken"])


def delete_ip_set(fleet: Fleet, family: str) -> None:
    summary = next(each for each in fleet.waf.list_ip_sets(Scope="REGIONAL")["IPSets"] if family in each["Name"])
    where: Any = {"Name": summary["Name"], "Id": summary["Id"], "Scope": "REGIONAL"}
    fleet.waf.delete_ip_set(**where, LockToken=fleet.waf.get_ip_set(**where)["LockToken"])


def test_each_ban_is_shown_as_it_is_enforced(fleet: Fleet, local_aws: LocalAws, tmp_path: Path) -> None:
    config, log = tmp_path / "f2b.toml", tmp_path / "log"
    config.write_text(JAILS)
    options = ("--ip-set", NAME, "--config", str(config))
    delete_ip_set(fleet, "ipv6")
    fleet.start_worker("--unban-lag-s", "0", log=log)
    ban(fleet, ["198.51.100.1", "198.51.100.2", "2001:db8:9::1", *CROWD])
    ban(fleet, ["198.51.100.3"], "watch")
    expected = {"198.51.100.1/32", "198.51.100.2/32", "203.0.113.0/24"}
    eventually(lambda: fleet.ip_set_entries() == expected, "the bans are in their IP set", 40, 1)
    local_aws.edge.fault("wafv2:UpdateIPSet", "throttle")
    ban(fleet, ["198.51.100.5"])
    fleet.wait_until_judged()
    config.write_text(JAILS.replace('bantime = "1h"', 'bantime = "1h"\nignoreip = ["198.51.100.2"]'))

    shown = {
        "198.51.100.1": "enforced",
        "198.51.100.2": "allowlisted",
        "198.51.100.3": "observed",
        "2001:db8:9::/64": "no_ip_set",
        "198.51.100.5": "waiting",
        **dict.fromkeys(CROWD, "covered"),
    }
    assert states(fleet, *options) == shown
    for ip in [*shown][:6]:
        assert explained(fleet, ip, *options)[0]["state"] == shown[ip]
    assert states(fleet)["198.51.100.1"] is None, "without an IP set nobody can tell"
    text = ask(fleet, "list", *options)
    assert "203.0.113.0/24" in text.partition("Notes of us-east-1:")[2], "the collapsed network is noted"
    fleet.stop()
    assert ("would_ban", "198.51.100.3/32") in events(log)
    assert ("banned", "198.51.100.3/32") not in events(log)
    assert ("banned", "198.51.100.1/32") in events(log)


def test_what_the_surge_guard_holds_back_and_what_finds_no_room_is_shown_so(fleet: Fleet, tmp_path: Path) -> None:
    config = tmp_path / "f2b.toml"
    config.write_text('[defaults]\nmaxretry = 3\nbantime = "1h"\n')
    options = ("--ip-set", NAME, "--config", str(config))
    worker = fleet.start_worker("--max-new-bans-per-minute", "2")
    ban(fleet, CROWD)
    held_back = dict.fromkeys(CROWD, "held_back")

    def is_held_back() -> bool:
        return states(fleet, *options) == held_back

    eventually(is_held_back, "the surge guard holds them back", 30, 1)
    assert "bans that start at" in ask(fleet, "list", *options)
    (noted,) = json.loads(ask(fleet, "list", "--notes", "--json"))["notes"]
    assert noted["region"] == "us-east-1"
    assert noted["held_back_from"] is not None
    assert explained(fleet, CROWD[0], *options)[0]["state"] == "held_back"

    fill_ip_set(fleet)
    ask(fleet, "release")
    worker.terminate()
    worker.wait(15)
    fleet.start_worker()
    left_out = dict.fromkeys(CROWD, "left_out")
    eventually(lambda: states(fleet, *options) == left_out, "they are left out", 30, 1)
    # Each is asked for before it counts as somebody else's, 200 a second.
    eventually(lambda: bool(re.search(r"and \d{3,} more", ask(fleet, "list", "--notes"))), "they are noted", 60, 2)
