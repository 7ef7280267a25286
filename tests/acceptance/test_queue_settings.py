"""A queue that is set badly is named with the command that mends it, and buries no good message."""

from __future__ import annotations

import json
import shlex
import signal
from typing import TYPE_CHECKING, Any

import pytest

from demo.fleet import Fleet, eventually, free_port, get
from tests.acceptance.attacks import report, send_bodies
from tests.log_lines import logged

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

pytestmark = pytest.mark.localstack


def redrive_after(fleet: Fleet, receives: int) -> dict[str, str]:
    found = fleet.sqs.get_queue_attributes(QueueUrl=fleet.queue_url, AttributeNames=["RedrivePolicy"])
    policy = json.loads(found["Attributes"]["RedrivePolicy"]) | {"maxReceiveCount": receives}
    return {"RedrivePolicy": json.dumps(policy)}


def set_queue(fleet: Fleet, attributes: dict[str, Any]) -> None:
    fleet.sqs.set_queue_attributes(QueueUrl=fleet.queue_url, Attributes=attributes)


def ready(port: int) -> str:
    status, text = get(f"http://127.0.0.1:{port}/readyz")
    return text if status == 200 else ""


@pytest.mark.parametrize(
    ("attributes", "told"),
    [
        ({"VisibilityTimeout": "0"}, "hides a received message for 0 s only"),
        ({"VisibilityTimeout": "10"}, "hides a received message for 10 s only"),
        ({"VisibilityTimeout": "43200"}, "hides a received message for 43200 s: so late"),
        ({"MessageRetentionPeriod": "60"}, "keeps a message for 60 s only"),
        ({"DelaySeconds": "30"}, "holds back each message for 30 s"),
        ("redrive 1", "gives a message up after 1 receives"),
        ("redrive 2", "gives a message up after 2 receives"),
    ],
)
def test_a_queue_that_is_set_badly_is_named_with_the_command_that_mends_it(
    fleet: Fleet, tmp_path: Path, attributes: dict[str, str] | str, told: str
) -> None:
    if isinstance(attributes, str):
        attributes = redrive_after(fleet, int(attributes.split()[1]))
    set_queue(fleet, attributes)
    log, port = tmp_path / "log", free_port()
    fleet.start_worker("--metrics-port", str(port), log=log)
    eventually(lambda: ready(port).startswith("ok, but"), "the probe names it", 30)
    text = ready(port).strip()
    assert told in text

    command = shlex.split(text.partition("mend it with: ")[2])
    assert command[:3] == ["aws", "sqs", "set-queue-attributes"]
    given = dict(zip(command[3::2], command[4::2], strict=True))
    assert given["--queue-url"] == fleet.queue_url
    set_queue(fleet, json.loads(given["--attributes"]))
    fleet.stop()
    assert len(logged(log, "queue_is_set_badly")) == 1
    fleet.start_worker("--metrics-port", str(port))
    eventually(lambda: ready(port).strip() == "ok", "the command mended it", 30)


def test_a_queue_that_hides_nothing_has_each_message_judged_once_and_buries_none(
    fleet: Fleet, tmp_path: Path
) -> None:
    set_queue(fleet, {"VisibilityTimeout": "0"})
    worker = fleet.start_worker(log=tmp_path / "log")
    send_bodies(fleet, report("203.0.113.9", 30))
    eventually(lambda: "203.0.113.9/32" in fleet.ip_set_entries(), "the address is banned", 30)
    fleet.wait_until_judged(30)
    assert fleet.dead_letters() == []
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(15) == 0


def test_a_queue_that_is_set_well_is_ready_without_a_word(fleet: Fleet, tmp_path: Path) -> None:
    log, port = tmp_path / "log", free_port()
    fleet.start_worker("--metrics-port", str(port), log=log)
    eventually(lambda: ready(port).strip() == "ok", "it is ready", 30)
    fleet.stop()
    assert "queue_is_set" not in log.read_text()


def test_a_pool_tells_it_of_its_workers_too(fleet: Fleet) -> None:
    set_queue(fleet, redrive_after(fleet, 1))
    port = free_port()
    fleet.start_worker("--processes", "2", "--metrics-port", str(port))
    eventually(lambda: "after 1 receives" in ready(port), "the pool's probe names it", 30)


def test_a_queue_that_lost_its_redrive_is_refused_at_start_with_the_command(fleet: Fleet, tmp_path: Path) -> None:
    set_queue(fleet, {"RedrivePolicy": ""})
    log = tmp_path / "log"
    worker: subprocess.Popen[bytes] = fleet.start_worker(log=log)
    eventually(lambda: worker.poll() is not None or "waiting_for_what_is_new" in log.read_text(), "it says so", 30)
    assert "has no dead-letter queue" in log.read_text()
