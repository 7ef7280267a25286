"""What somebody else than AWS answers with status 200: worth another try, and never the end of a loop."""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from f2b_worker import errors
from f2b_worker.adapters.answers import aws_errors
from f2b_worker.adapters.aws import account_of_credentials, dynamodb_client, sqs_client, wafv2_client
from f2b_worker.adapters.dynamodb.ban_book import DynamoBanBook
from f2b_worker.adapters.dynamodb.lease import DynamoLease
from f2b_worker.adapters.dynamodb.ledger import DynamoLedger
from f2b_worker.adapters.dynamodb.notebook import DynamoNotebook
from f2b_worker.adapters.dynamodb.table import check_table
from f2b_worker.adapters.provisioning.fleet import Protections, Table
from f2b_worker.adapters.provisioning.needs import RULE_GROUP_DESCRIPTION as OURS
from f2b_worker.adapters.provisioning.queues import Queues
from f2b_worker.adapters.provisioning.rule_groups import RuleGroup
from f2b_worker.adapters.provisioning.steps import Patience
from f2b_worker.adapters.provisioning.waf import Wish, plans
from f2b_worker.adapters.sqs.attributes import dead_letter_url_of, visibility_s_of
from f2b_worker.adapters.sqs.inbox import SqsInbox
from f2b_worker.adapters.waf.ip_set import open_ip_set
from f2b_worker.adapters.waf.listing import WafListing
from f2b_worker.domain.blocklists import Blocklist, Scope
from f2b_worker.domain.judge.verdicts import Hit, OffenderId
from f2b_worker.ports import DeadLetter, Message
from f2b_worker.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from f2b_worker.adapters.provisioning.steps import Step
    from f2b_worker.ports import Answers

WHO = OffenderId("login", "203.0.113.7/32")
CROWD = [OffenderId("login", f"203.0.113.{number}/32") for number in range(6)]
QUEUE = "http://127.0.0.1/1/f2b"

ODD_BODIES = [
    "[]",
    "null",
    "5",
    "true",
    '"text"',
    '{"Items": 5}',
    '{"Items": [5]}',
    '{"Item": []}',
    '{"Attributes": []}',
    '{"Responses": [5]}',
    '{"Messages": 5}',
    '{"Messages": [5]}',
    '{"Failed": 5}',
    '{"IPSets": 5}',
    '{"IPSet": []}',
    '{"Items": [], "LastEvaluatedKey": 5}',
    '{"Items": [], "LastEvaluatedKey": {"pk": {"S": "the same again and again"}}}',
]


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """A server that answers every call with 200 and the body that was given last; boto3 calls it."""
    body = [b""]

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-type", "application/x-amz-json-1.0")
            self.send_header("content-length", str(len(body[0])))
            self.end_headers()
            self.wfile.write(body[0])

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": "/dev/null",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    yield lambda text: body.__setitem__(0, text.encode())
    server.shutdown()
    server.server_close()


def test_an_answer_with_200_in_another_form_is_worth_another_try_or_is_none_at_all(
    answering: Callable[[str], None],
) -> None:
    clients = [dynamodb_client(connections=1), dynamodb_client(connections=1, plain_queries=True)]
    sqs, waf = sqs_client(QUEUE, connections=1), wafv2_client(None)
    queries: list[Callable[[], object]] = [
        partial(lambda each: list(DynamoBanBook(each, "f2b", FakeClock()).standing()), each) for each in clients
    ]
    ledger = DynamoLedger(clients[0], "f2b", FakeClock(), kept_ms=1000, io_threads=1)
    inbox = SqsInbox(sqs, queue_url=QUEUE, dead_letter_url="http://127.0.0.1/1/d", visibility_s=1)
    message = Message("1", "r", "", 0)
    calls: list[Callable[[], object]] = [
        *queries,
        lambda: DynamoBanBook(clients[0], "f2b", FakeClock()).offender(WHO),
        lambda: answers(ledger.record({WHO: [Hit(1, "a")]})),
        lambda: answers(
            ledger.record({OffenderId("login", f"203.0.113.{n}/32"): [Hit(1, "a")] for n in range(6)})
        ),
        lambda: DynamoNotebook(clients[0], "f2b", region="us-east-1").read(),
        lambda: DynamoLease(clients[0], "f2b", name="x", owner="me", clock=FakeClock()).hold(),
        lambda: inbox.receive(wait_s=0),
        lambda: inbox.delete([message]),
        lambda: inbox.bury([DeadLetter("b", {"not_json": 1}, "d", "1")]),
        lambda: dead_letter_url_of(sqs, QUEUE),
        lambda: visibility_s_of(sqs, QUEUE),
        lambda: list(WafListing(waf, FakeClock()).ip_sets(Scope.REGIONAL)),
        lambda: WafListing(waf, FakeClock()).referenced(Scope.REGIONAL),
        lambda: open_ip_set(waf, waf, name="n", set_id="i", arn="a", scope=Scope.REGIONAL, clock=FakeClock()),
        lambda: check_table(clients[0], "f2b"),
    ]
    for body in ODD_BODIES:
        answering(body)
        for call in calls:
            try:
                call()
            except errors.Invalid as error:  # pragma: no cover - a failure of this test
                raise AssertionError(f"{body} is taken for a fault of one item") from error
            except errors.F2bError:
                continue


PROVISIONING_BODIES = [
    "{}",
    '{"Table": {"LocalSecondaryIndexes": [{"IndexName": []}]}}',
    '{"Table": {"LocalSecondaryIndexes": [], "WarmThroughput": {"WriteUnitsPerSecond": "x"}}}',
    '{"ContinuousBackupsDescription": {"PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": []}}}',
    '{"TimeToLiveDescription": {"TimeToLiveStatus": []}}',
    '{"QueueUrl": 5, "Attributes": {"RedrivePolicy": "[]"}}',
    '{"QueueUrl": "u", "Attributes": {"LastModifiedTimestamp": "yesterday"}}',
    '{"QueueUrl": "u", "Attributes": {"QueueArn": 5}}',
    '{"IPSets": [{"Name": "f2b"}], "IPSet": {}}',
    '{"IPSets": [{"Name": "f2b", "Id": "i"}], "IPSet": {"IPAddressVersion": []}}',
    '{"IPSets": [], "RuleGroups": [{}]}',
    f'{{"IPSets": [], "RuleGroups": [{{"Name": "f2b", "Description": "{OURS}"}}]}}',
    *(
        f'{{"LockToken": "t", "RuleGroups": [{{"Name": "f2b", "Id": "i", "Description": "{OURS}"}}], '
        f'"RuleGroup": {group}}}'
        for group in ("{}", '{"VisibilityConfig": {}, "Rules": [{}]}', '{"VisibilityConfig": {}, "Rules": 5}')
    ),
]


def looked_for(steps: Callable[[], Iterator[Step]]) -> None:
    """Look for all that provision would look for, as long as somebody answers so that it goes on."""
    for step in steps():
        for look in (step.is_there, step.remark):
            with suppress(errors.F2bError):
                look()


def test_provision_takes_an_answer_with_200_in_another_form_for_none(answering: Callable[[str], None]) -> None:
    clock = FakeClock()
    blocklist = Blocklist("default", ("f2b",))
    patience = Patience(clock, lambda _: None)
    (plan,) = plans([blocklist], Wish(rule_group="f2b"), clock)
    waf = wafv2_client(None)
    group = RuleGroup(waf, WafListing(waf, clock), "f2b", Scope.REGIONAL)
    table = Table("f2b", Protections(warm_writes_per_s=9000), patience)
    calls: list[Callable[[], object]] = [
        *(partial(looked_for, steps) for steps in (table.steps, Queues("f2b", patience).steps, plan.steps)),
        plan.advice,
        partial(group.add, blocklist, ["arn"], None),
        group.create,
    ]
    for body in [*ODD_BODIES, *PROVISIONING_BODIES]:
        answering(body)
        for call in calls:
            with suppress(errors.F2bError):
                call()


@pytest.mark.parametrize("body", ["{}", "<html/>", "<GetCallerIdentityResponse/>"])
def test_an_account_that_sts_does_not_name_is_worth_another_try(
    answering: Callable[[str], None], body: str
) -> None:
    answering(body)
    with pytest.raises(errors.Unavailable):
        account_of_credentials("us-east-1")


def answers(found: Answers) -> None:
    """Raise the first error among them."""
    for each in found.values():
        if isinstance(each, errors.F2bError):
            raise each


def test_a_defect_of_ours_in_a_request_is_no_answer_of_anybodys(answering: Callable[[str], None]) -> None:
    answering("{}")
    client: Any = dynamodb_client(connections=1)  # which does not check what it sends
    with pytest.raises((TypeError, AttributeError)), aws_errors("doing so"):
        client.get_item(TableName="f2b", Key=5)


def test_a_page_that_is_empty_and_names_a_next_one_is_not_the_last() -> None:
    pages: dict[str, dict[str, Any]] = {
        "": {"IPSets": [], "NextMarker": "a"},
        "a": {"IPSets": [{"Name": "f2b"}], "NextMarker": "b"},
        "b": {"IPSets": [], "NextMarker": "b"},
    }

    class Client:
        def list_ip_sets(self, **asked: str) -> dict[str, Any]:
            return pages[asked.get("NextMarker", "")]

    client: Any = Client()
    assert [each["Name"] for each in WafListing(client, FakeClock()).ip_sets(Scope.REGIONAL)] == ["f2b"]


def test_pages_that_name_each_other_in_a_circle_have_an_end() -> None:
    following = {"": "a", "a": "b", "b": "a"}
    asked: list[str] = []

    class Client:
        def list_ip_sets(self, **given: str) -> dict[str, Any]:
            asked.append(given.get("NextMarker", ""))
            assert len(asked) < 10, "it goes on for ever"
            return {"IPSets": [{"Name": f"after {asked[-1]}"}], "NextMarker": following[asked[-1]]}

    client: Any = Client()
    assert len(list(WafListing(client, FakeClock()).ip_sets(Scope.REGIONAL))) == 3
    assert asked == ["", "a", "b"]


def test_credentials_that_sts_answers_in_another_form_are_worth_another_try(
    answering: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("a token")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::000000000000:role/f2b")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    answer = "<AssumeRoleWithWebIdentityResponse>{}</AssumeRoleWithWebIdentityResponse>"
    for inner in ("", "<AssumeRoleWithWebIdentityResult><Credentials/></AssumeRoleWithWebIdentityResult>"):
        answering(answer.format(inner))
        with pytest.raises(errors.Retryable):
            DynamoBanBook(dynamodb_client(connections=1), "f2b", FakeClock()).offender(WHO)


def test_one_ip_set_of_a_family_that_nobody_knows_yet_is_left_alone() -> None:
    opened = {"IPSet": {"IPAddressVersion": "IPV8", "Addresses": []}, "LockToken": "t"}

    class Client:
        def get_ip_set(self, **_: str) -> dict[str, Any]:
            return opened

    client: Any = Client()
    with pytest.raises(errors.Missing, match="its family 'IPV8' is not known"):
        open_ip_set(client, client, name="n", set_id="i", arn="a", scope=Scope.REGIONAL, clock=FakeClock())
