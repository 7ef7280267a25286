"""Answers of SQS with missing or odd attributes: a message counts as of now or waits, and none ends a worker."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from demo.fleet import Fleet, eventually
from tests.acceptance.attacks import now_ms, report, send_bodies
from tests.acceptance.odd_sqs import OddSqs, odd_sqs
from tests.log_lines import logged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from localstack.local_aws import LocalAws

IP = "203.0.113.9"


@pytest.fixture
def odd(fleet: Fleet, local_aws: LocalAws) -> Iterator[OddSqs]:
    """The SQS that the fleet's workers call."""
    with odd_sqs(local_aws.endpoint_url) as odd:
        fleet.environment["AWS_ENDPOINT_URL_SQS"] = odd.url
        yield odd
        fleet.stop()


def is_banned(fleet: Fleet, ip: str = IP) -> bool:
    return f"{ip}/32" in fleet.ip_set_entries()


STAMPS: dict[str, Callable[[float], Any]] = {
    "198.51.100.1": lambda _now_s: "0",
    "198.51.100.2": lambda now_s: str(int(now_s)),
    "198.51.100.3": lambda now_s: f"{now_s * 1000:.3f}",
    "198.51.100.4": lambda now_s: int(now_s * 1000),
    "198.51.100.5": lambda now_s: now_s * 1000 + 0.25,
    "198.51.100.6": lambda _now_s: "yesterday",
    "198.51.100.7": lambda _now_s: "",
    "198.51.100.8": lambda _now_s: None,
    "198.51.100.9": lambda _now_s: [],
    "198.51.100.10": lambda _now_s: float("inf"),
    "198.51.100.11": lambda _now_s: "nan",
    "198.51.100.12": lambda _now_s: "9" * 5000,
    "198.51.100.13": lambda _now_s: "-5",
    "198.51.100.14": lambda now_s: str(int(now_s * 1000) + 3_600_000),
    "198.51.100.15": lambda now_s: str(int(now_s * 1_000_000)),
}
"""What the messages about an address bear as `SentTimestamp`."""


def test_messages_with_odd_sent_timestamps_count_as_of_now(fleet: Fleet, odd: OddSqs) -> None:
    def stamp(message: dict[str, Any]) -> None:
        ip = json.loads(message["Body"])["ip"]
        message["Attributes"]["SentTimestamp"] = STAMPS[ip](time.time())

    odd.messages = stamp
    worker = fleet.start_worker()
    began_ms = now_ms()
    send_bodies(fleet, [body for ip in STAMPS for body in report(ip, 3)])
    eventually(lambda: all(is_banned(fleet, ip) for ip in STAMPS), "all are banned", 40, 0.5)
    assert {ban.key for ban in fleet.bans() if not began_ms - 5_000 <= ban.start_ms <= now_ms()} == set()
    assert fleet.dead_letters() == []
    assert worker.poll() is None


@pytest.mark.parametrize("attributes", ["none", "null", "empty"])
def test_a_message_without_attributes_counts_as_of_now(fleet: Fleet, odd: OddSqs, attributes: str) -> None:
    def change(message: dict[str, Any]) -> None:
        del message["Attributes"]
        if attributes != "none":
            message["Attributes"] = {"null": None, "empty": {}}[attributes]

    odd.messages = change
    worker = fleet.start_worker()
    send_bodies(fleet, report(IP, 3))
    eventually(lambda: is_banned(fleet), "the address is banned", 30)
    assert fleet.dead_letters() == []
    assert worker.poll() is None


def test_a_body_that_does_not_match_its_md5_waits_and_is_judged_when_it_comes_whole(
    fleet: Fleet, odd: OddSqs, tmp_path: Path
) -> None:
    def damage(message: dict[str, Any]) -> None:
        message["Body"] = message["Body"].replace("198.51.100.1", "198.51.100.2")

    fleet.set_visibility_timeout(5)
    odd.messages = damage
    log = tmp_path / "log"
    worker = fleet.start_worker(log=log)
    send_bodies(fleet, report("198.51.100.1", 3) + report(IP, 3))
    eventually(lambda: is_banned(fleet), "whoever is beside them is banned", 30)
    eventually(lambda: "does not match its MD5" in log.read_text(), "the log says why they wait", 10)
    assert not is_banned(fleet, "198.51.100.2")
    assert fleet.dead_letters() == []

    odd.messages = lambda _message: None
    eventually(lambda: is_banned(fleet, "198.51.100.1"), "what came whole is judged", 30)
    fleet.wait_until_judged(30)
    assert [ban.key for ban in fleet.bans() if ban.key.startswith("198.51.100.2")] == []
    assert worker.poll() is None


@pytest.mark.parametrize("missing", ["MessageId", "ReceiptHandle"])
def test_a_message_without_what_names_it_holds_up_no_other(fleet: Fleet, odd: OddSqs, missing: str) -> None:
    odd.messages = lambda message: "198.51.100.1" in message["Body"] and message.pop(missing)
    worker = fleet.start_worker()
    send_bodies(fleet, report("198.51.100.1", 3) + report(IP, 3))
    eventually(lambda: is_banned(fleet), "the others are judged", 30)
    assert not is_banned(fleet, "198.51.100.1")
    assert fleet.dead_letters() == []
    assert worker.poll() is None


@pytest.mark.parametrize("poll_s", ["0", "5"])
def test_a_queue_that_is_empty_at_once_is_asked_a_few_times_a_second_and_what_comes_is_found_soon(
    fleet: Fleet, odd: OddSqs, poll_s: str
) -> None:
    odd.asked = lambda question: question.update(WaitTimeSeconds=0)
    fleet.start_worker("--poll-s", poll_s)
    eventually(lambda: odd.actions["ReceiveMessage"] >= 5, "it receives", 30)
    before, began_s = odd.actions["ReceiveMessage"], time.monotonic()
    time.sleep(4)
    per_s = (odd.actions["ReceiveMessage"] - before) / (time.monotonic() - began_s)
    assert per_s < 4
    send_bodies(fleet, report(IP, 3))
    eventually(lambda: is_banned(fleet), "the address is banned", 10)


@pytest.mark.parametrize("off_s", [-1200, 1200])
def test_a_clock_that_is_many_minutes_off_is_told_and_what_sqs_stamped_is_never_in_the_future(
    fleet: Fleet, odd: OddSqs, tmp_path: Path, off_s: int
) -> None:
    log = tmp_path / "log"
    program = (sys.executable, str(Path(__file__).with_name("shifted_clock.py")), str(off_s))
    odd.hidden = {"x-amzn-requestid"}  # SQS's answers do not set the clock right; DynamoDB's do
    fleet.start_worker(log=log, program=program)
    send_bodies(fleet, report(IP, 3))
    eventually(lambda: is_banned(fleet), "the address is banned", 30)
    assert fleet.dead_letters() == []
    fleet.stop()
    [line] = logged(log, "clock_is_off")
    assert "behind_aws_s" in line
