"""What the local SQS promises: AWS's own behaviour where emulators differ, and worse on demand."""

import contextlib
import json
import threading
import time
from collections import Counter
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import HTTPClientError

from localstack.control import EdgeControl
from localstack.local_aws import LocalAws
from tests.integration.aws_calls import UUID, drain, receive, refused, send

pytest_plugins = ("tests.integration.strict_aws",)


class TestSqs:
    def test_a_message_is_received_with_its_attributes_and_deleted(self, sqs: Any, queue: str) -> None:
        kind = {"kind": {"DataType": "String", "StringValue": "b"}}
        sqs.send_message(QueueUrl=queue, MessageBody="a", MessageAttributes=kind)
        [message] = receive(sqs, queue, MessageAttributeNames=["All"])
        assert (message["Body"], message["MessageAttributes"]) == ("a", kind)
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        left = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
        assert left == dict.fromkeys(names, "0")

    def test_a_message_received_too_often_goes_to_the_dead_letter_queue(self, sqs: Any, queue: str) -> None:
        dead = sqs.create_queue(QueueName="f2b-dead")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2})
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedrivePolicy": policy})
        sqs.send_message(QueueUrl=queue, MessageBody="poison")
        received = [receive(sqs, queue, VisibilityTimeout=0) for _ in range(3)]
        assert [len(messages) for messages in received] == [1, 1, 0]
        assert [message["Body"] for message in receive(sqs, dead)] == ["poison"]

    def test_of_a_batch_a_message_that_is_to_come_too_late_is_refused_by_itself(
        self, sqs: Any, queue: str
    ) -> None:
        late = {"Id": "late", "MessageBody": "b", "DelaySeconds": 901}
        answer = sqs.send_message_batch(QueueUrl=queue, Entries=[{"Id": "a", "MessageBody": "a"}, late])
        assert [each["Id"] for each in answer["Successful"]] == ["a"]
        (failed,) = answer["Failed"]
        assert (failed["Id"], failed["Code"], failed["SenderFault"]) == ("late", "InvalidParameterValue", True)
        assert [each["Id"] for each in sqs.send_message_batch(QueueUrl=queue, Entries=[late])["Failed"]] == [
            "late"
        ]
        assert [each["Body"] for each in drain(sqs, queue)] == ["a"]

    def test_a_waiting_receiver_gets_a_message_as_soon_as_it_is_sent(self, sqs: Any, queue: str) -> None:
        lags_s: list[float] = []

        def wait() -> None:
            for _ in range(5):
                [message] = receive(sqs, queue, WaitTimeSeconds=20)
                lags_s.append(time.monotonic() - float(message["Body"]))

        receiver = threading.Thread(target=wait)
        receiver.start()
        for _ in range(5):
            time.sleep(0.12)
            sqs.send_message(QueueUrl=queue, MessageBody=str(time.monotonic()))
        receiver.join(timeout=25)
        assert sorted(lags_s)[2] < 0.05

    def test_waiting_receivers_do_not_hold_up_other_calls(self, sqs: Any, queue: str) -> None:
        waiting = [
            threading.Thread(target=receive, args=(sqs, queue), kwargs={"WaitTimeSeconds": 1}) for _ in range(8)
        ]
        for thread in waiting:
            thread.start()
        started_s = time.monotonic()
        for _ in range(20):
            sqs.get_queue_url(QueueName="f2b")
        assert time.monotonic() - started_s < 0.8
        for thread in waiting:
            thread.join()

    def test_a_receiver_that_hung_up_takes_no_message_with_it(
        self, strict_aws: LocalAws, sqs: Any, queue: str
    ) -> None:
        hasty = Config(retries={"total_max_attempts": 1}, read_timeout=0.3)
        with (
            contextlib.closing(strict_aws.client("sqs", config=hasty)) as client,
            pytest.raises(HTTPClientError),
        ):
            receive(client, queue, WaitTimeSeconds=20)
        sqs.send_message(QueueUrl=queue, MessageBody="still there")
        assert [message["Body"] for message in receive(sqs, queue, WaitTimeSeconds=1)] == ["still there"]

    def test_an_empty_queue_answers_when_the_wait_is_over(self, sqs: Any, queue: str) -> None:
        started_s = time.monotonic()
        assert receive(sqs, queue, WaitTimeSeconds=1) == []
        assert 0.9 < time.monotonic() - started_s < 2

    def test_deleting_a_message_twice_succeeds(self, sqs: Any, queue: str) -> None:
        send(sqs, queue, 2)
        first, second = receive(sqs, queue)
        for _ in range(2):
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=first["ReceiptHandle"])
        entries = [
            {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]}
            for index, message in enumerate((first, second))
        ]
        answer = sqs.delete_message_batch(QueueUrl=queue, Entries=entries)
        assert sorted(entry["Id"] for entry in answer["Successful"]) == ["0", "1"]
        assert not answer.get("Failed")

    def test_deleting_with_an_older_receipt_handle_succeeds_and_leaves_the_message(
        self, sqs: Any, queue: str
    ) -> None:
        send(sqs, queue, 1)
        [older] = receive(sqs, queue, VisibilityTimeout=0)
        [newer] = receive(sqs, queue, VisibilityTimeout=0)
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=older["ReceiptHandle"])
        assert [message["MessageId"] for message in receive(sqs, queue)] == [newer["MessageId"]]

    def test_deleting_with_a_malformed_receipt_handle_fails(self, sqs: Any, queue: str) -> None:
        with refused("ReceiptHandleIsInvalid"):
            sqs.delete_message(QueueUrl=queue, ReceiptHandle="rubbish")
        entries = [{"Id": "a", "ReceiptHandle": "rubbish"}, {"Id": "b", "ReceiptHandle": UUID}]
        answer = sqs.delete_message_batch(QueueUrl=queue, Entries=entries)
        assert [entry["Id"] for entry in answer["Failed"]] == ["a"]
        assert [entry["Id"] for entry in answer["Successful"]] == ["b"]


class TestDelivery:
    def test_every_message_is_delivered_exactly_twice(self, edge: EdgeControl, sqs: Any, queue: str) -> None:
        edge.deliver(duplicate=True, seed=7)
        bodies = send(sqs, queue, 25)
        drained = drain(sqs, queue)
        assert Counter(message["Body"] for message in drained) == dict.fromkeys(bodies, 2)
        assert len({(message["MessageId"], message["Body"]) for message in drained}) == 25
        stats = edge.delivery()
        assert (stats.duplicates_delivered, stats.duplicates_pending) == (25, 0)

    def test_a_duplicate_comes_in_a_later_answer_even_if_the_first_was_deleted(
        self, edge: EdgeControl, sqs: Any, queue: str
    ) -> None:
        edge.deliver(duplicate=True)
        send(sqs, queue, 1)
        [first] = receive(sqs, queue)
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=first["ReceiptHandle"])
        assert edge.delivery().duplicates_pending == 1
        assert receive(sqs, queue, WaitTimeSeconds=20) == [first]
        assert edge.delivery().duplicates_pending == 0
        assert receive(sqs, queue) == []

    def test_duplicates_can_be_switched_on_while_a_receiver_waits(
        self, edge: EdgeControl, sqs: Any, queue: str
    ) -> None:
        got: list[Any] = []
        receiver = threading.Thread(target=lambda: got.extend(receive(sqs, queue, WaitTimeSeconds=20)))
        receiver.start()
        while not edge.calls().get("sqs:ReceiveMessage"):
            time.sleep(0.01)
        edge.deliver(duplicate=True)
        send(sqs, queue, 1)
        receiver.join(timeout=25)
        assert receive(sqs, queue) == got != []

    def test_a_duplicate_can_be_deleted_like_any_message(self, edge: EdgeControl, sqs: Any, queue: str) -> None:
        edge.deliver(duplicate=True)
        send(sqs, queue, 1)
        for _ in range(2):
            [message] = receive(sqs, queue)
            entries = [{"Id": "a", "ReceiptHandle": message["ReceiptHandle"]}]
            assert not sqs.delete_message_batch(QueueUrl=queue, Entries=entries).get("Failed")

    def test_shuffled_messages_come_out_of_order_and_none_is_lost(
        self, edge: EdgeControl, sqs: Any, queue: str
    ) -> None:
        edge.deliver(shuffle=True, seed=3)
        bodies = send(sqs, queue, 60)
        got = [message["Body"] for message in drain(sqs, queue)]
        assert sorted(got) == sorted(bodies)
        assert got != bodies
        assert set(got[:10]) != set(bodies[:10])
        assert edge.delivery().held == 0

    def test_a_shuffled_messages_visibility_timeout_starts_when_it_is_handed_out(
        self, edge: EdgeControl, sqs: Any, queue: str
    ) -> None:
        edge.deliver(shuffle=True)
        send(sqs, queue, 1)
        [first] = receive(sqs, queue, VisibilityTimeout=1)
        assert receive(sqs, queue) == []
        [again] = receive(sqs, queue, WaitTimeSeconds=5)
        assert again["MessageId"] == first["MessageId"]

    def test_messages_held_when_shuffling_ends_are_still_delivered(
        self, edge: EdgeControl, sqs: Any, queue: str
    ) -> None:
        edge.deliver(shuffle=True)
        bodies = send(sqs, queue, 20)
        got = [message["Body"] for message in receive(sqs, queue)]
        assert edge.delivery().held == 10
        edge.deliver()
        got += [message["Body"] for message in drain(sqs, queue)]
        assert sorted(got) == sorted(bodies)
