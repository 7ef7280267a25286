"""A stop of what serves HTTP while clients report, and what is stored of their reports."""

from __future__ import annotations

import json
import signal
import sqlite3
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING

from demo.fleet import eventually
from f2b_producer.testing import unpack

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from demo.fleet import Fleet
    from tests.acceptance.kept_clients import KeptClients, Seen

CLIENTS = 64
ENDS_WITHIN_S = 10.0
DRAIN_S = 2.0


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
