import json
import os
from collections.abc import Mapping
from typing import Any

import pytest

from f2b_producer._aws import region_of
from f2b_producer._infraction import read
from f2b_producer._pack import MAX_BODY_BYTES, Pack, encode
from f2b_producer._sender import (
    BATCH_MAX_BYTES,
    ROUND_MAX_ATTEMPTS,
    ROUND_MAX_S,
    Outcome,
    Sender,
    backoff_s,
    batches,
    deliver,
    jitter,
)
from f2b_producer.testing import RecordingClient
from tests.queue_urls import QUEUE_URLS


class Round:
    """One round of attempts on a clock that only waits move."""

    def __init__(self, client: Any) -> None:
        self.sender = Sender("memory:", client)
        self.outcomes: list[Outcome] = []
        self.waits_s: list[float] = []
        self.now_s = 0.0
        self.go_on = True

    def run(self, packs: list[Pack]) -> list[Pack]:
        return deliver(
            self.sender.send, packs, settle=self.outcomes.append, wait=self.wait, clock=lambda: self.now_s
        )

    def wait(self, delay_s: float) -> bool:
        self.waits_s.append(delay_s)
        self.now_s += delay_s
        return self.go_on


def packs(n: int) -> list[Pack]:
    return [encode([read(f"203.0.113.{i}", "login", 1_763_833_500, None)])[0] for i in range(n)]


def times_out_once() -> RecordingClient:
    client = RecordingClient()
    seen: set[str] = set()

    def fail(entry: Mapping[str, str]) -> dict[str, object] | None:
        if entry["MessageBody"] in seen or "203.0.113.1" not in entry["MessageBody"]:
            return None
        seen.add(entry["MessageBody"])
        return {"Code": "InternalError"}

    client.fail = fail
    return client


def test_only_the_failed_entries_are_sent_again_and_with_the_same_bodies() -> None:
    client = times_out_once()
    three = packs(3)
    assert Round(client).run(three) == []
    assert [[entry["MessageBody"] for entry in call] for call in client.calls] == [
        [pack.body for pack in three],
        [three[1].body],
    ]
    assert sorted(client.bodies) == sorted(pack.body for pack in three)


def test_a_call_that_raises_is_tried_again_with_the_same_ids() -> None:
    client = RecordingClient()
    client.down = TimeoutError("no answer")
    trial = Round(client)
    two = packs(2)
    assert trial.run(two) == two
    assert {json.loads(entry["MessageBody"])["id"] for call in client.calls for entry in call} == {
        pack.id for pack in two
    }


def test_a_round_is_bounded_by_attempts() -> None:
    client = RecordingClient()
    client.down = TimeoutError("no answer")
    trial = Round(client)
    trial.run(packs(1))
    assert len(client.calls) == ROUND_MAX_ATTEMPTS
    assert len(trial.waits_s) == ROUND_MAX_ATTEMPTS - 1


def test_a_round_is_bounded_by_time() -> None:
    assert backoff_s(1, ROUND_MAX_S, 0.5) is None
    assert backoff_s(ROUND_MAX_ATTEMPTS, 0, 0.5) is None


@pytest.mark.parametrize(("chance", "waits_s"), [(0, [0.05, 0.1, 0.2]), (1, [0.1, 0.2, 0.4])])
def test_waits_double_and_are_jittered(chance: float, waits_s: list[float]) -> None:
    assert [backoff_s(attempt, 0, chance) for attempt in (1, 2, 3)] == waits_s


def test_jitter_is_a_share() -> None:
    assert all(0 <= jitter() <= 1 for _ in range(100))


def test_a_stop_ends_the_round_and_keeps_the_packs() -> None:
    client = RecordingClient()
    client.down = TimeoutError("no answer")
    trial = Round(client)
    trial.go_on = False
    two = packs(2)
    assert trial.run(two) == two
    assert len(client.calls) == 1


def test_an_absent_queue_is_asked_once_for_each_attempt_not_once_for_each_batch() -> None:
    client = RecordingClient()
    client.down = TimeoutError("no answer")
    many = packs(35)
    assert Round(client).run(many) == many
    assert len(client.calls) == ROUND_MAX_ATTEMPTS


def test_what_the_queue_calls_malformed_is_not_sent_again() -> None:
    client = RecordingClient()
    client.fail = lambda _: {"Code": "InvalidMessageContents", "Message": "no\ngood", "SenderFault": True}
    trial = Round(client)
    [pack] = packs(1)
    assert trial.run([pack]) == []
    assert trial.outcomes == [Outcome([], [], [pack], "InvalidMessageContents: no good")]


@pytest.mark.parametrize("code", ["RequestThrottled", "KmsThrottled", "KMS.DisabledException", "AccessDenied"])
def test_faults_of_the_sender_that_pass_are_sent_again(code: str) -> None:
    client = RecordingClient()
    client.fail = lambda _: {"Code": code, "SenderFault": True}
    [pack] = packs(1)
    assert Round(client).run([pack]) == [pack]


@pytest.mark.parametrize("answer", [None, {}, [], {"Successful": None}, {"Failed": [{}]}, "ok"])
def test_an_answer_that_confirms_nothing_counts_as_a_failure(answer: object) -> None:
    class Vague:
        def send_message_batch(self, **_: Any) -> Any:
            return answer

    [pack] = packs(1)
    outcome = Sender("memory:", Vague()).send([pack])
    assert outcome.failed == [pack]
    assert outcome.error


def test_batches_keep_order_and_the_limits_of_the_queue() -> None:
    large = [Pack(f"{i}", "x" * MAX_BODY_BYTES, 1) for i in range(5)]
    small = [Pack(f"s{i}", "x", 1) for i in range(25)]
    made = list(batches(large + small))
    assert [pack for batch in made for pack in batch] == large + small
    assert all(len(batch) <= 10 for batch in made)
    assert all(sum(len(pack.body) for pack in batch) <= BATCH_MAX_BYTES for batch in made)
    assert [len(batch) for batch in made] == [4, 10, 10, 6]


@pytest.mark.parametrize(
    ("queue_url", "region"),
    [
        *QUEUE_URLS.items(),
        ("memory:", None),
    ],
)
def test_the_region_comes_from_the_queue_url(queue_url: str, region: str | None) -> None:
    assert region_of(queue_url) == region


@pytest.mark.parametrize(
    "queue_url", ["f2b", "arn:aws:sqs:eu-west-1:123456789012:f2b", "http://queue.internal/1/f2b"]
)
def test_a_queue_url_that_names_no_region_is_named_with_what_to_give(
    monkeypatch: pytest.MonkeyPatch, queue_url: str
) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    told = Sender(queue_url, None).send(packs(1)).error
    assert told is not None
    assert f"queue_url '{queue_url}' names no region: give the queue's whole URL, https://sqs.REGION" in told


def test_the_client_made_here_is_bounded_and_uses_the_standard_endpoint_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from f2b_producer._aws import connect  # noqa: PLC0415

    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", "http://localhost:1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client: Any = connect("https://sqs.eu-west-1.amazonaws.com/123456789012/f2b")
    assert client.meta.region_name == "eu-west-1"
    assert client.meta.endpoint_url == "http://localhost:1"
    config = client.meta.config
    assert (config.connect_timeout, config.read_timeout, config.max_pool_connections) == (2, 5, 1)
    assert config.retries == {"mode": "standard", "total_max_attempts": 2}
