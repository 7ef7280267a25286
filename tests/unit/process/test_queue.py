"""The queue's settings, as a running worker looks at them."""

from __future__ import annotations

import json
import shlex
import threading
from dataclasses import replace

import pytest
import structlog

from f2b_worker.errors import AccessDenied, Missing, Unavailable
from f2b_worker.ports import QueueSettings
from f2b_worker.process.queue import LOOK_EVERY_S, QueueWatch, remarks
from f2b_worker.testing import FakeClock

GOOD = QueueSettings(
    url="https://sqs.eu-west-1.amazonaws.com/123456789012/f2b",
    visibility_s=60,
    dead_letters="arn:aws:sqs:eu-west-1:123456789012:f2b-dead",
    receives_max=20,
    retention_s=1_209_600,
    delay_s=0,
)
PROVISION = "f2b provision --queue f2b --table f2b"


class Looks:
    """Answers of SQS one after the other; the last ends the watch."""

    def __init__(self, *answers: QueueSettings | Exception) -> None:
        self.answers = list(answers)
        self.stop = threading.Event()

    def look(self) -> QueueSettings:
        answer = self.answers.pop(0)
        if not self.answers:
            self.stop.set()
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_a_queue_as_provision_makes_it_or_as_sqs_has_it_by_default_is_not_remarked_on() -> None:
    assert list(remarks(GOOD, PROVISION)) == []
    assert list(remarks(replace(GOOD, visibility_s=30, receives_max=5, retention_s=345_600), PROVISION)) == []


@pytest.mark.parametrize(
    ("changed", "mended"),
    [
        ({"visibility_s": 0}, {"VisibilityTimeout": "60"}),
        ({"visibility_s": 29}, {"VisibilityTimeout": "60"}),
        ({"visibility_s": 43_200}, {"VisibilityTimeout": "60"}),
        (
            {"receives_max": 1},
            {"RedrivePolicy": {"deadLetterTargetArn": GOOD.dead_letters, "maxReceiveCount": 20}},
        ),
        (
            {"receives_max": 4},
            {"RedrivePolicy": {"deadLetterTargetArn": GOOD.dead_letters, "maxReceiveCount": 20}},
        ),
        ({"retention_s": 60}, {"MessageRetentionPeriod": "1209600"}),
        ({"delay_s": 900}, {"DelaySeconds": "0"}),
    ],
)
def test_what_is_set_badly_is_named_with_a_command_that_a_shell_takes(
    changed: dict[str, int], mended: dict[str, object]
) -> None:
    [line] = remarks(replace(GOOD, **changed), PROVISION)  # type: ignore[arg-type]  # whole numbers only
    command = shlex.split(line.partition("mend it with: ")[2])
    assert command[:-1] == ["aws", "sqs", "set-queue-attributes", "--queue-url", GOOD.url, "--attributes"]
    given = json.loads(command[-1])
    if "RedrivePolicy" in given:
        given["RedrivePolicy"] = json.loads(given["RedrivePolicy"])
    assert given == mended


def test_a_queue_that_lost_its_redrive_policy_is_named_with_the_command_that_makes_one() -> None:
    [line] = remarks(replace(GOOD, dead_letters="", receives_max=0), PROVISION)
    assert line.endswith(f"has no dead-letter queue any more; give it one with: {PROVISION}")


def test_a_change_is_noticed_within_ten_minutes_and_logged_once() -> None:
    bad, clock = replace(GOOD, visibility_s=0), FakeClock()
    looks = Looks(GOOD, bad, bad, GOOD, GOOD)
    watch = QueueWatch(looks.look, PROVISION)
    began_s = clock.monotonic_s()
    with structlog.testing.capture_logs() as lines:
        watch.run(clock, looks.stop)
    assert [line["event"] for line in lines] == ["queue_is_set_badly", "queue_is_set_well_again"]
    assert clock.monotonic_s() - began_s == pytest.approx(6 * LOOK_EVERY_S, abs=LOOK_EVERY_S)
    assert watch.remark is None


def test_a_look_that_fails_for_the_moment_leaves_the_remark_and_one_that_is_refused_is_the_remark() -> None:
    watch = QueueWatch(
        Looks(replace(GOOD, delay_s=5), Unavailable("away"), AccessDenied("no"), GOOD).look, PROVISION
    )
    watch.look()
    first = watch.remark
    watch.look()
    assert watch.remark == first
    watch.look()
    assert watch.remark == "no"
    watch.look()
    assert watch.remark is None


def test_a_dead_letter_queue_that_is_gone_is_remarked_on_with_the_command() -> None:
    watch = QueueWatch(Looks(Missing("dead-letter queue x does not exist"), GOOD).look, PROVISION)
    watch.look()
    assert watch.remark == f"dead-letter queue x does not exist; make it with: {PROVISION}"
