"""Who is banned is in an IP set, and stays there, whatever happens around the workers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from demo.fleet import Fleet, eventually
from tests.acceptance.attacks import report, send_bodies

if TYPE_CHECKING:
    from collections.abc import Iterable

    from localstack.local_aws import LocalAws


def blocked_since(local_aws: LocalAws, account: str, ip_set: str, after: int) -> dict[str, float]:
    """Tell since when an IP set holds each of its entries, by what took effect after a change."""
    since_s: dict[str, float] = {}
    for change in local_aws.edge.waf_changes(account, after=after):
        if change["ip_set"] == ip_set:
            since_s |= dict.fromkeys(change["added"], change["at_s"])
            for entry in change["removed"]:
                since_s.pop(entry, None)
    return since_s


def entries(addresses: Iterable[str]) -> set[str]:
    return {f"{address}/32" for address in addresses}


@pytest.mark.parametrize("name", ["f2b-ipv4", "f2b-ipv4-2"])
def test_an_ip_set_that_is_made_anew_has_all_bans_within_15_s(
    fleet: Fleet, local_aws: LocalAws, account: str, name: str
) -> None:
    fleet.start_worker()
    addresses = ["203.0.113.1", "203.0.113.2"]
    send_bodies(fleet, [body for each in addresses for body in report(each, 3)])
    eventually(lambda: entries(addresses) <= fleet.ip_set_entries(), "the bans are enforced", 30, 0.6)
    time.sleep(6)  # the search for sets that follows the start must not be what finds it

    old = next(each for each in fleet.waf.list_ip_sets(Scope="REGIONAL")["IPSets"] if each["Name"] == "f2b-ipv4")
    # A lock token of before an update would be refused.
    token = fleet.waf.get_ip_set(Name=old["Name"], Id=old["Id"], Scope="REGIONAL")["LockToken"]
    fleet.waf.delete_ip_set(Name=old["Name"], Id=old["Id"], Scope="REGIONAL", LockToken=token)
    before = max((change["number"] for change in local_aws.edge.waf_changes(account)), default=0)
    fleet.waf.create_ip_set(Name=name, Scope="REGIONAL", IPAddressVersion="IPV4", Addresses=[])
    made_s = time.time()
    send_bodies(fleet, report("203.0.113.3", 3))

    def is_whole() -> bool:
        held = blocked_since(local_aws, account, name, before)
        return entries([*addresses, "203.0.113.3"]) <= held.keys()

    eventually(is_whole, "the new set has all bans", 40, 0.1)
    assert max(blocked_since(local_aws, account, name, before).values()) - made_s <= 15
