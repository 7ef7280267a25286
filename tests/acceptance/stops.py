"""A stop of what serves HTTP while clients report, and what is stored of their reports."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING

from demo.fleet import eventually
from f2b_producer.testing import unpack
from tests.acceptance.processes import children_of, of_process

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from demo.fleet import Fleet
    from tests.acceptance.kept_clients import KeptClients, Seen

CLIENTS = 64
ENDS_WITHIN_S = 10.0
DRAIN_S = 2.0


def start_all(fleet: Fleet, workers: str, *options: str, log: Path) -> subprocess.Popen[bytes]:
    """Start a shim, and wait until each of its processes hears of a stop: before, one would kill it."""
    fleet.start_shim("--workers", workers, *options, log=log)
    assert fleet.shim is not None
    children = children_of(fleet.shim.pid)
    eventually(lambda: all(map(hears_of_a_stop, children)), "all have begun", 60)
    return fleet.shim


def hears_of_a_stop(pid: int) -> bool:
    (mask,) = re.findall(rb"^SigBlk:\t([0-9a-f]+)$", of_process(pid, "status"), re.MULTILINE)
    return not int(mask, 16) & 1 << signal.SIGTERM - 1


def in_the_queue(fleet: Fleet) -> Counter[str]:
    """Count by address the infractions that SQS has."""
    found: Counter[str] = Counter()
    while True:
        answer = fleet.sqs.receive_message(QueueUrl=fleet.queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=0)
        messages = answer.get("Messages", [])
        if not messages:
            return found
        found.update(seen.ip for each in messages for seen in unpack(each["Body"]))


def judged(state: Path) -> Counter[str]:
    """Count by address the infractions that a state file remembers, once all that waits in it is judged."""
    with closing(sqlite3.connect(state)) as file:
        waiting = "SELECT count(*) FROM inbox"
        eventually(lambda: file.execute(waiting).fetchone() == (0,), "all is judged", 60)
        rows = file.execute("SELECT key, hits FROM offenders").fetchall()
        return Counter({key.removesuffix("/32"): len(json.loads(hits)) for key, hits in rows})


def stopped_under(clients: KeptClients, process: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> Seen:
    """Stop a process while clients report, and see what became of them."""
    with clients:
        eventually(lambda: clients.seen.begun == clients.number, "all of them report", 30)
        process.send_signal(number)
        code = process.wait(ENDS_WITHIN_S + DRAIN_S)
        seen = clients.wait()
    assert code == 0
    return seen
