"""What is bad or costly in the queue keeps no good infraction waiting."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from demo.fleet import NAME, Fleet, eventually
from tests.acceptance.attacks import report, send_bodies

if TYPE_CHECKING:
    from pathlib import Path

    from localstack.local_aws import LocalAws

ATTACKER = "203.0.113.9"
DEAD = f"{NAME}-dead"


def send_one_by_one(fleet: Fleet, bodies: list[str]) -> None:
    """Send without SendMessageBatch, which is how letters are buried."""
    for body in bodies:
        fleet.sqs.send_message(QueueUrl=fleet.queue_url, MessageBody=body)


def is_banned(fleet: Fleet) -> bool:
    return f"{ATTACKER}/32" in fleet.ip_set_entries()


def test_dead_letters_never_go_before_good_infractions(fleet: Fleet, aws_in_process: LocalAws) -> None:
    bad = 3_000
    send_bodies(fleet, [f"garbage {number}" for number in range(bad)])
    aws_in_process.edge.fault("sqs:SendMessageBatch", "delay", delay_s=0.5)
    fleet.start_worker()
    eventually(lambda: fleet.queued(DEAD) > 0, "the first letters are buried", 30)

    send_one_by_one(fleet, report(ATTACKER, 5))

    eventually(lambda: is_banned(fleet), "the address is banned", 30)
    assert fleet.queued(DEAD) < bad
    aws_in_process.edge.clear_faults()
    eventually(lambda: fleet.queued(DEAD) == bad, "all letters are buried", 60)
    fleet.wait_until_judged()


def test_a_dead_letter_queue_that_refuses_holds_up_nobody_and_gets_its_letter_later(
    fleet: Fleet, aws_in_process: LocalAws
) -> None:
    aws_in_process.edge.fault("sqs:SendMessageBatch", "throttle", code="AccessDenied")
    fleet.start_worker()
    send_one_by_one(fleet, ["garbage"])
    eventually(lambda: bool(aws_in_process.edge.refused().get("sqs:SendMessageBatch")), "it is refused", 30)

    send_one_by_one(fleet, report(ATTACKER, 5))

    eventually(lambda: is_banned(fleet), "the address is banned", 30)
    assert fleet.queued(DEAD) == 0
    aws_in_process.edge.clear_faults()
    eventually(lambda: fleet.queued(DEAD) == 1, "the letter is buried", 30)


def test_deletions_that_are_refused_hold_up_nobody(fleet: Fleet, aws_in_process: LocalAws) -> None:
    aws_in_process.edge.fault("sqs:DeleteMessageBatch", "throttle", code="AccessDenied")
    fleet.start_worker()
    send_bodies(fleet, report("203.0.113.8", 1))
    eventually(lambda: bool(aws_in_process.edge.refused().get("sqs:DeleteMessageBatch")), "it is refused", 30)

    send_bodies(fleet, report(ATTACKER, 5))

    eventually(lambda: is_banned(fleet), "the address is banned", 30)
    assert fleet.queued() > 0
    aws_in_process.edge.clear_faults()
    fleet.wait_until_judged()


def test_a_message_with_thousands_of_offenders_waits_behind_honest_ones(fleet: Fleet, tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    many = [f"2001:db8:0:{number:x}::1" for number in range(10_000)]
    send_bodies(fleet, [json.dumps({"v": 1, "id": "bulky", "t0_ms": 0, "dt_ms": [0] * len(many), "ip": many})])
    fleet.start_worker("--offenders-per-s", "500", "--max-age", "0", log=log)
    eventually(lambda: "offenders_over_budget" in log.read_text(), "the budget is spent", 30)

    send_bodies(fleet, report(ATTACKER, 5))

    eventually(lambda: is_banned(fleet), "the address is banned", 30)
    eventually(lambda: fleet.queued() == 1, "only the costly message is left", 10)
