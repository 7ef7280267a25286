"""What an enforcer noted is read by the next one: restart and takeover with every kind of note in the table."""

from __future__ import annotations

import json
import time
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest

from demo.fleet import NAME, Fleet, eventually, free_port, get
from f2b_worker.adapters.dynamodb.notebook import DynamoNotebook
from tests.acceptance.attacks import now_ms, send_bodies

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

JAILS = """\
[defaults]
maxretry = 3
bantime = "1h"

[blocklists.block]
collapse = { at_least = 4, ipv4 = 24, ipv6 = 48 }
"""
FOREIGN = {"4": {"192.0.2.1/32", "198.51.100.0/24"}, "6": {"2001:db8:ffff::/48"}}
CROWD = [f"203.0.113.{number}" for number in range(1, 6)] + [f"2001:db8:1:{number}::1" for number in range(1, 6)]
NETWORKS = {"203.0.113.0/24", "2001:db8:1::/48"}


def ban(fleet: Fleet, ips: Sequence[str]) -> None:
    now_s = time.time()
    items = [{"ip": ip, "at": now_s - n / 10, "id": f"{ip}-{n}-{now_s}"} for ip in ips for n in range(3)]
    send_bodies(fleet, [json.dumps(items)])


def held(fleet: Fleet) -> set[str]:
    """What both sets hold; WAF answers IPv6 in full."""
    return {str(ip_network(entry)) for entry in fleet.ip_set_entries()}


def ip_sets(fleet: Fleet) -> list[dict[str, Any]]:
    return [dict(each) for each in fleet.waf.list_ip_sets(Scope="REGIONAL")["IPSets"]]


def put_foreign_entries(fleet: Fleet) -> None:
    for each in ip_sets(fleet):
        where: Any = {"Name": each["Name"], "Id": each["Id"], "Scope": "REGIONAL"}
        answer = fleet.waf.get_ip_set(**where)
        entries = sorted({*answer["IPSet"]["Addresses"], *FOREIGN[each["Name"][-1]]})
        fleet.waf.update_ip_set(**where, Addresses=entries, LockToken=answer["LockToken"])


def note_everything_else(fleet: Fleet) -> None:
    """Note what takes a worker minutes, or an attack, to note: a surge that was released, and a sweep."""
    notebook = DynamoNotebook(fleet.dynamodb, NAME, region="us-east-1")
    notebook.note_surge(now_ms() - 60_000)
    notebook.note_release(now_ms() - 30_000)
    notebook.note_swept({each["ARN"]: now_ms() - 600_000 for each in ip_sets(fleet)})


def kinds(fleet: Fleet) -> set[str]:
    """The kinds of notes in the table, with the family of those that are about one set."""
    items = fleet.dynamodb.scan(TableName=NAME, ConsistentRead=True)["Items"]
    noted = [item["sk"]["S"] for item in items if item["pk"]["S"].startswith("enforcer#")]
    return {f"{sk.partition('#')[0]}{sk.partition('-ipv')[2][:1]}" for sk in noted}


ALL_KINDS = {"foreign4", "foreign6", "networks4", "networks6", "sets", "surge", "swept"}
ALL_FOREIGN = FOREIGN["4"] | FOREIGN["6"]


@pytest.mark.parametrize("killed", [False, True])
def test_a_worker_reads_every_note_of_the_one_before_and_goes_on(
    fleet: Fleet, tmp_path: Path, killed: bool
) -> None:
    (tmp_path / "f2b.toml").write_text(JAILS)
    put_foreign_entries(fleet)
    first = fleet.start_worker("--max-new-bans-per-minute", "100")
    ban(fleet, CROWD)
    eventually(lambda: held(fleet) >= NETWORKS, "the crowd collapsed into its networks", 40, 1)
    note_everything_else(fleet)
    eventually(lambda: kinds(fleet) == ALL_KINDS, "every kind of note is in the table", 20)

    port = free_port()
    second_options = ["--max-new-bans-per-minute", "100", "--metrics-port", str(port)]
    if killed:  # a takeover by one who stands by
        second = fleet.start_worker(*second_options)
        eventually(lambda: get(f"http://127.0.0.1:{port}/healthz")[0] == 200, "the second one stands by", 30)
        first.kill()
    else:
        first.terminate()
        assert first.wait(15) == 0
        second = fleet.start_worker(*second_options)
    expected = ALL_FOREIGN | NETWORKS | {"198.51.101.7/32"}

    def is_enforced() -> bool:
        ban(fleet, ["198.51.101.7"])  # again and again: a poll of the killed one may have taken the first report
        return held(fleet) >= expected

    eventually(is_enforced, "the next one enforces, and lost nothing", 40, 1)
    assert second.poll() is None
    assert get(f"http://127.0.0.1:{port}/readyz")[0] == 200
