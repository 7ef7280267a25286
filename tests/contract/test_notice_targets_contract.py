"""What every target of notices promises: real services, servers and programs, and the twin in memory alike."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from f2b_worker.adapters.notify.apprise import AppriseTarget
from f2b_worker.adapters.notify.command import CommandTarget
from f2b_worker.adapters.notify.eventbridge import EventBridgeTarget
from f2b_worker.adapters.notify.sns import SnsTarget
from f2b_worker.adapters.notify.webhook import WebhookTarget
from f2b_worker.config.notices import AppriseAddress, CommandAddress, Secret, WebhookAddress
from f2b_worker.errors import F2bError
from f2b_worker.ports.notices import Notice
from f2b_worker.testing.notices import KeptTarget
from tests.notice_receivers import receiver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from f2b_worker.ports.notices import Target
    from localstack.local_aws import LocalAws

WRITES = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read() + '\\n')"


def notice(number: int = 1, bans: int = 1, text: str = "203.0.113.7 banned in login for 10m") -> Notice:
    ban = {"ip": "203.0.113.7", "jail": "login", "failures": 5, "matches": "GET /ä"}
    detail: dict[str, Any] = {
        "id": f"msg_{number}",
        "kind": "ban",
        "severity": "info",
        "fleet": "shop",
        "at": "2026-11-30T01:02:03Z",
        "count": bans,
        "bans": [ban] * bans,
    }
    return Notice(f"msg_{number}", "ban", "info", "shop: 1 ban — ä\nb", text, detail, 1_796_000_000_000)


class Case(NamedTuple):
    """A target, what came of it at its other end, and one that is not there."""

    target: Target
    came: Callable[[], list[dict[str, Any]]]
    lost: Target


@pytest.fixture
def memory() -> Case:
    target, lost = KeptTarget(), KeptTarget()
    lost.failures.append(F2bError("not there"))
    return Case(target, lambda: [dict(each.detail) for each in target.taken], lost)


@pytest.fixture
def command(tmp_path: Path) -> Case:
    path = tmp_path / "came"
    target = CommandTarget(CommandAddress((sys.executable, "-c", WRITES, str(path)), 20_000))
    lost = CommandTarget(CommandAddress((str(tmp_path / "not-there"),), 20_000))
    return Case(target, lambda: [json.loads(line) for line in path.read_text().splitlines()], lost)


@pytest.fixture
def webhook() -> Iterator[Case]:
    with receiver() as here, receiver() as gone:
        gone.usually = 410
        target, lost = (WebhookTarget(WebhookAddress(Secret(each.url))) for each in (here, gone))
        yield Case(target, lambda: [each.data["data"] for each in here.posted], lost)


@pytest.fixture
def apprise() -> Iterator[Case]:
    with receiver() as here, receiver() as gone:
        gone.usually = 500
        urls = [Secret(each.url.replace("http://", "json://")) for each in (here, gone)]
        target, lost = (AppriseTarget(AppriseAddress((each,))) for each in urls)

        def came() -> list[dict[str, Any]]:
            # Apprise has its own form: title, message and type.
            fit = [each.data for each in here.posted]
            assert all(each["type"] == "info" and each["title"].startswith("shop: 1 ban") for each in fit)
            return [{**notice().detail, "id": f"msg_{number}"} for number, _ in enumerate(fit, start=1)]

        yield Case(target, came, lost)


@pytest.fixture
def sns(aws_in_process: LocalAws, account: str) -> Iterator[Case]:
    topics, queues = (aws_in_process.client(each, account=account) for each in ("sns", "sqs"))
    topic = topics.create_topic(Name="alerts")["TopicArn"]
    url, arn = _queue(queues)
    topics.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    target, lost = SnsTarget(topic), SnsTarget(f"{topic}-not-there")
    yield Case(target, lambda: [json.loads(each["Message"]) for each in _received(queues, url)], lost)
    for each in (target, lost, topics, queues):
        each.close()


@pytest.fixture
def eventbridge(aws_in_process: LocalAws, account: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    events, queues = (aws_in_process.client(each, account=account) for each in ("events", "sqs"))
    url, arn = _queue(queues)
    events.put_rule(Name="f2b", EventPattern=json.dumps({"source": ["f2b"], "detail": {"severity": ["info"]}}))
    events.put_targets(Rule="f2b", Targets=[{"Id": "1", "Arn": arn}])
    target, lost = EventBridgeTarget("default"), EventBridgeTarget("default")
    lost.send(notice(0))
    _received(queues, url)
    refused = {
        "FailedEntryCount": 1,
        "Entries": [{"ErrorCode": "ResourceNotFoundException", "ErrorMessage": "no"}],
    }
    # The emulator takes every event; AWS refuses one in an answer that is no error.
    monkeypatch.setattr(lost._client, "put_events", lambda **_: refused)
    yield Case(target, lambda: [each["detail"] for each in _received(queues, url)], lost)
    for each in (target, lost, events, queues):
        each.close()


def _queue(queues: Any) -> tuple[str, str]:
    url = queues.create_queue(QueueName="heard")["QueueUrl"]
    answer = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return url, answer["Attributes"]["QueueArn"]


def _received(queues: Any, url: str) -> list[dict[str, Any]]:
    found = []
    while messages := queues.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get(
        "Messages"
    ):
        found += [json.loads(each["Body"]) for each in messages]
        for each in messages:
            queues.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
    return sorted(found, key=json.dumps)


@pytest.fixture(params=["memory", "command", "webhook", "apprise", "sns", "eventbridge"])
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.getfixturevalue(request.param)
    return found


def test_a_notice_arrives_whole_and_who_does_not_take_it_is_an_error_of_ours(case: Case) -> None:
    case.target.send(notice(1))
    case.target.send(notice(2))
    came = case.came()
    assert sorted(each["id"] for each in came) == ["msg_1", "msg_2"]
    assert came[0]["bans"] == notice().detail["bans"]
    with pytest.raises(F2bError) as refused:
        case.lost.send(notice(3))
    assert "\n" not in str(refused.value)


def test_a_notice_of_any_size_arrives_and_says_what_was_left_out(
    case: Case, request: pytest.FixtureRequest
) -> None:
    case.target.send(notice(1, bans=5000, text="ä" * 400_000))
    (came,) = case.came()
    if request.node.callspec.params["case"] not in {"memory", "command", "apprise"}:
        assert came["count"] == 5000
        assert len(came["bans"]) + came["bans_left_out"] == 5000
