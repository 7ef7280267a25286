"""What an inbox promises to the intake: in memory, on SQS and in a state file alike."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import boto3
import pytest
from botocore.config import Config
from botocore.stub import Stubber

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.sqlite.inbox import SqliteInbox, SqliteQueue
from f2b_worker.adapters.sqs.attributes import dead_letter_url_of, queue_url_of, visibility_s_of
from f2b_worker.adapters.sqs.inbox import OWN_VISIBILITY_S, SqsInbox
from f2b_worker.errors import Missing, Rejected, Retryable
from f2b_worker.ports import DeadLetter, Inbox, Message, QueueSettings
from f2b_worker.testing import MemoryInbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_sqs import SQSClient

    from f2b_worker.adapters.sqlite.state import StateFile
    from localstack.faults import FaultKind
    from localstack.local_aws import LocalAws

pytestmark = pytest.mark.localstack

LETTER = DeadLetter("[]", {"no_ip": 2, "bad_time": 1}, "the infraction has no ip", "message-1")


class Desk(Protocol):
    """An inbox, and both ends of it that only a test sees."""

    @property
    def inbox(self) -> Inbox: ...

    def put(self, *bodies: str) -> None: ...

    def buried(self) -> list[tuple[str, str, str, str]]:
        """Body, reason, detail and message id of each dead letter."""
        ...


@dataclass
class MemoryDesk:
    inbox: MemoryInbox

    def put(self, *bodies: str) -> None:
        for body in bodies:
            self.inbox.put(body, sent_at_ms=time.time_ns() // 1_000_000)

    def buried(self) -> list[tuple[str, str, str, str]]:
        return [(each.body, each.reason, each.detail, each.message_id) for each in self.inbox.dead]


@dataclass
class SqliteDesk:
    inbox: SqliteInbox
    state: StateFile

    def put(self, *bodies: str) -> None:
        queue = SqliteQueue(self.state.safe_writer, SystemClock(), self.inbox.announce, self.state.place)
        assert asyncio.run(queue.send(bodies, within_s=1)) == [None] * len(bodies)

    def buried(self) -> list[tuple[str, str, str, str]]:
        rows = self.state.reader().execute("SELECT body, reason, detail, message_id FROM dead_letters")
        return rows.fetchall()


@dataclass
class SqsDesk:
    inbox: SqsInbox
    client: SQSClient
    queue_url: str
    dead_letter_url: str

    def put(self, *bodies: str) -> None:
        for body in bodies:
            self.client.send_message(QueueUrl=self.queue_url, MessageBody=body)

    def buried(self) -> list[tuple[str, str, str, str]]:
        answer = self.client.receive_message(
            QueueUrl=self.dead_letter_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], WaitTimeSeconds=1
        )
        names = ("f2b.reason", "f2b.detail", "f2b.message_id")
        return [
            (each["Body"], *(each["MessageAttributes"][name]["StringValue"] for name in names))  # type: ignore[misc]
            for each in answer["Messages"]
        ]


@pytest.fixture(scope="module")
def session() -> boto3.Session:
    """Reads the service's model once for all clients of these tests."""
    return boto3.Session("000000000001", "local", region_name="us-east-1")


@pytest.fixture
def sqs(aws_in_process: LocalAws, session: boto3.Session, account: str) -> Iterator[SQSClient]:
    """A client that tries once."""
    client = session.client(
        "sqs",
        endpoint_url=aws_in_process.endpoint_url,
        aws_access_key_id=account,
        aws_secret_access_key="local",
        config=Config(retries={"total_max_attempts": 1}, read_timeout=30),
    )
    yield client
    client.close()


@pytest.fixture
def sqs_desk(sqs: SQSClient) -> SqsDesk:
    dead_url = sqs.create_queue(QueueName="f2b-dead")["QueueUrl"]
    answer = sqs.get_queue_attributes(QueueUrl=dead_url, AttributeNames=["QueueArn"])
    policy = {"deadLetterTargetArn": answer["Attributes"]["QueueArn"], "maxReceiveCount": 20}
    redrive = json.dumps(policy)
    url = sqs.create_queue(QueueName="f2b", Attributes={"VisibilityTimeout": "60", "RedrivePolicy": redrive})[
        "QueueUrl"
    ]
    inbox = SqsInbox(sqs, queue_url=url, dead_letter_url=dead_url, visibility_s=visibility_s_of(sqs, url))
    return SqsDesk(inbox, sqs, url, dead_url)


@pytest.fixture(params=["memory", "sqs", "sqlite"])
def desk(request: pytest.FixtureRequest) -> Desk:
    if request.param == "memory":
        return MemoryDesk(MemoryInbox())
    if request.param == "sqlite":
        state: StateFile = request.getfixturevalue("state")
        return SqliteDesk(SqliteInbox(state, SystemClock()), state)
    opened: SqsDesk = request.getfixturevalue("sqs_desk")
    return opened


def receive(inbox: Inbox, number: int) -> list[Message]:
    """Receive until *number* messages came; SQS often answers fewer than it has."""
    received: list[Message] = []
    for _ in range(number + 5):
        if len(received) < number:
            received += inbox.receive(wait_s=1)
    assert len(received) == number
    return received


def test_an_empty_queue_answers_nothing(desk: Desk) -> None:
    assert desk.inbox.receive(wait_s=0) == []


def test_a_message_comes_as_it_was_sent(desk: Desk) -> None:
    before_ms = time.time() * 1000
    desk.put('{"ip": "203.0.113.7", "note": "Zoë ✓"}')
    (message,) = receive(desk.inbox, 1)
    assert message.body == '{"ip": "203.0.113.7", "note": "Zoë ✓"}'
    assert before_ms - 2000 <= message.sent_at_ms <= time.time() * 1000 + 2000


def test_one_receive_brings_ten_at_most(desk: Desk) -> None:
    desk.put(*(f"body {number}" for number in range(13)))
    received: list[Message] = []
    while len(received) < 13:
        batch = desk.inbox.receive(wait_s=1)
        assert 1 <= len(batch) <= 10
        received += batch
    assert {message.body for message in received} == {f"body {number}" for number in range(13)}
    assert len({message.id for message in received}) == 13


def test_what_one_worker_has_received_no_other_receives(desk: Desk) -> None:
    desk.put("one")
    receive(desk.inbox, 1)
    assert desk.inbox.receive(wait_s=0) == []


def test_more_than_ten_are_deleted_for_good_and_twice_is_no_error(desk: Desk) -> None:
    desk.put(*(f"body {number}" for number in range(12)))
    messages = receive(desk.inbox, 12)
    desk.inbox.delete(messages)
    desk.inbox.delete(messages)
    desk.inbox.release(messages)
    assert desk.inbox.receive(wait_s=0) == []


def test_what_is_kept_stays_hidden(desk: Desk) -> None:
    desk.put(*(f"body {number}" for number in range(12)))
    messages = receive(desk.inbox, 12)
    desk.inbox.keep(messages)
    assert desk.inbox.visibility_s == 60
    assert desk.inbox.receive(wait_s=0) == []


def test_what_is_kept_stays_hidden_for_longer_than_it_would_have(sqs_desk: SqsDesk) -> None:
    sqs_desk.client.set_queue_attributes(QueueUrl=sqs_desk.queue_url, Attributes={"VisibilityTimeout": "1"})
    sqs_desk.put("kept", "not kept")
    received = {message.body: message for message in receive(sqs_desk.inbox, 2)}
    sqs_desk.inbox.keep([received["kept"]])
    again = receive(sqs_desk.inbox, 1)
    assert [message.body for message in again] == ["not kept"]
    assert "kept" not in [message.body for message in sqs_desk.inbox.receive(wait_s=2)]


def test_a_queue_that_hides_nothing_is_received_from_as_one_that_does(sqs: SQSClient, sqs_desk: SqsDesk) -> None:
    sqs.set_queue_attributes(QueueUrl=sqs_desk.queue_url, Attributes={"VisibilityTimeout": "0"})
    assert isinstance(sqs_desk.inbox, SqsInbox)
    assert sqs_desk.inbox.look().visibility_s == 0
    assert sqs_desk.inbox.visibility_s == OWN_VISIBILITY_S
    sqs_desk.put("a", "b")
    messages = receive(sqs_desk.inbox, 2)
    sqs_desk.inbox.keep(messages)
    assert sqs_desk.inbox.receive(wait_s=1) == []


def test_a_look_at_the_queue_is_gone_by_from_then_on(sqs: SQSClient, sqs_desk: SqsDesk) -> None:
    other = sqs.create_queue(QueueName="other-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=other, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    changed: dict[Any, str] = {
        "VisibilityTimeout": "45",
        "RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "3"}),
        "MessageRetentionPeriod": "3600",
        "DelaySeconds": "7",
    }
    sqs.set_queue_attributes(QueueUrl=sqs_desk.queue_url, Attributes=changed)
    assert isinstance(sqs_desk.inbox, SqsInbox)
    assert sqs_desk.inbox.look() == QueueSettings(sqs_desk.queue_url, 45, arn, 3, 3600, 7)
    assert sqs_desk.inbox.visibility_s == 45
    assert sqs_desk.inbox.bury([DeadLetter("x", {"not_json": 1}, "d", "1")]) == [None]
    assert len(sqs.receive_message(QueueUrl=other, WaitTimeSeconds=1)["Messages"]) == 1


def test_nothing_is_deleted_or_released_or_kept_without_complaint(desk: Desk) -> None:
    desk.inbox.delete([])
    desk.inbox.keep([])
    desk.inbox.release([])


def test_what_is_released_comes_at_once_with_the_same_id(desk: Desk) -> None:
    desk.put(*(f"body {number}" for number in range(12)))
    first = receive(desk.inbox, 12)
    desk.inbox.release(first)
    again = receive(desk.inbox, 12)
    assert {(each.id, each.body, each.sent_at_ms) for each in again} == {
        (each.id, each.body, each.sent_at_ms) for each in first
    }


def test_a_redelivered_message_is_deleted_by_its_newest_receipt(desk: Desk) -> None:
    desk.put("one")
    desk.inbox.release(receive(desk.inbox, 1))
    desk.inbox.delete(receive(desk.inbox, 1))
    assert desk.inbox.receive(wait_s=0) == []


def test_a_dead_letter_carries_its_body_and_why(desk: Desk) -> None:
    assert list(desk.inbox.bury([LETTER])) == [None]
    assert desk.buried() == [("[]", "no_ip bad_time", "the infraction has no ip", "message-1")]


def test_burying_leaves_the_message_where_it_is(desk: Desk) -> None:
    desk.put("garbage")
    (message,) = receive(desk.inbox, 1)
    desk.inbox.bury([DeadLetter(message.body, {"not_json": 1}, "not JSON", message.id)])
    desk.inbox.release([message])
    assert receive(desk.inbox, 1)[0].id == message.id


class TestSqs:
    @pytest.mark.parametrize("detail", ["", "a\x00b\x1f\ud800 Zoë", "long " * 200])
    def test_a_detail_that_sqs_would_refuse_is_buried_all_the_same(self, sqs_desk: SqsDesk, detail: str) -> None:
        sqs_desk.inbox.bury([DeadLetter("[]", {"no_ip": 1}, detail, "message-1")])
        ((_, reason, shown, _),) = sqs_desk.buried()
        assert reason == "no_ip"
        assert 1 <= len(shown) <= 256

    @pytest.mark.parametrize("kind", ["throttle", "error", "reset_before"])
    def test_every_failure_is_worth_another_try(
        self, sqs_desk: SqsDesk, aws_in_process: LocalAws, kind: FaultKind
    ) -> None:
        sqs_desk.put("one")
        messages = receive(sqs_desk.inbox, 1)
        aws_in_process.edge.fault("sqs:*", kind, times=4)
        with pytest.raises(Retryable):
            sqs_desk.inbox.receive(wait_s=0)
        with pytest.raises(Retryable):
            sqs_desk.inbox.delete(messages)
        with pytest.raises(Retryable):
            sqs_desk.inbox.release(messages)
        (failure,) = sqs_desk.inbox.bury([LETTER])
        assert isinstance(failure, Retryable)

    def test_a_receipt_that_sqs_no_longer_takes_is_left_alone_since_its_message_comes_again(
        self, sqs_desk: SqsDesk
    ) -> None:
        sqs_desk.put("one")
        (message,) = receive(sqs_desk.inbox, 1)
        sqs_desk.inbox.delete([Message("id", "no receipt of this queue", "", 0), message])
        assert sqs_desk.inbox.receive(wait_s=1) == []

    def test_a_message_that_sqs_failed_to_delete_is_an_error(self, sqs: SQSClient) -> None:
        failed = [{"Id": "0", "Code": "InternalError", "SenderFault": False}]
        with Stubber(sqs) as stubber:
            stubber.add_response("delete_message_batch", {"Successful": [], "Failed": failed})
            with pytest.raises(Retryable, match="1 failed"):
                SqsInbox(sqs, queue_url="q", dead_letter_url="d", visibility_s=60).delete(
                    [Message("id", "receipt", "", 0)]
                )

    def test_a_queue_is_found_by_name_and_by_url(self, sqs: SQSClient, sqs_desk: SqsDesk) -> None:
        assert queue_url_of(sqs, "f2b") == sqs_desk.queue_url
        assert queue_url_of(sqs, sqs_desk.queue_url) == sqs_desk.queue_url
        assert dead_letter_url_of(sqs, sqs_desk.queue_url) == sqs_desk.dead_letter_url

    def test_a_queue_that_is_not_there_is_missing(self, sqs: SQSClient, sqs_desk: SqsDesk) -> None:
        for name in ("another", f"{sqs_desk.queue_url}-another"):
            with pytest.raises(Missing, match="another"):
                queue_url_of(sqs, name)

    def test_a_dead_letter_queue_that_is_fifo_is_refused(self, sqs: SQSClient, sqs_desk: SqsDesk) -> None:
        dead = sqs.create_queue(QueueName="dead.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 20})
        sqs.set_queue_attributes(QueueUrl=sqs_desk.queue_url, Attributes={"RedrivePolicy": policy})
        with pytest.raises(Rejected, match=r"its dead-letter queue dead\.fifo is a FIFO queue"):
            dead_letter_url_of(sqs, sqs_desk.queue_url)

    def test_a_queue_without_a_dead_letter_queue_misses_it(self, sqs: SQSClient, sqs_desk: SqsDesk) -> None:
        with pytest.raises(Missing, match="f2b-dead has no dead-letter queue"):
            dead_letter_url_of(sqs, sqs_desk.dead_letter_url)
        sqs.delete_queue(QueueUrl=sqs_desk.dead_letter_url)
        with pytest.raises(Missing, match="dead-letter queue f2b-dead"):
            dead_letter_url_of(sqs, sqs_desk.queue_url)
