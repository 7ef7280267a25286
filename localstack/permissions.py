"""What each call needs of IAM, as AWS's Service Authorization Reference has it, and who may do it.

Who calls with a session token for which a policy was given is held to it; everybody else may do everything.
Emulators that check policies know other names: ministack asks for sqs:SendMessageBatch, which IAM has not, and for
neither dynamodb:PartiQLInsert nor any resource of AWS WAF but web ACLs.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import parse_qs

from localstack.edge_http import Request
from localstack.faults import ApiError, FormError

Need = tuple[str, str]
"""An action and the resource that it is done to."""

_TOKEN = "x-amz-security-token"
_BATCHES = {
    "SendMessageBatch": "SendMessage",
    "DeleteMessageBatch": "DeleteMessage",
    "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
}
_TRANSACTED = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}
_STATEMENT = re.compile(r'\s*(INSERT|UPDATE|DELETE|SELECT)\b[^"]*"([^"]+)"', re.IGNORECASE)
_OF_ALL = frozenset({"ListIPSets", "ListWebACLs", "ListRuleGroups", "ListQueues", "ListTables"})
_KINDS = {"IPSet": "ipset", "RuleGroup": "rulegroup", "WebACL": "webacl"}
_BY_RESOURCE = {
    "TagResource": "ResourceARN",
    "UntagResource": "ResourceARN",
    "ListTagsForResource": "ResourceARN",
    "GetWebACLForResource": "ResourceArn",
}
_FOLDERS = {"REGIONAL": "regional", "CLOUDFRONT": "global"}


def needs_of(request: Request) -> list[Need]:
    """List the actions that a policy must allow for a call, each with its resource; none for other services."""
    ways = {
        "sqs": _of_sqs,
        "dynamodb": _of_dynamodb,
        "wafv2": _of_waf,
        "sns": _of_sns,
        "events": _of_events,
    }
    way = ways.get(request.service)
    return sorted(set(way(request, request.json()))) if way else []


def _of_sns(request: Request, _: dict[str, Any]) -> Iterator[Need]:
    """Read the call out of a form: SNS speaks no JSON."""
    form = parse_qs(request.body.decode())
    yield f"sns:{form['Action'][0]}", form.get("TopicArn", ["*"])[0]


def _of_events(request: Request, data: dict[str, Any]) -> Iterator[Need]:
    for entry in data.get("Entries", ()):
        bus = str(entry.get("EventBusName", "default")).rpartition("/")[2]
        bus_arn = f"arn:aws:events:{request.region}:{request.account}:event-bus/{bus}"
        yield f"events:{request.action}", bus_arn


def _of_sqs(request: Request, data: dict[str, Any]) -> Iterator[Need]:
    action = _BATCHES.get(request.action, request.action)
    if action in _OF_ALL:
        yield f"sqs:{action}", "*"
        return
    name = data.get("QueueName") or str(data.get("QueueUrl", "")).rstrip("/").rpartition("/")[2]
    owner = data.get("QueueOwnerAWSAccountId") or request.account
    yield f"sqs:{action}", f"arn:aws:sqs:{request.region}:{owner}:{name}"


def _of_dynamodb(request: Request, data: dict[str, Any]) -> Iterator[Need]:
    def table(name: str) -> str:
        return f"arn:aws:dynamodb:{request.region}:{request.account}:table/{name}"

    match request.action:
        case "BatchGetItem" | "BatchWriteItem":
            yield from ((f"dynamodb:{request.action}", table(name)) for name in data["RequestItems"])
        case "TransactGetItems":
            yield from (("dynamodb:GetItem", table(item["Get"]["TableName"])) for item in data["TransactItems"])
        case "ExecuteStatement" | "BatchExecuteStatement":
            for each in data.get("Statements", [data]):
                verb, name = _STATEMENT.match(each["Statement"]).groups()  # type: ignore[union-attr]
                yield f"dynamodb:PartiQL{verb.capitalize()}", table(name)
        case "TransactWriteItems":
            for item in data["TransactItems"]:
                yield from ((f"dynamodb:{_TRANSACTED[kind]}", table(it["TableName"])) for kind, it in item.items())
        case action if action in _OF_ALL:
            yield f"dynamodb:{action}", "*"
        case _:
            index = f"/index/{data['IndexName']}" if "IndexName" in data else ""
            yield f"dynamodb:{request.action}", table(data["TableName"]) + index


def _of_waf(request: Request, data: dict[str, Any]) -> Iterator[Need]:
    action = f"wafv2:{request.action}"
    if request.action in _OF_ALL:
        yield action, "*"
        return
    if request.action in _BY_RESOURCE:
        yield action, data[_BY_RESOURCE[request.action]]
        return
    kind = next(kind for name, kind in _KINDS.items() if request.action.endswith(name))
    folder = _FOLDERS.get(str(data.get("Scope")), "regional")
    named = f"arn:aws:wafv2:{request.region}:{request.account}:{folder}/{kind}/{data.get('Name')}/"
    yield action, data.get("ARN") or data.get("WebACLArn") or named + str(data.get("Id", "new"))
    if kind == "rulegroup" and "Rules" in data:  # the sets that it refers to are resources of the action, too
        yield from ((action, arn) for arn in _arns_in(data["Rules"]))


def _arns_in(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        for name, value in tree.items():
            if name == "ARN":
                yield str(value)
            else:
                yield from _arns_in(value)
    elif isinstance(tree, list):
        for each in tree:
            yield from _arns_in(each)


class Permissions:
    """Policies by session token, and what has been needed."""

    def __init__(self) -> None:
        self._policies: dict[str, dict[str, Any]] = {}
        self._needed: dict[str, Counter[Need]] = defaultdict(Counter)
        self._calls: Counter[str] = Counter()

    def give(self, token: str, policy: dict[str, Any] | None) -> None:
        """Hold everybody with this session token to *policy*; None forgets it and what it needed."""
        self._policies.pop(token, None)
        self._needed.pop(token, None)
        self._calls.pop(token, None)
        if policy is not None:
            self._policies[token] = policy

    def describe(self, token: str) -> dict[str, Any]:
        """How many calls came under this token, what they needed, and what of it is not allowed, how often."""
        needed = self._needed[token]
        statements = self._policies.get(token, {}).get("Statement", ())
        refused = [[*need, number] for need, number in sorted(needed.items()) if not allows(statements, *need)]
        return {"calls": self._calls[token], "needed": sorted(needed), "refused": refused}

    def check(self, request: Request) -> None:
        """Refuse a call that the caller's policy does not allow.

        Raises:
            ApiError: In the words of AWS.
        """
        token = request.headers.get(_TOKEN, "")
        if token not in self._policies:
            return
        self._calls[token] += 1
        for action, resource in needs_of(request):
            self._needed[token][action, resource] += 1
            if not allows(self._policies[token]["Statement"], action, resource):
                raise _denied(request, token, action, resource)


def allows(statements: Iterable[dict[str, Any]], action: str, resource: str) -> bool:
    """Whether a policy's statements, none of which denies or has a condition, allow an action."""
    return any(
        _matches(action, each["Action"]) and _matches(resource, each["Resource"])
        for each in statements
        if each["Effect"] == "Allow"
    )


def _matches(value: str, patterns: str | list[str]) -> bool:
    return any(fnmatchcase(value, each) for each in ([patterns] if isinstance(patterns, str) else patterns))


def _denied(request: Request, token: str, action: str, resource: str) -> ApiError:
    """SQS writes its actions small, and has a code of its own."""
    service, _, name = action.partition(":")
    told = f"{service}:{name.lower()}" if service == "sqs" else action
    caller = f"arn:aws:sts::{request.account}:assumed-role/{token}/f2b"
    on = f"User: {caller} is not authorized to perform: {told} on resource: {resource}"
    code = "AccessDenied" if service == "sqs" else "AccessDeniedException"
    why = f"{on} because no identity-based policy allows the {told} action"
    return FormError("AuthorizationError", why, 403) if service == "sns" else ApiError(code, why)
