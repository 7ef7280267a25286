"""Somebody else who edits an IP set, as Terraform would: get, add an entry, update.

    python -m benchmarks.enforcer.foreign_writer IP_SET --every-s 2 --for-s 30

Prints the entries whose update took effect, as one JSON object.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import Any

import boto3
import click
from botocore.config import Config
from botocore.exceptions import ClientError

LATER = ("WAFOptimisticLockException", "ThrottlingException")
TRY_AGAIN_S = 0.3


def edit(waf: Any, named: dict[str, str], entry: str, refusals: Counter[str]) -> None:
    """Add one entry; whoever loses a race or the budget begins again."""
    while True:
        try:
            found = waf.get_ip_set(**named)
            entries = [*found["IPSet"]["Addresses"], entry]
            waf.update_ip_set(**named, Addresses=entries, LockToken=found["LockToken"])
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code not in LATER:
                raise
            refusals[code] += 1
            time.sleep(TRY_AGAIN_S)
        else:
            return


@click.command()
@click.argument("ip_set")
@click.option("--every-s", default=2.0)
@click.option("--for-s", default=30.0)
@click.option("--start", default=0, help="The number of the first made-up address.")
def main(ip_set: str, every_s: float, for_s: float, start: int) -> None:
    """Add an entry to IP_SET every few seconds."""
    waf = boto3.client("wafv2", config=Config(retries={"total_max_attempts": 1}))
    summaries = waf.list_ip_sets(Scope="REGIONAL")["IPSets"]
    found = next(each for each in summaries if each["Name"] == ip_set)
    named = {"Name": ip_set, "Id": found["Id"], "Scope": "REGIONAL"}
    refusals: Counter[str] = Counter()
    added: list[str] = []
    began_s = time.monotonic()
    while time.monotonic() < began_s + for_s:
        number = start + len(added)
        entry = f"203.0.{number // 256 % 256}.{number % 256}/32"
        edit(waf, named, entry, refusals)
        added.append(entry)
        time.sleep(max(0.0, began_s + len(added) * every_s - time.monotonic()))
    print(json.dumps({"added": added, "refusals": refusals}))


if __name__ == "__main__":
    main()
