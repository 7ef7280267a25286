"""What each role of docs/iam does with AWS, one call after the other, and what it says of those that fail."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from f2b_producer._pack import Pack
from f2b_producer._sender import Sender
from f2b_worker.adapters.caller import act_as
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.dynamodb.notebook import DynamoNotebook
from f2b_worker.adapters.notify.eventbridge import EventBridgeTarget
from f2b_worker.adapters.notify.sns import SnsTarget
from f2b_worker.cli import shim
from f2b_worker.config.jails_file import read_jails
from f2b_worker.config.notices import SnsAddress, TargetSettings
from f2b_worker.config.operator import OperatorSettings
from f2b_worker.domain.blocklists import Blocklist
from f2b_worker.domain.jails import Policy
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.verdicts import Ban, Offender, OffenderId
from f2b_worker.notices.wording import Wording
from f2b_worker.process.assembly import open_ledger
from f2b_worker.process.regions import open_finder
from f2b_worker.query.checkup.check import LOOKING, Role
from f2b_worker.query.checkup.checks import checks
from localstack.policies import Names, filled
from tests.integration.command_roles import ALLOWED, COMMANDS, RULE_GROUP, commands_of
from tests.integration.dashboard_role import a_dashboard
from tests.integration.provisioning import NAMES, provisioned, run
from tests.integration.worker_roles import SETTINGS, Told, a_judge, a_worker, an_enforcer, enforce

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.provisioning import Cloud

HERE = Names(queue=NAMES[1], table=NAMES[3], ip_set=NAMES[5], rule_group=RULE_GROUP)
OTHER = OffenderId("default", f"{ALLOWED}/32")


def policy(role: str, account: str, names: Names = HERE) -> dict[str, Any]:
    """Read a role's policy, with names of this account filled in."""
    return filled(role, replace(names, account=account))


def actions_of(role: str) -> Iterator[tuple[str, str]]:
    """Name each action of a role's policy by its statement."""
    for statement in filled(role, HERE)["Statement"]:
        yield from ((statement["Sid"], action) for action in statement["Action"])


def taken_from(role: str) -> list[tuple[str, str]]:
    """Name the actions that are taken from a role to see what it says.

    Of a part of a worker it is one of each statement: a whole worker loses each. Whoever only looks, and the
    dashboard, do what commands do that lose each with their own policies.
    """
    first: dict[str, tuple[str, str]] = {sid: (sid, action) for sid, action in reversed([*actions_of(role)])}
    match role:
        case "read" | "dashboard":
            return []
        case "judge" | "enforcer":
            return list(first.values())
        case _:
            return list(actions_of(role))


def without(document: dict[str, Any], sid: str, action: str) -> dict[str, Any]:
    """Take one action out of one statement."""
    for statement in document["Statement"]:
        if statement["Sid"] == sid:
            statement["Action"] = [each for each in statement["Action"] if each != action] or ["none:None"]
    return document


def a_standalone_worker() -> list[str]:
    """Enforce."""
    act_as("standalone")
    told = Told()
    finder = open_finder("us-east-1", [Blocklist("block", SETTINGS.ip_set)], SystemClock())
    told.step(finder.check)
    enforce(told, finder)
    return told.lines


def a_teller(account: str) -> list[str]:
    """Send a notice to a topic and to a bus."""
    act_as("notices")
    told = Told()
    notice = Wording(TargetSettings("ops", "sns", SnsAddress(""), ()), "f2b").of_test("a test", 0)
    for target in (SnsTarget(f"arn:aws:sns:us-east-1:{account}:f2b"), EventBridgeTarget("default")):
        told.step(partial(target.send, notice))
        target.close()
    return told.lines


def a_shim() -> list[str]:
    """Find the queue by its name and by its URL, and send to it."""
    act_as("shim")
    with structlog.testing.capture_logs() as logged:
        told = Told()
        url = told.step(lambda: shim._find_queue(NAMES[1]))
        if url:
            told.step(lambda: shim._find_queue(url))
            told.lines += asyncio.run(_sent(url))
    return [*told.lines, *(str(each["reason"]) for each in logged)]


async def _sent(url: str) -> list[str]:
    outbox = shim._open_queue(url)
    await outbox.check()
    outcomes = await outbox.send(["{}"], within_s=2.0)
    await outbox.close()
    return [str(each) for each in outcomes if each]


def a_producer(url: str) -> list[str]:
    """Send."""
    outcome = Sender(url, None).send([Pack("a" * 12, "{}", 1)])
    return [outcome.error] if outcome.error else []


def a_doctor() -> list[str]:
    """Look at a whole set-up, and try no permission."""
    told = Told()
    settings = OperatorSettings(queue=NAMES[1], table=NAMES[3], ip_set=(NAMES[5],))
    for check in checks(settings, read_jails(None), Role.OPERATOR):
        if check.policy == LOOKING:
            act_as(LOOKING)
            found = told.step(check.look)
            told.lines += [found] if found and "not authorized" in found else []
    return told.lines


PARTS: dict[str, Callable[[], list[str]]] = {
    "worker": a_worker,
    "judge": a_judge,
    "enforcer": an_enforcer,
    "standalone": a_standalone_worker,
    "shim": a_shim,
    "doctor": a_doctor,
    "dashboard": a_dashboard,
}
WORKERS = ("worker", "judge", "enforcer")
ROLES = (*PARTS, *COMMANDS, "producer", "notices")


def play(role: str, cloud: Cloud) -> list[str]:
    """Do what a role does; answer the lines about what failed."""
    if role == "producer":
        return a_producer(cloud.sqs.get_queue_url(QueueName=NAMES[1])["QueueUrl"])
    if role == "notices":
        return a_teller(cloud.account)
    if role in PARTS:
        return PARTS[role]()
    lines = commands_of(role)
    if role == "provision":
        _take_the_redrive_policy_away(cloud)
        lines += commands_of(role)
    return lines


def _take_the_redrive_policy_away(cloud: Cloud) -> None:
    """Leave a queue as people make it; there is none if it could not be made."""
    for url in cloud.sqs.list_queues().get("QueueUrls", ()):
        cloud.sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": ""})


def _ban_somebody() -> None:
    """Store a ban and log it: who follows the bans reads the log."""
    ledger, now_ms = open_ledger(SETTINGS, Policy(), SystemClock()), SystemClock().now_ms()
    stored = ledger.commit({OTHER: Decision(Offender(), Ban(now_ms, now_ms + 600_000, 1, 600_000))})[OTHER]
    assert isinstance(stored, Offender)
    assert ledger.publish({OTHER: stored}) == {}
    ledger.close()


def set_up(role: str, cloud: Cloud) -> None:
    """Make what there is before a role comes: all but what provision makes."""
    if role == "provision":
        cloud.ip_set(NAMES[5], "IPV6")  # whose family has to be asked for
        return
    if role == "notices":
        with closing(cloud.aws.client("sns", account=cloud.account)) as topics:
            topics.create_topic(Name="f2b")
        return
    provisioned(*NAMES, "--rule-group", RULE_GROUP)
    cloud.sqs.send_message(QueueUrl=cloud.sqs.get_queue_url(QueueName=NAMES[1])["QueueUrl"], MessageBody="{}")
    group = cloud.waf.list_rule_groups(Scope="REGIONAL")["RuleGroups"][0]
    visible: Any = {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": False, "MetricName": "web"}
    statement: Any = {"RuleGroupReferenceStatement": {"ARN": group["ARN"]}}
    rule: dict[str, Any] = {"Name": "f2b", "Priority": 0, "Statement": statement, "OverrideAction": {"None": {}}}
    rules: Any = [{**rule, "VisibilityConfig": visible}]
    cloud.waf.create_web_acl(
        Name="web",
        Scope="REGIONAL",
        DefaultAction={"Allow": {}},
        Rules=rules,
        VisibilityConfig=visible,
    )
    if role in {"dlq", "dashboard"}:
        dead = cloud.sqs.get_queue_url(QueueName=f"{NAMES[1]}-dead")["QueueUrl"]
        reason: Any = {"f2b.reason": {"DataType": "String", "StringValue": "no_ip"}}
        cloud.sqs.send_message(QueueUrl=dead, MessageBody="{}")
        cloud.sqs.send_message(QueueUrl=dead, MessageBody="[]", MessageAttributes=reason)
    if role == "dlq":
        return
    if role in {*WORKERS, "read", "list", "dashboard"}:
        allowed = run("allow", "add", ALLOWED, *NAMES[2:4])
        assert allowed.exit_code == 0, allowed.output
    _ban_somebody()
    if role in {"release", "dashboard"}:
        DynamoNotebook(cloud.dynamodb, NAMES[3], region="us-east-1").note_surge(SystemClock().now_ms())
