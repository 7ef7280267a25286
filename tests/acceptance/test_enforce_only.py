"""Workers that only enforce, beside judges that never do."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from demo.fleet import BIN, NAME, eventually, free_port, get
from tests.acceptance.attacks import send_bodies

if TYPE_CHECKING:
    from pathlib import Path

    from demo.fleet import Fleet
    from localstack.local_aws import LocalAws

pytestmark = pytest.mark.own_policies

JAILS = """\
[defaults]
maxretry = 3
bantime = "10m"

[jails.adopted]
bantime = "2h"

[blocklists.block]
foreign = "adopt"
"""

FOREIGN = "198.51.100.9/32"


def enforcer(fleet: Fleet, log: Path, *options: str) -> subprocess.Popen[bytes]:
    """Start a worker that only enforces."""
    command = [str(BIN / "f2b-worker"), "--enforce-only", "--table", NAME, "--ip-set", NAME]
    worker = fleet._start([*command, "--config", str(log.parent / "f2b.toml"), *options], log, role="enforcer")
    fleet.workers.append(worker)
    return worker


def judge(fleet: Fleet, log: Path) -> subprocess.Popen[bytes]:
    """Start a worker that has no IP set."""
    command = [str(BIN / "f2b-worker"), "--queue", NAME, "--table", NAME, "--processes", "1"]
    worker = fleet._start([*command, "--config", str(log.parent / "f2b.toml")], log, role="judge")
    fleet.workers.append(worker)
    return worker


def attack(fleet: Fleet, *addresses: str) -> None:
    """Have each of *addresses* do what a ban takes."""
    at_s = time.time() - 1
    items = [{"ip": ip, "at": at_s + n / 10, "id": f"{ip}-{at_s}-{n}"} for ip in addresses for n in range(3)]
    send_bodies(fleet, [json.dumps(items)])


def asked(fleet: Fleet, *arguments: str) -> str:
    """Run a command of the operator's."""
    command = [str(BIN / "f2b"), *arguments]
    done = subprocess.run(command, env=fleet.environment, check=False, capture_output=True, text=True)
    return done.stdout + done.stderr


def enforced(fleet: Fleet, *addresses: str) -> None:
    """Wait until the sets hold these and what was adopted, and nothing else."""
    wanted = {FOREIGN, *(f"{each}/32" for each in addresses)}
    eventually(lambda: fleet.ip_set_entries() == wanted, f"the sets hold {sorted(wanted)}", 30, 0.8)


def put_in(fleet: Fleet, entry: str) -> None:
    """Put an entry into the set of IPv4 by hand."""
    name = f"{NAME}-ipv4"
    set_id = next(
        each["Id"] for each in fleet.waf.list_ip_sets(Scope="REGIONAL")["IPSets"] if each["Name"] == name
    )
    found = fleet.waf.get_ip_set(Name=name, Id=set_id, Scope="REGIONAL")
    entries = [*found["IPSet"]["Addresses"], entry]
    fleet.waf.update_ip_set(
        Name=name, Id=set_id, Scope="REGIONAL", Addresses=entries, LockToken=found["LockToken"]
    )


def adopted(fleet: Fleet) -> list[tuple[str, int]]:
    """List the bans of the jail "adopted": whom, and for how long."""
    return [(each.key, each.length_ms) for each in fleet.bans() if each.jail == "adopted"]


def heeds_a_pause(fleet: Fleet, log: Path) -> None:
    """See that what people ask of all workers reaches who judges nothing, too."""
    asked(fleet, "pause", "--table", NAME, "--reason", "a test")
    eventually(lambda: "paused" in log.read_text(), "the pause is heard", 20)
    attack(fleet, "203.0.113.2")
    eventually(lambda: len(fleet.bans()) == 3, "it is banned", 20)
    time.sleep(2)  # longer than an enforcer takes
    assert fleet.ip_set_entries() == {FOREIGN, "203.0.113.1/32"}
    asked(fleet, "resume", "--table", NAME, "--reason", "a test")
    enforced(fleet, "203.0.113.1", "203.0.113.2")


def heeds_its_file(fleet: Fleet, worker: subprocess.Popen[bytes], log: Path) -> None:
    """See that the file says whom no IP set may hit, after SIGHUP and after `f2b reload`."""
    file = log.parent / "f2b.toml"
    file.write_text(JAILS.replace('"10m"\n', '"10m"\nignoreip = ["203.0.113.1"]\n'))
    worker.send_signal(signal.SIGHUP)
    enforced(fleet, "203.0.113.2")
    file.write_text(JAILS)
    told = asked(fleet, "reload", "--table", NAME)
    eventually(lambda: log.read_text().count("jails_reloaded") == 2, told, 20)
    enforced(fleet, "203.0.113.1", "203.0.113.2")


def test_judges_without_ip_sets_ban_and_those_who_only_enforce_write_the_sets(
    fleet: Fleet, local_aws: LocalAws, tmp_path: Path
) -> None:
    assert fleet.policies
    (tmp_path / "f2b.toml").write_text(JAILS)
    logs = [tmp_path / name for name in ("first.log", "second.log", "judge.log")]
    put_in(fleet, FOREIGN)
    port = free_port()
    first = enforcer(fleet, logs[0], "--metrics-port", str(port))
    eventually(lambda: get(f"http://127.0.0.1:{port}/readyz")[0] == 200, "the first is ready", 30)
    second = enforcer(fleet, logs[1])
    judge(fleet, logs[2])
    eventually(lambda: all('"working"' in each.read_text() for each in logs), "all work", 30)

    # What somebody else put into a set got a ban by the jails of the file.
    eventually(lambda: adopted(fleet) == [("198.51.100.9", 7_200_000)], "it is adopted", 20)

    attack(fleet, "203.0.113.1")
    enforced(fleet, "203.0.113.1")
    metrics = f"http://127.0.0.1:{port}/metrics"
    updated = 'f2b_ip_set_updates_total{ip_set="f2b-ipv4",region="us-east-1"} 1.0'
    eventually(lambda: updated in get(metrics)[1], "it counts the update", 10)
    assert "f2b_infractions_judged_total 0.0" in get(metrics)[1]

    heeds_a_pause(fleet, logs[0])
    heeds_its_file(fleet, first, logs[0])
    assert "workers   3 alive, 2 of them only to enforce" in asked(
        fleet, "status", "--table", NAME, "--ip-set", NAME
    )
    # Who dies is succeeded by the other.
    first.kill()
    first.wait()
    attack(fleet, "203.0.113.3")
    enforced(fleet, "203.0.113.1", "203.0.113.2", "203.0.113.3")
    second.terminate()
    assert second.wait(12) == 0
    needed = {action for action, _ in local_aws.edge.needed(fleet.policies.token("enforcer"))}
    assert "wafv2:UpdateIPSet" in needed  # so the policy was asked
    fleet.stop()
    assert not any("not authorized" in each.read_text() for each in logs)
    assert local_aws.edge.calls().get("wafv2:UpdateIPSet", 0) >= 4


def test_whoever_has_nothing_to_enforce_says_so_and_ends(fleet: Fleet) -> None:
    command = [str(BIN / "f2b-worker"), "--enforce-only", "--table", NAME]
    done = subprocess.run(command, env=fleet.environment, check=False, capture_output=True, text=True)

    assert done.returncode == 3
    told = (
        "f2b-worker: --enforce-only has nothing to enforce: give --ip-set, or give a blocklist of the file ip_set"
    )
    assert done.stderr == f"{told}\n"
