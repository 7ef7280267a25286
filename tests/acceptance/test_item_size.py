"""How large an item of the ledger gets, whatever is reported of one attacker: all as costly as the wire allows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from demo.fleet import NAME, Fleet
from f2b_worker.domain.jails import NOTED_RETRIES_MAX
from f2b_worker.domain.judge.infractions import NOTE_BYTES_MAX
from localstack.units import size_bytes
from tests.acceptance.attacks import now_ms, send_bodies

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IP = "203.0.113.9"
JAIL = "j" * 64
REPORTER = "r" * 64
MAXRETRY, FINDTIME_MS = 1000, 60_000
ITEM_BYTES_MAX = 100_000
# Four bytes a character are the most that UTF-8 has.
IDS = ("0123456789ab", "\U0001f980" * 12)
NOTES = "n" * NOTE_BYTES_MAX


def message(times_ms: range, name: str, weight: int = 1, note: str | None = None) -> str:
    """Make a message of as many infractions as times, each with an id of its own that begins with *name*."""
    rows = [
        {
            "ip": IP,
            "jail": JAIL,
            "at": at_ms / 1000,
            "id": f"{name}{number:04}",
            "weight": weight,
            "reporter": REPORTER,
            "note": note,
        }
        for number, at_ms in enumerate(times_ms)
    ]
    return json.dumps(rows, ensure_ascii=False)


def attack(name: str, maxretry: int = MAXRETRY, note: str | None = None) -> Iterator[str]:
    """Yield messages: a ban by many, lone heavy ones between which nothing adds up, and a last burst."""
    now = now_ms()
    start_ms = now - 13 * 86_400_000
    yield message(range(start_ms, start_ms + maxretry), name, note=note)
    lone_ms = start_ms + 2 * FINDTIME_MS
    for _ in range(2):
        times_ms = range(lone_ms, lone_ms + 3_500 * (FINDTIME_MS + 1), FINDTIME_MS + 1)
        yield message(times_ms, name, maxretry - 1, note)
        lone_ms = times_ms[-1] + FINDTIME_MS + 1
    yield message(range(now - 1_100, now - 1_100 + maxretry - 1), name, note=note)


@pytest.mark.parametrize(
    ("name", "maxretry", "note"),
    [(IDS[0], MAXRETRY, NOTES), (IDS[1], MAXRETRY, None), (IDS[0], NOTED_RETRIES_MAX, NOTES)],
    ids=["ASCII", "other characters", "notes that are kept"],
)
def test_an_offenders_item_stays_below_100_kilobytes_and_the_offender_is_banned(
    fleet: Fleet, tmp_path: Path, name: str, maxretry: int, note: str | None
) -> None:
    config = f'[jails.{JAIL}]\nmaxretry = {maxretry}\nfindtime = "1m"\nbantime = "1s"\n'
    (tmp_path / "f2b.toml").write_text(config)
    fleet.start_worker()
    sizes: list[int] = []
    for body in attack(name, maxretry, note):
        send_bodies(fleet, [body])
        fleet.wait_until_judged()
        sizes += [size_bytes(item) + 4 * len(item.get("hits", {}).get("SS", ())) for item in items(fleet)]
    assert max(sizes) < ITEM_BYTES_MAX
    assert fleet.queued(f"{NAME}-dead") == 0
    one_more = {"ip": IP, "jail": JAIL, "at": now_ms() / 1000, "id": "last"}
    send_bodies(fleet, [json.dumps(one_more)])
    fleet.wait_until_judged()
    assert len(fleet.bans()) == 2


def items(fleet: Fleet) -> list[dict[str, dict[str, str]]]:
    """Read all that the table holds of the attacker."""
    answer = fleet.dynamodb.query(
        TableName=NAME,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": f"ip#{IP}/32"}},
        ConsistentRead=True,
    )
    found: list[dict[str, dict[str, str]]] = answer["Items"]
    return found
