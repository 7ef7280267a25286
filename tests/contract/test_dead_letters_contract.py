"""What the dead letters promise to an operator: in memory, on SQS and in a state file alike."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.sqlite.dead_letters import SqliteDeadLetters
from f2b_worker.adapters.sqlite.inbox import SqliteInbox
from f2b_worker.adapters.sqs.dead_letters import UNJUDGED, SqsDeadLetters
from f2b_worker.adapters.sqs.inbox import SqsInbox
from f2b_worker.errors import Unavailable
from f2b_worker.ports import DeadLetter, DeadLetters, Inbox
from f2b_worker.testing import MemoryDeadLetters, MemoryInbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import boto3
    from mypy_boto3_sqs import SQSClient

    from f2b_worker.adapters.sqlite.state import StateFile
    from f2b_worker.ports import StoredLetter
    from localstack.local_aws import LocalAws

GOOD = DeadLetter('{"ip": "203.0.113.7"}', {"bad_time": 1}, "the time is no time", "message-1")
BAD = DeadLetter("[]", {"no_ip": 2, "bad_time": 1}, "the infraction has no ip", "message-2")
ALL = 1_000_000


@pytest.fixture
def sqs(aws_in_process: LocalAws, quick_sessions: object) -> Iterator[SQSClient]:
    session: boto3.Session = quick_sessions()  # type: ignore[operator]
    client = session.client("sqs")
    yield client
    client.close()


@pytest.fixture
def urls(sqs: SQSClient) -> tuple[str, str]:
    dead = sqs.create_queue(QueueName="f2b-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 20})
    return sqs.create_queue(QueueName="f2b", Attributes={"RedrivePolicy": redrive})["QueueUrl"], dead


@pytest.fixture(params=["memory", "sqs", "sqlite"])
def both(request: pytest.FixtureRequest) -> tuple[Inbox, DeadLetters]:
    if request.param == "memory":
        inbox = MemoryInbox()
        return inbox, MemoryDeadLetters(inbox)
    if request.param == "sqlite":
        state: StateFile = request.getfixturevalue("state")
        found = SqliteDeadLetters(state.reader(), state.writer, SystemClock())
        return SqliteInbox(state, SystemClock()), found
    client: SQSClient = request.getfixturevalue("sqs")
    queue, dead = request.getfixturevalue("urls")
    inbox_of_sqs = SqsInbox(client, queue_url=queue, dead_letter_url=dead, visibility_s=60)
    return inbox_of_sqs, SqsDeadLetters(client, queue, dead)


def take(
    dead: DeadLetters,
    wanted: Callable[[StoredLetter], bool],
    *,
    retry: bool = False,
    most: int = ALL,
    limit: int = ALL,
) -> list[str]:
    """Take some; answer their bodies. Nobody is told before."""
    return [each.body for each in dead.take(wanted, lambda _: None, retry=retry, most=most, limit=limit)]


def bury(inbox: Inbox, *letters: DeadLetter) -> None:
    assert list(inbox.bury(letters)) == [None] * len(letters)


def bodies(inbox: Inbox) -> list[str]:
    """What is in the queue; a look that finds nothing comes first, as a worker's that waits."""
    found = [each.body for _ in range(3) for each in inbox.receive(wait_s=1)]
    return sorted(found)


def test_letters_are_read_with_their_reasons_and_stay(both: tuple[Inbox, DeadLetters]) -> None:
    inbox, dead = both
    bury(inbox, GOOD, BAD)
    for _ in range(2):
        found = {each.body: each for each in dead.letters(100)}
        assert {body: (each.reason, each.detail) for body, each in found.items()} == {
            GOOD.body: ("bad_time", GOOD.detail),
            BAD.body: ("no_ip bad_time", BAD.detail),
        }
    assert bodies(inbox) == []


def test_no_more_are_read_than_are_asked_for(both: tuple[Inbox, DeadLetters]) -> None:
    inbox, dead = both
    bury(inbox, GOOD, BAD)
    assert len(list(dead.letters(1))) == 1
    assert len(list(dead.letters(100))) == 2


def test_those_that_are_wanted_are_put_back_and_the_others_stay(both: tuple[Inbox, DeadLetters]) -> None:
    inbox, dead = both
    bury(inbox, GOOD, BAD)
    assert take(dead, lambda each: "no_ip" not in each.reason, retry=True) == [GOOD.body]
    assert bodies(inbox) == [GOOD.body]
    assert [each.body for each in dead.letters(100)] == [BAD.body]


def test_those_that_are_dropped_are_nowhere(both: tuple[Inbox, DeadLetters]) -> None:
    inbox, dead = both
    bury(inbox, GOOD, BAD)
    assert len(take(dead, lambda _: True)) == 2
    assert list(dead.letters(100)) == []
    assert bodies(inbox) == []


def test_more_than_one_receive_brings_are_all_found(both: tuple[Inbox, DeadLetters]) -> None:
    inbox, dead = both
    bury(inbox, *(DeadLetter(str(number), {"no_ip": 1}, "", f"m{number}") for number in range(23)))
    assert len(list(dead.letters(100))) == 23
    assert len(take(dead, lambda each: int(each.body) % 2 == 0)) == 12
    assert len(list(dead.letters(100))) == 11


def test_no_more_are_taken_than_are_asked_for_and_the_others_stay(both: tuple[Inbox, DeadLetters]) -> None:
    inbox, dead = both
    bury(inbox, *(DeadLetter(str(number), {"no_ip": 1}, "", f"m{number}") for number in range(23)))
    assert len(take(dead, lambda _: True, most=12)) == 12
    assert len(take(dead, lambda _: True, limit=5)) == 5
    assert len(list(dead.letters(100))) == 6


def test_somebody_is_told_which_are_taken_a_hundred_at_a_time_before_any_of_these_leaves(
    both: tuple[Inbox, DeadLetters],
) -> None:
    inbox, dead = both
    bury(inbox, *(DeadLetter(str(number), {"no_ip": 1}, "", f"m{number}") for number in range(123)))
    told: list[list[str]] = []
    taken = dead.take(
        lambda _: True,
        lambda letters: told.append([each.id for each in letters]),
        retry=False,
        most=ALL,
        limit=ALL,
    )
    assert [len(each) for each in told] == [100, 23]
    assert [each.id for each in taken] == [*told[0], *told[1]]


def test_none_leaves_if_whoever_is_told_before_fails(both: tuple[Inbox, DeadLetters]) -> None:
    inbox, dead = both
    bury(inbox, GOOD, BAD)

    def fail(_letters: object) -> None:
        raise Unavailable("the audit is away")

    with pytest.raises(Unavailable):
        dead.take(lambda _: True, fail, retry=True, most=ALL, limit=ALL)
    assert len(list(dead.letters(100))) == 2
    assert bodies(inbox) == []


class TestSqs:
    def test_what_sqs_itself_put_there_has_a_reason_of_its_own(
        self, sqs: SQSClient, urls: tuple[str, str]
    ) -> None:
        sqs.send_message(QueueUrl=urls[1], MessageBody="{}")
        (found,) = SqsDeadLetters(sqs, *urls).letters(10)
        assert (found.reason, found.body) == (UNJUDGED, "{}")

    def test_the_next_message_is_received_only_when_somebody_goes_on_reading(
        self, sqs: SQSClient, urls: tuple[str, str]
    ) -> None:
        for number in range(23):
            sqs.send_message(QueueUrl=urls[1], MessageBody=str(number))
        reading = SqsDeadLetters(sqs, *urls).letters(100)
        next(reading)
        asked = sqs.get_queue_attributes(QueueUrl=urls[1], AttributeNames=["All"])
        assert asked["Attributes"]["ApproximateNumberOfMessagesNotVisible"] == "10"
        reading.close()  # type: ignore[attr-defined]
        assert len(list(SqsDeadLetters(sqs, *urls).letters(100))) == 23
