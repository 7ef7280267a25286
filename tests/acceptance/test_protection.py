"""Who is banned is in an IP set, and stays there, whatever happens around the workers."""

from __future__ import annotations

import signal
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.fleet import Fleet, eventually
from tests.acceptance.attacks import report, send_bodies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from localstack.local_aws import LocalAws

pytestmark = pytest.mark.own_policies


def blocked_since(local_aws: LocalAws, account: str, ip_set: str, after: int) -> dict[str, float]:
    """Tell since when an IP set holds each of its entries, by what took effect after a change."""
    since_s: dict[str, float] = {}
    for change in local_aws.edge.waf_changes(account, after=after):
        if change["ip_set"] == ip_set:
            since_s |= dict.fromkeys(change["added"], change["at_s"])
            for entry in change["removed"]:
                since_s.pop(entry, None)
    return since_s


def with_clock_off(seconds: int) -> tuple[str, ...]:
    """Name the program that is a worker on a machine whose clock is so far ahead."""
    return sys.executable, str(Path(__file__).with_name("shifted_clock.py")), str(seconds)


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


@pytest.mark.parametrize(("judges_s", "enforces_s"), [(-90, 90), (90, -90)])
def test_a_new_ban_is_in_its_set_within_5_s_whatever_the_clocks_of_the_workers(
    fleet: Fleet, local_aws: LocalAws, account: str, judges_s: int, enforces_s: int
) -> None:
    fleet.start_worker(program=with_clock_off(enforces_s))
    send_bodies(fleet, report("203.0.113.250", 3))
    eventually(lambda: "203.0.113.250/32" in fleet.ip_set_entries(), "the first worker enforces", 30, 0.6)
    for _ in range(3):  # whoever judges, these three outnumber who enforces
        fleet.start_worker(program=with_clock_off(judges_s))
    time.sleep(4)

    sent_s: dict[str, float] = {}
    for host in range(1, 14):
        address = f"203.0.113.{host}"
        sent_s[f"{address}/32"] = time.time()
        send_bodies(fleet, report(address, 3))
        time.sleep(1.1)

    def held() -> dict[str, float]:
        return blocked_since(local_aws, account, "f2b-ipv4", 0)

    eventually(lambda: sent_s.keys() <= held().keys(), "all are blocked", 30, 0.1)
    late = {entry: held()[entry] - since_s for entry, since_s in sent_s.items() if held()[entry] - since_s > 5}
    assert late == {}


@pytest.mark.parametrize("off_s", [-90, 90])
def test_a_worker_whose_clock_is_off_enforces_a_ban_until_its_end_and_lifts_it_then(
    fleet: Fleet, local_aws: LocalAws, account: str, tmp_path: Path, off_s: int
) -> None:
    config, log = tmp_path / "short.toml", tmp_path / "worker.log"
    config.write_text('[defaults]\nmaxretry = 3\nbantime = "10s"\n')
    options = ("--config", str(config), "--unban-lag-s", "0")
    fleet.start_worker(*options, log=log, program=with_clock_off(off_s))
    eventually(lambda: '"working"' in log.read_text(), "it works", 30)  # or the ban is over before it is enforced
    send_bodies(fleet, report("203.0.113.1", 3))

    def removals_s() -> list[float]:
        changes = local_aws.edge.waf_changes(account)
        return [each["at_s"] for each in changes if "203.0.113.1/32" in each["removed"]]

    eventually(lambda: bool(removals_s()), "the ban is lifted", 40, 0.2)
    [ban] = fleet.bans()
    assert 0 <= removals_s()[0] - ban.until_ms / 1000 <= 8
    fleet.stop()
    assert log.read_text().count("clock_is_off") == 1


HOT = [f"203.0.113.{host}" for host in range(1, 7)]
LASTS_S = 60.0
# When each of three workers is stopped and for how long, so that two may stand still at a time.
STANDSTILLS = ((8.0, 0, 12), (11.0, 1, 9), (22.0, 2, 11), (25.0, 0, 8), (35.0, 1, 9), (40.0, 2, 10), (47.0, 0, 9))
KILLED_S, KILLED = 28.0, 1
SLOW_S = (9.0, 36.0)
"""When the next forty calls of DynamoDB begin to take four seconds each."""


class Reporter(threading.Thread):
    """Reports every hot address each second, whatever happens around."""

    def __init__(self, fleet: Fleet) -> None:
        super().__init__(name="reporter")
        self._fleet = fleet
        self.stop = threading.Event()

    def run(self) -> None:
        began_s, number = time.monotonic(), 0
        while not self.stop.is_set():
            send_bodies(self._fleet, [f'{{"ip": "{each}", "id": "{each}-{number}"}}' for each in HOT])
            number += 1
            self.stop.wait(max(0.0, began_s + number - time.monotonic()))


def disturb(fleet: Fleet, local_aws: LocalAws, *options: str) -> None:
    """Stop and kill workers, and slow DynamoDB down, as the tables above say."""
    acts: list[tuple[float, Callable[[], None]]] = [
        (at_s, partial(local_aws.edge.fault, "dynamodb:*", "delay", delay_s=4.0, times=40)) for at_s in SLOW_S
    ]

    def send(worker: int, number: signal.Signals) -> Callable[[], None]:
        return lambda: fleet.workers[worker].send_signal(number)

    def replace_killed() -> None:
        fleet.workers[KILLED].kill()
        fleet.workers[KILLED].wait()
        fleet.workers[KILLED] = fleet.start_worker(*options)
        fleet.workers.pop()

    for at_s, worker, lasts_s in STANDSTILLS:
        acts += [(at_s, send(worker, signal.SIGSTOP)), (at_s + lasts_s, send(worker, signal.SIGCONT))]
    acts.append((KILLED_S, replace_killed))
    began_s = time.monotonic()
    for at_s, act in sorted(acts, key=lambda each: each[0]):
        time.sleep(max(0.0, began_s + at_s - time.monotonic()))
        act()
    time.sleep(max(0.0, began_s + LASTS_S - time.monotonic()))


def seconds_outside(local_aws: LocalAws, account: str, entry: str, until_s: float) -> list[float]:
    """Tell how long an entry was out of its set each time after it was in it first, until some time."""
    outside, left_s = [], None
    for change in local_aws.edge.waf_changes(account):
        if entry in change["removed"]:
            left_s = change["at_s"]
        elif entry in change["added"] and left_s is not None:
            outside.append(change["at_s"] - left_s)
            left_s = None
    return outside if left_s is None else [*outside, until_s - left_s]


def test_addresses_that_go_on_are_never_outside_for_five_seconds_while_workers_stop_and_die_and_dynamodb_is_slow(
    fleet: Fleet, local_aws: LocalAws, account: str, tmp_path: Path
) -> None:
    config = tmp_path / "short.toml"
    config.write_text('[defaults]\nmaxretry = 3\nbantime = "20s"\n')
    options = ("--config", str(config), "--unban-lag-s", "0")
    for _ in range(3):
        fleet.start_worker(*options)
    reporter = Reporter(fleet)
    reporter.start()
    try:
        eventually(lambda: entries(HOT) <= fleet.ip_set_entries(), "all are blocked", 40, 0.6)
        disturb(fleet, local_aws, *options)
        ended_s = time.time()
    finally:
        reporter.stop.set()
        reporter.join()
        for worker in fleet.workers:
            worker.send_signal(signal.SIGCONT)
    outside = {each: seconds_outside(local_aws, account, each, ended_s) for each in sorted(entries(HOT))}
    assert {each: times_s for each, times_s in outside.items() if sum(times_s) > 5} == {}
