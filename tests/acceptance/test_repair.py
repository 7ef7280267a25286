"""`f2b repair` beside a worker that works: the log is made anew, no ban is lost and none is lifted."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import TYPE_CHECKING, Any

from demo.fleet import BIN, NAME, eventually
from demo.prove import CONFIG
from f2b_worker.signals import EXIT_INTERRUPTED
from tests.acceptance.attacks import report, send_bodies

if TYPE_CHECKING:
    from pathlib import Path

    from demo.fleet import Fleet

STANDING, SHORT, MEANWHILE = "203.0.113.50", "203.0.113.51", "203.0.113.52"
SHORT_JAIL = '[jails.short]\nbantime = "40s"\n'
COUNTER = {"pk": {"S": "log"}, "sk": {"S": "seq"}}


def start_repair(fleet: Fleet) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(BIN / "f2b"), "repair", "--table", NAME],
        env=fleet.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def epoch(fleet: Fleet) -> str:
    item: dict[str, Any] = dict(fleet.dynamodb.get_item(TableName=NAME, Key=COUNTER, ConsistentRead=True))
    return str(item.get("Item", {}).get("epoch", {}).get("S", ""))


def lose(fleet: Fleet, what: str) -> None:
    """Delete what there is of the log, or a part of it."""
    for item in fleet.dynamodb.scan(TableName=NAME, ConsistentRead=True)["Items"]:
        key: Any = {"pk": item["pk"], "sk": item["sk"]}
        kind = str(key["pk"]["S"])
        is_lost = {
            "parts": kind.startswith("part#"),
            "all": kind.startswith(("log", "part#")),
        }
        if is_lost[what]:
            fleet.dynamodb.delete_item(TableName=NAME, Key=key)


def holds(fleet: Fleet, *addresses: str) -> bool:
    return fleet.ip_set_entries() >= {f"{each}/32" for each in addresses}


def test_whatever_is_lost_of_the_log_a_repair_brings_back_while_a_worker_bans_and_lifts_as_usual(
    fleet: Fleet, tmp_path: Path
) -> None:
    (tmp_path / "f2b.toml").write_text(CONFIG + SHORT_JAIL)
    first = fleet.start_worker("--unban-lag-s", "0")
    short = [json.dumps({"ip": SHORT, "jail": "short", "id": f"s{number}"}) for number in range(3)]
    send_bodies(fleet, [*report(STANDING, 5), *short])
    eventually(lambda: holds(fleet, STANDING, SHORT), "the bans are in their IP set", 30, 0.6)
    banned = [STANDING]
    for number, what in enumerate(("parts", "all")):
        lose(fleet, what)
        before = epoch(fleet)
        repair = start_repair(fleet)
        eventually(lambda before=before: epoch(fleet) not in {"", before}, "a new log is begun", 30)  # type: ignore[misc]
        banned.append(f"203.0.113.{100 + number}")
        send_bodies(fleet, report(banned[-1], 5))  # judged while the table is read
        out, err = repair.communicate(timeout=60)
        assert (repair.returncode, err) == (0, "")
        assert out.startswith("repaired: ")
        assert out.endswith(f"epoch {epoch(fleet)}\n")
        assert holds(fleet, *banned[:-1]), "nothing was lifted"
        eventually(lambda: holds(fleet, *banned), "who was banned meanwhile is in the IP set", 40, 0.6)
    eventually(lambda: not holds(fleet, SHORT), "what ended is lifted", 60, 0.6)
    assert holds(fleet, *banned)
    first.terminate()
    assert first.wait(15) == 0
    fleet.start_worker("--unban-lag-s", "0")
    banned.append(MEANWHILE)
    send_bodies(fleet, report(MEANWHILE, 5))
    eventually(lambda: holds(fleet, *banned), "who starts anew knows all bans", 40, 0.6)
    assert fleet.ip_set_entries() == {f"{each}/32" for each in banned}


def test_a_repair_that_is_interrupted_leaves_the_ip_sets_as_they_are_until_another_one(
    fleet: Fleet, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    worker = fleet.start_worker("--unban-lag-s", "0", log=log)
    send_bodies(fleet, report(STANDING, 5))
    eventually(lambda: holds(fleet, STANDING), "the ban is in its IP set", 30, 0.6)
    before = epoch(fleet)
    repair = start_repair(fleet)
    eventually(lambda: epoch(fleet) != before, "a new log is begun", 30)
    repair.send_signal(signal.SIGINT)
    _, err = repair.communicate(timeout=30)
    assert repair.returncode == EXIT_INTERRUPTED
    assert "until f2b repair is run again, the IP sets stay as they are" in err
    assert "Traceback" not in err

    send_bodies(fleet, report(MEANWHILE, 5))
    eventually(lambda: "the ban log is being repaired" in log.read_text(), "the worker says so", 30)
    fleet.wait_until_judged()
    assert fleet.ip_set_entries() == {f"{STANDING}/32"}
    assert worker.poll() is None

    out, _ = start_repair(fleet).communicate(timeout=60)
    assert out.startswith("repaired: 2 bans of 2 states, epoch ")
    eventually(lambda: holds(fleet, STANDING, MEANWHILE), "the worker goes on", 40, 0.6)
