"""The numbers over time of real workers: whoever of them dies, each ban is counted once, and so is each lift."""

from __future__ import annotations

import json
import secrets
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from demo.fleet import NAME, eventually
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.dynamodb.acts.acts import DynamoActs
from f2b_worker.adapters.dynamodb.tally import DynamoTally
from f2b_worker.adapters.sqlite.ban_book import SqliteBanBook
from f2b_worker.adapters.sqlite.file import open_existing
from f2b_worker.adapters.sqlite.tally import SqliteTallyReader
from f2b_worker.domain.acts.act import Act, Verb
from f2b_worker.domain.jails import DAY_MS
from f2b_worker.domain.judge.verdicts import OffenderId
from f2b_worker.query.series import SeriesReader
from tests.acceptance.attacks import now_ms, send_bodies
from tests.acceptance.test_shim import ask

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from demo.fleet import Fleet
    from f2b_worker.ports import TallyReader

ATTACKERS = 60
TIMES = 4

SCRIBE = {"pk": {"S": "lease#scribe"}, "sk": {"S": "lease"}}


def bodies(first: int) -> list[str]:
    """Make messages of an attack: of each address in several."""
    at_s = now_ms() / 1000
    return [
        json.dumps(
            {"ip": f"203.0.113.{first + number}", "id": f"{first + number}-{time}", "at": at_s + time / 100}
        )
        for time in range(TIMES)
        for number in range(ATTACKERS)
    ]


def post(fleet: Fleet, attack: list[str]) -> None:
    status, text, _ = ask(fleet, "/infractions", f"[{','.join(attack)}]".encode())
    assert (status, json.loads(text)) == (200, {"stored": len(attack)})


def counted(tally: TallyReader) -> dict[str, int]:
    """Sum up what is stored of the last day."""
    found = SeriesReader(tally).read(DAY_MS, now_ms())
    return {kind: sum(map(sum, jails.values())) for kind, jails in found.kinds.items()}


def the_scribe(fleet: Fleet) -> subprocess.Popen[bytes] | None:
    """Find the worker that is the scribe."""
    item = fleet.dynamodb.get_item(TableName=NAME, Key=SCRIBE, ConsistentRead=True).get("Item", {})
    _, pid, _ = item["owner"]["S"].split("/") if "/" in item.get("owner", {}).get("S", "") else ("", "", "")
    return next((each for each in fleet.workers if str(each.pid) == pid), None)


@pytest.mark.own_policies
def test_the_bans_counted_are_those_of_the_ledger_though_who_counts_is_killed_in_the_attack(fleet: Fleet) -> None:
    fleet.set_visibility_timeout(3)
    for _ in range(2):
        fleet.start_worker()
    tally = DynamoTally(fleet.dynamodb, NAME)
    eventually(lambda: tally.bans() is not None, "somebody counts", 30)
    send_bodies(fleet, bodies(first=1))
    eventually(lambda: len(fleet.bans()) > ATTACKERS // 4, "the attack is under way", 30)
    doomed = the_scribe(fleet)
    assert doomed
    doomed.kill()
    doomed.wait()
    fleet.workers.remove(doomed)
    fleet.dynamodb.delete_item(TableName=NAME, Key=SCRIBE)  # its 40 seconds are not what is tested here
    send_bodies(fleet, bodies(first=101))
    fleet.wait_until_judged()
    eventually(lambda: the_scribe(fleet) is not None, "another one counts", 30)
    with closing(DynamoActs(fleet.dynamodb, NAME, SystemClock())) as acts:
        whom = [OffenderId("default", f"203.0.113.{number}/32") for number in (1, 2, 101)]
        lift = Act(secrets.token_hex(8), now_ms(), "ann", Verb.UNBAN, tuple(who.key for who in whom))
        acts.lift(lift, whom)
    (successor,) = fleet.workers
    successor.terminate()
    assert successor.wait(10) == 0
    fleet.start_worker()
    bans = len(fleet.bans())
    assert bans == 2 * ATTACKERS
    eventually(lambda: counted(tally)["unbans"] >= len(whom), "the lifts are counted", 30, 0.5)
    numbers = counted(tally)
    assert (numbers["bans"], numbers["unbans"]) == (bans, len(whom))
    assert 0 < numbers["infractions"] <= 2 * ATTACKERS * TIMES + 50, "what a killed one judged last may be missing"


def test_the_bans_counted_in_standalone_mode_are_those_of_the_file_though_it_is_killed_and_started_again(
    fleet: Fleet, start: Callable[..., subprocess.Popen[bytes]], state: Path
) -> None:
    doomed = start(enforcing=False)
    with closing(open_existing(state)) as reading, closing(open_existing(state)) as other:
        tally, book = SqliteTallyReader(reading), SqliteBanBook(other)
        eventually(lambda: tally.bans() is not None, "it counts", 30)
        post(fleet, bodies(first=1))
        eventually(lambda: len(book.standing()) == ATTACKERS, "it bans", 30)
    doomed.kill()
    doomed.wait()
    again = start(enforcing=False)
    post(fleet, bodies(first=101))
    with closing(open_existing(state)) as reading:
        book = SqliteBanBook(reading)
        eventually(lambda: len(book.standing()) == 2 * ATTACKERS, "it bans again", 30)
    again.terminate()
    assert again.wait(10) == 0
    with closing(open_existing(state)) as reading:
        numbers = counted(SqliteTallyReader(reading))
    assert numbers["bans"] == 2 * ATTACKERS
    assert numbers["infractions"] >= ATTACKERS * TIMES
