"""`make demo`: an attack goes through the real road, and every ban is checked.

producer → SQS → f2b-worker → DynamoDB → WAF IP set, all on this machine; the attack is shifted in time so that it
ends now. Exit code 0 only if the bans in the ledger are exactly those of a checker that shares no code with the
judge, the IP sets hold exactly those that still run, operators see exactly these, and no part was refused a call:
each has its own policy of docs/iam, and no other.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from demo.attack import attack
from demo.checker import Infraction, Rules, difference, expected, key
from demo.data import BadLineError, read
from demo.fleet import NAME, Fleet, FleetError, eventually
from demo.own_policies import OwnPolicies
from f2b_producer import Producer
from localstack.local_aws import ACCOUNT, LocalAws, LocalAwsError
from localstack.policies import Names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from demo.checker import Ban

RULES = Rules(maxretry=3, findtime_s=600, bantime_s=1800)
CONFIG = """\
[defaults]
maxretry = 3
findtime = "10m"
bantime = "30m"
dbpurgeage = -1  # the checker forgets nothing
"""
WORKER_OPTIONS = ("--max-age", "0", "--unban-lag-s", "0", "--log-level", "warning")
LATENCY_TRIES = 10


def shifted(infractions: Sequence[Infraction], end_ms: int) -> list[Infraction]:
    """Move an attack in time so that it ends at *end_ms*."""
    ordered = sorted(infractions, key=lambda one: one.at_ms)
    shift_ms = end_ms - ordered[-1].at_ms
    return [replace(one, at_ms=one.at_ms + shift_ms) for one in ordered]


def send(fleet: Fleet, infractions: Sequence[Infraction]) -> int:
    """Report *infractions* through the real producer; answer how many messages that took."""
    calls = 0
    sqs = fleet.client_of("producer", "sqs")

    class CountingClient:
        def send_message_batch(self, **request: object) -> object:
            nonlocal calls
            calls += len(request["Entries"])  # type: ignore[arg-type]
            return sqs.send_message_batch(**request)

    with closing(sqs), Producer(fleet.queue_url, client=CountingClient()) as producer:
        for one in infractions:
            producer.report(one.ip, one.jail, at=one.at_ms / 1000)
        if not producer.flush(30):
            raise FleetError(f"the producer could not send everything: {producer.stats()}")
    return calls


def running_entries(bans: Sequence[Ban]) -> set[str]:
    """Say what the IP sets should hold now."""
    now_ms = time.time_ns() // 1_000_000
    return {_entry(ban.key) for ban in bans if ban.until_ms >= now_ms}


def _entry(checked_key: str) -> str:
    return checked_key if "/" in checked_key else f"{checked_key}/32"


def compared(entries: set[str]) -> set[str]:
    """Bring IP-set entries into the checker's form: WAF answers IPv6 in expanded form."""
    found = set()
    for entry in entries:
        network = key(entry.split("/")[0], RULES)
        found.add(_entry(network) if network else entry)
    return found


def fresh_addresses(infractions: Sequence[Infraction]) -> list[str]:
    """Find addresses that are not in the attack."""
    used = {one.ip for one in infractions}
    return [ip for ip in (f"203.0.113.{host}" for host in range(1, 255)) if ip not in used]


def measure_latency_s(fleet: Fleet, aws: LocalAws, infractions: Sequence[Infraction]) -> list[float]:
    """Report one address three times through the shim of an idle fleet; time it until it is in the IP set."""
    fresh = fresh_addresses(infractions)
    aws.edge.set_waf_read_rate(None)  # the watching below asks far more often than WAF allows
    taken_s = []
    for ip in fresh[:LATENCY_TRIES]:
        time.sleep(1.3)  # idle: the last update's second is over
        for _ in range(RULES.maxretry):
            status, answer = fleet.get(f"/infraction/{ip}")
            if status != 200:
                raise FleetError(f"the shim answered {status}: {answer}")
        reported_s = time.monotonic()
        eventually(lambda ip=ip: f"{ip}/32" in fleet.ip_set_entries(), f"{ip} is in its IP set", 20, 0.01)  # type: ignore[misc]
        taken_s.append(time.monotonic() - reported_s)
    return taken_s


def table(title: str, rows: dict[str, object]) -> None:
    """Print one block of the report."""
    print(f"\n{title}")
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"  {name:{width}}  {value}")


def prove(infractions: Sequence[Infraction]) -> list[str]:
    """Run the attack through the road; answer what was wrong, in sentences."""
    with tempfile.TemporaryDirectory() as folder, LocalAws() as aws:
        config = Path(folder) / "f2b.toml"
        config.write_text(CONFIG)
        policies = OwnPolicies(aws.edge, Names(account=ACCOUNT))
        with Fleet(aws, config, policies=policies) as fleet:
            print("Local AWS runs; making queue, table and IP sets …", flush=True)
            fleet.provision()
            fleet.start_worker(*WORKER_OPTIONS, log=Path("/dev/stderr"))
            fleet.start_shim()
            aws.edge.limit_tables()
            aws.edge.reset_calls()
            faults = _prove_with(fleet, aws, infractions)
            fleet.stop()  # what parts do at their end is a part of what they may do
            print(f"\nIAM: {policies.told()}")
            return faults + policies.faults()


def _prove_with(fleet: Fleet, aws: LocalAws, infractions: Sequence[Infraction]) -> list[str]:
    infractions = shifted(infractions, time.time_ns() // 1_000_000 - 1000)
    wanted = expected(infractions, RULES)
    print(f"Sending {len(infractions)} infractions …", flush=True)
    started_s = time.monotonic()
    messages = send(fleet, infractions)
    fleet.wait_until_judged()
    judged_s = time.monotonic() - started_s
    faults = difference(fleet.bans(), wanted)
    print("Waiting for the IP sets …", flush=True)
    try:
        eventually(lambda: compared(fleet.ip_set_entries()) == running_entries(wanted), "equal IP sets", 20, 0.6)
    except FleetError:
        held, right = compared(fleet.ip_set_entries()), running_entries(wanted)
        faults.append(f"IP sets: missing {sorted(right - held)}, too many {sorted(held - right)}")
    calls, units = aws.edge.calls(), aws.edge.table_units()
    faults += seen_by_operators(fleet, wanted)
    _report(infractions, wanted, messages, judged_s, calls)
    table("DynamoDB's limits a second (units are estimated)", unit_rows(units))
    _report_latency(measure_latency_s(fleet, aws, infractions))
    # As an operator who acts; it fails unless WAF has it in time.
    fleet.operate("operator", "unban", fresh_addresses(infractions)[0], "--wait", "20s")
    return faults


def seen_by_operators(fleet: Fleet, wanted: Sequence[Ban]) -> list[str]:
    """Ask for the running bans as an operator who only looks."""
    listed = fleet.operate("read", "list", "--output", "ndjson").splitlines()
    shown = {json.loads(line)["ip"] for line in listed}
    right = {entry.removesuffix("/32") for entry in running_entries(wanted)}
    if shown == right:
        return []
    return [f"f2b list: missing {sorted(right - shown)}, too many {sorted(shown - right)}"]


def _report(
    infractions: Sequence[Infraction], wanted: Sequence[Ban], messages: int, judged_s: float, calls: dict[str, int]
) -> None:
    jails = Counter(one.jail for one in infractions)
    table(
        "What went in",
        {
            "infractions": len(infractions),
            "addresses": len({one.ip for one in infractions}),
            "jails": ", ".join(f"{jail} {number}" for jail, number in sorted(jails.items())),
            "messages": messages,
            "sent and judged in": f"{judged_s:.2f} s",
        },
    )
    table(
        "What was banned",
        {
            "bans": len(wanted),
            "offenders": len({(ban.jail, ban.key) for ban in wanted}),
            "running now": len(running_entries(wanted)),
            "longest": f"{max((ban.until_ms - ban.start_ms for ban in wanted), default=0) / 1000:.0f} s",
        },
    )
    table("AWS calls (this check's own included)", dict(sorted(calls.items())))


def unit_rows(units: dict[str, Any]) -> dict[str, object]:
    """Say what the hottest keys used of what AWS allows, and how often that was too much; the edge counted it."""

    def peak(kind: str) -> str:
        (used, key), allowed = units[f"peak_key_{kind}"], units["limits"][f"key_{kind}"]
        return f"{used:,.0f} of {allowed:,.0f} units, key {key}" if used else f"0 of {allowed:,.0f} units"

    reasons = ", ".join(f"{reason} {number:,}" for reason, number in sorted(units["throttled"].items()))
    throttled = sum(units["throttled"].values())
    return {
        "most writes of one key": peak("writes"),
        "most reads of one key": peak("reads"),
        "calls throttled, or parts of one": f"{throttled:,}" + (f" ({reasons})" if reasons else ""),
    }


def _report_latency(taken_s: Sequence[float]) -> None:
    table(
        f"One address reported three times through the shim, idle fleet, {len(taken_s)} times",
        {
            "in the IP set after (median)": f"{statistics.median(taken_s):.3f} s",
            "fastest and slowest": f"{min(taken_s):.3f} s and {max(taken_s):.3f} s",
        },
    )


def given(data: Path) -> list[Infraction]:
    """Read the infractions of a file; a bad line is named, and left out."""

    def name(bad: BadLineError) -> None:
        print(f"{data}: {bad}; left out", file=sys.stderr, flush=True)

    infractions = read(data, name)
    if not infractions:
        sys.exit(f"make demo: {data} holds no infraction")
    return infractions


@click.command()
@click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="NDJSON of infractions: ip, jail, and at in epoch seconds or RFC 3339.",
)
@click.option("--seed", default=1, show_default=True, help="Of the attack that is made up without --data.")
def main(data: Path | None, seed: int) -> None:
    """Send an attack through the real road and check every ban."""
    infractions = given(data) if data else attack(seed, time.time_ns() // 1_000_000)
    try:
        faults = prove(infractions)
    except (FleetError, LocalAwsError) as error:
        faults = [str(error)]
    for fault in faults:
        print(f"WRONG: {fault}", file=sys.stderr)
    print(f"\n{'Not as it should be.' if faults else 'Every ban is as it should be.'} Queue, table: {NAME}")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
