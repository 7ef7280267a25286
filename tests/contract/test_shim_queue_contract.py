"""What the shim's queue promises: through boto3 in threads, and over the event loop's own connections."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
import pytest
from botocore.config import Config
from botocore.credentials import Credentials

from f2b_worker.adapters.sqs.direct import DirectCalls, direct_calls
from f2b_worker.adapters.sqs.queue import BotoCalls, SqsQueue
from f2b_worker.errors import AccessDenied, F2bError, Missing, Throttled, Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from mypy_boto3_sqs import SQSClient

    from localstack.faults import FaultKind
    from localstack.local_aws import LocalAws

T = TypeVar("T")
WITHIN_S = 1.7
SECRET = "local"


@dataclass
class Desk:
    """A queue, and how to call it."""

    kind: str
    endpoint_url: str
    client: SQSClient
    account: str
    url: str

    def run(self, use: Callable[[SqsQueue], Awaitable[T]], url: str = "") -> T:
        async def main() -> T:
            outbox = SqsQueue(self.calls(), queue_url=url or self.url)
            try:
                return await use(outbox)
            finally:
                await outbox.close()

        return asyncio.run(main())

    def calls(self) -> BotoCalls | DirectCalls:
        if self.kind == "boto3":
            return BotoCalls(_client(self.endpoint_url, self.account), calls_max=4)
        return DirectCalls(self.client, Credentials(self.account, SECRET))

    def send(self, *bodies: str, within_s: float = WITHIN_S, url: str = "") -> list[F2bError | None]:
        return self.run(lambda outbox: outbox.send(bodies, within_s=within_s), url)

    def received(self) -> list[str]:
        """Take everything that is in the queue."""
        found: list[str] = []
        while True:
            answer = self.client.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10)
            if not answer.get("Messages"):
                return sorted(found)
            found += [message["Body"] for message in answer["Messages"]]


def _client(endpoint_url: str, account: str) -> SQSClient:
    client: SQSClient = boto3.client(
        "sqs",
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=account,
        aws_secret_access_key=SECRET,
        config=Config(retries={"mode": "standard", "total_max_attempts": 1}),
    )
    return client


@pytest.fixture
def open_desk(aws_in_process: LocalAws, account: str) -> Iterator[Callable[[str], Desk]]:
    client = _client(aws_in_process.endpoint_url, account)
    url = client.create_queue(QueueName="f2b")["QueueUrl"]
    yield lambda kind: Desk(kind, aws_in_process.endpoint_url, client, account, url)
    aws_in_process.edge.clear_faults()
    client.close()


@pytest.fixture(params=["boto3", "direct"])
def desk(request: pytest.FixtureRequest, open_desk: Callable[[str], Desk]) -> Desk:
    return open_desk(request.param)


def test_what_is_answered_as_stored_is_in_the_queue(desk: Desk) -> None:
    bodies = [json.dumps({"place": place, "text": 'ü😀"\\\t'}) for place in range(10)]
    assert desk.send(*bodies) == [None] * 10
    assert desk.received() == sorted(bodies)


def test_a_body_of_64_kib_is_stored_beside_three_others(desk: Desk) -> None:
    bodies = [character * 64 * 1024 for character in "abcd"]
    assert desk.send(*bodies) == [None] * 4
    assert desk.received() == bodies


@pytest.mark.parametrize(
    ("fault", "kind"), [("error", Unavailable), ("throttle", Throttled), ("reset_before", Unavailable)]
)
def test_a_queue_that_fails_is_an_error_of_each_body_and_of_the_kind_that_it_is(
    desk: Desk, aws_in_process: LocalAws, fault: FaultKind, kind: type[F2bError]
) -> None:
    aws_in_process.edge.fault("sqs:SendMessageBatch", fault)
    assert [type(each) for each in desk.send("a", "b")] == [kind, kind]
    aws_in_process.edge.clear_faults()
    assert desk.send("c") == [None]
    assert desk.received() == ["c"]


@pytest.mark.parametrize("fault", ["error", "throttle", "reset_before", "reset_after"])
def test_a_failure_that_passes_is_not_heard_of(desk: Desk, aws_in_process: LocalAws, fault: FaultKind) -> None:
    aws_in_process.edge.fault("sqs:SendMessageBatch", fault, times=1)
    # Half of it is for the first answer: on a busy machine, that of 1.7 s is too little for a new connection.
    assert desk.send("a", within_s=5) == [None]
    assert set(desk.received()) == {"a"}


@pytest.mark.parametrize("delay_s", [0.9, 1.5])
def test_a_slow_queue_is_one_message_and_no_failure(desk: Desk, aws_in_process: LocalAws, delay_s: float) -> None:
    async def use(outbox: SqsQueue) -> list[F2bError | None]:
        found = await outbox.send(["the first one teaches it"], within_s=60)
        for body in "abc":
            found += await outbox.send([body], within_s=4)
        return found

    aws_in_process.edge.fault("sqs:SendMessageBatch", "delay", delay_s=delay_s)
    assert desk.run(use) == [None] * 4
    assert desk.received() == ["a", "b", "c", "the first one teaches it"]


def test_an_answer_is_awaited_after_the_time_for_tries_and_nothing_is_sent_then(
    desk: Desk, aws_in_process: LocalAws
) -> None:
    aws_in_process.edge.fault("sqs:SendMessageBatch", "delay", delay_s=1.0, times=1)
    aws_in_process.edge.fault("sqs:SendMessageBatch", "error")
    aws_in_process.edge.reset_calls()
    (failure,) = desk.run(lambda outbox: outbox.send(["a"], within_s=0.4, followed_s=5))
    assert isinstance(failure, Unavailable)
    assert aws_in_process.edge.calls()["sqs:SendMessageBatch"] == 2, "one, and one beside it"
    aws_in_process.edge.clear_faults()
    aws_in_process.edge.fault("sqs:SendMessageBatch", "delay", delay_s=1.0)
    assert desk.run(lambda outbox: outbox.send(["b"], within_s=0.4, followed_s=5)) == [None]
    assert set(desk.received()) == {"b"}


def test_a_queue_that_does_not_answer_is_given_up(desk: Desk, aws_in_process: LocalAws) -> None:
    aws_in_process.edge.fault("sqs:SendMessageBatch", "delay", delay_s=3)
    (failure,) = desk.send("a", within_s=0.4)
    assert isinstance(failure, Unavailable)
    with pytest.raises(Unavailable, match="no answer"):
        raise failure


def test_a_queue_that_is_not_there_is_missing(desk: Desk) -> None:
    (failure,) = desk.send("a", url=f"{desk.url}-other")
    assert isinstance(failure, Missing)


def test_a_batch_of_which_sqs_stores_a_part_is_told_body_by_body() -> None:
    answers: list[dict[str, Any]] = [
        {
            "Successful": [{"Id": "0"}],
            "Failed": [
                {"Id": "1", "Code": "InternalError", "SenderFault": False},
                {"Id": "2", "Code": "InvalidMessageContents", "Message": "no", "SenderFault": True},
            ],
        },
        {"Successful": [{"Id": "1"}]},
    ]
    asked: list[list[str]] = []

    class Calls:
        async def call(self, action: str, parameters: Any, *, anew: bool = False) -> Any:
            assert not anew
            assert action == "SendMessageBatch"
            asked.append([entry["MessageBody"] for entry in parameters["Entries"]])
            return answers[len(asked) - 1]

        async def close(self) -> None: ...

    outcomes = asyncio.run(SqsQueue(Calls(), queue_url="q").send(["a", "b", "c"], within_s=WITHIN_S))
    assert asked == [["a", "b", "c"], ["b"]], "what may pass is tried again, and nothing else"
    assert [type(each).__name__ for each in outcomes] == ["NoneType", "NoneType", "Rejected"]


def test_a_check_tells_whether_the_queue_answers(desk: Desk, aws_in_process: LocalAws) -> None:
    desk.run(SqsQueue.check)
    aws_in_process.edge.fault("sqs:GetQueueAttributes", "error")
    with pytest.raises(Unavailable):
        desk.run(SqsQueue.check)
    aws_in_process.edge.clear_faults()
    aws_in_process.edge.fault("sqs:GetQueueAttributes", "throttle", code="AccessDenied")
    desk.run(SqsQueue.check)


@pytest.mark.parametrize("body", ["<html/>", "{}", "[]", '{"Attributes": []}'])
def test_a_check_takes_the_answer_of_a_proxy_for_none(desk: Desk, aws_in_process: LocalAws, body: str) -> None:
    aws_in_process.edge.fault("sqs:GetQueueAttributes", "answer", body=body)
    with pytest.raises(Unavailable):
        desk.run(SqsQueue.check)


class TestDirectCalls:
    @pytest.fixture
    def desk(self, open_desk: Callable[[str], Desk]) -> Desk:
        return open_desk("direct")

    def test_one_connection_serves_call_after_call_and_a_closed_one_is_replaced(self, desk: Desk) -> None:
        async def use(outbox: SqsQueue) -> int:
            calls: Any = outbox._calls
            for _ in range(5):
                assert await outbox.send(["a"], within_s=WITHIN_S) == [None]
            kept = len(calls._idle)
            calls._idle[0][1]._transport.abort()
            assert await outbox.send(["b"], within_s=WITHIN_S) == [None]
            return kept

        assert desk.run(use) == 1

    def test_an_answer_that_came_too_late_is_nobody_elses(self, desk: Desk, aws_in_process: LocalAws) -> None:
        async def use(outbox: SqsQueue) -> list[F2bError | None]:
            aws_in_process.edge.fault("sqs:SendMessageBatch", "delay", delay_s=0.3, times=1)
            with suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await outbox.send(["a"], within_s=WITHIN_S)
            calls: Any = outbox._calls
            assert calls._idle == []
            await asyncio.sleep(0.4)
            return await outbox.send(["b", "c"], within_s=WITHIN_S)

        assert desk.run(use) == [None, None]

    def test_a_kept_connection_that_died_in_silence_costs_no_answer(
        self, desk: Desk, aws_in_process: LocalAws
    ) -> None:
        """As behind a NAT that forgot it: what is sent over it is never heard of."""
        del aws_in_process

        async def use(outbox: SqsQueue) -> list[F2bError | None]:
            calls: Any = outbox._calls
            assert await asyncio.gather(*(outbox.send([body], within_s=5) for body in "abc")) == [[None]] * 3
            assert len(calls._idle) == 3
            for _, connection in calls._idle:
                connection._transport.write = lambda _data: None
            return await outbox.send(["d"], within_s=WITHIN_S) + await outbox.send(["e"], within_s=WITHIN_S)

        assert desk.run(use) == [None, None]
        assert desk.received() == ["a", "b", "c", "d", "e"]

    def test_nobody_listening_is_unavailable(self, desk: Desk) -> None:
        calls = DirectCalls(desk.client, Credentials("a", "b"))
        calls._port = 1
        with pytest.raises(Unavailable):
            asyncio.run(calls.call("SendMessageBatch", {}))

    def test_credentials_that_aws_refuses_are_asked_for_again(self, desk: Desk, aws_in_process: LocalAws) -> None:
        again = threading.Event()

        class Source:
            asked = 0

            def get_frozen_credentials(self) -> Any:
                self.asked += 1
                if self.asked == 2:
                    again.set()
                return Credentials(desk.account, SECRET).get_frozen_credentials()

        source = Source()

        async def use() -> None:
            outbox = SqsQueue(DirectCalls(desk.client, source), queue_url=desk.url)
            assert await outbox.send(["a"], within_s=WITHIN_S) == [None]
            assert await outbox.send(["b"], within_s=WITHIN_S) == [None]
            assert source.asked == 1
            aws_in_process.edge.fault("sqs:SendMessageBatch", "throttle", code="ExpiredToken", times=1)
            (failure,) = await outbox.send(["c"], within_s=WITHIN_S)
            assert isinstance(failure, AccessDenied)
            assert await outbox.send(["d"], within_s=WITHIN_S) == [None]
            # They are asked for in a thread, beside the call; the end of the loop would take that back.
            await asyncio.to_thread(again.wait, WITHIN_S)
            await outbox.close()

        asyncio.run(use())
        assert source.asked == 2

    @pytest.mark.parametrize(
        ("key", "token"),
        [("A\r\nx-evil: 1", None), ("A\n", "t"), ("A", "t\n"), ("A", "t\0"), ("A", "t\N{EM DASH}")],
    )
    def test_renewed_credentials_that_no_header_takes_are_refused_unsent_and_asked_for_again(
        self, desk: Desk, key: str, token: str | None
    ) -> None:
        class Source:
            given = Credentials(key, SECRET, token)

            def get_frozen_credentials(self) -> Any:
                return self.given.get_frozen_credentials()

        source = Source()

        async def use() -> None:
            outbox = SqsQueue(DirectCalls(desk.client, source), queue_url=desk.url)
            (failure,) = await outbox.send(["a"], within_s=WITHIN_S)
            assert isinstance(failure, AccessDenied)
            assert "the credentials hold a line break" in str(failure)
            assert "evil" not in str(failure)
            source.given = Credentials(desk.account, SECRET)
            assert await outbox.send(["b"], within_s=WITHIN_S) == [None]
            await outbox.close()

        asyncio.run(use())

    def test_a_proxy_is_left_to_boto3(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        assert isinstance(direct_calls(desk.client), DirectCalls)
        monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
        assert direct_calls(desk.client) is None
