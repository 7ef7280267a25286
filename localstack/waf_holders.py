"""AWS WAF's rule groups and web ACLs: what refers to IP sets, with lock tokens, capacity and limits.

https://docs.aws.amazon.com/waf/latest/APIReference/API_CreateRuleGroup.html and its neighbours.
Of a rule's statements only the references are looked at: what a request looks like is nobody's business here.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from localstack.edge_http import Request
from localstack.ip_ranges import invalid
from localstack.waf_parts import (
    Data,
    Handler,
    arn_of,
    associated,
    check_lock,
    check_new,
    limit_exceeded,
    new_token,
    nonexistent,
    page_of,
)

REFERENCES_EACH = 50
SET_REFERENCE = "IPSetReferenceStatement"
GROUP_REFERENCE = "RuleGroupReferenceStatement"
KINDS = {"RuleGroup": "rulegroup", "WebACL": "webacl"}
RESOURCES = {
    "APPLICATION_LOAD_BALANCER": "elasticloadbalancing",
    "API_GATEWAY": "apigateway",
    "APPSYNC": "appsync",
    "COGNITO_USER_POOL": "cognito-idp",
    "APP_RUNNER_SERVICE": "apprunner",
    "VERIFIED_ACCESS_INSTANCE": "ec2",
    "AMPLIFY": "amplify",
}
"""What a web ACL can protect, and the service in its ARN."""

_KEPT = ("Rules", "VisibilityConfig", "DefaultAction", "Description")


@dataclass(slots=True)
class Holder:
    """A rule group or a web ACL as it stands."""

    kind: str
    name: str
    id: str
    arn: str
    capacity: int
    content: Data
    lock_token: str = field(default_factory=new_token)

    def summary(self) -> Data:
        """It in a list or as the answer to its creation."""
        described = {"Name": self.name, "Id": self.id, "ARN": self.arn, "LockToken": self.lock_token}
        return {**described, "Description": self.content.get("Description", "")}

    def describe(self) -> Data:
        """It with its rules."""
        return {"Name": self.name, "Id": self.id, "ARN": self.arn, "Capacity": self.capacity, **self.content}

    def refers_to(self, arn: str) -> bool:
        """Whether one of its rules names that ARN."""
        rules = self.content.get("Rules", [])
        return any(arn in references(rules, kind) for kind in (SET_REFERENCE, GROUP_REFERENCE))


class Holders:
    """The rule groups and web ACLs of all accounts and regions.

    Args:
        knows_set: Whether there is an IP set of that ARN.
    """

    def __init__(self, knows_set: Callable[[str], bool]) -> None:
        self._knows_set = knows_set
        self._holders: dict[tuple[str, str, str, str], dict[str, Holder]] = {}
        self._protected_by: dict[str, str] = {}
        self.actions: dict[str, Handler] = {
            "AssociateWebACL": self._associate,
            "DisassociateWebACL": self._disassociate,
            "GetWebACLForResource": self._acl_of,
            "ListResourcesForWebACL": self._resources,
        }
        for kind in KINDS:
            self.actions |= self._actions_of(kind)

    def _actions_of(self, kind: str) -> dict[str, Handler]:
        return {
            f"Create{kind}": lambda request, data: self._create(kind, request, data),
            f"Get{kind}": lambda request, data: self._get(kind, request, data),
            f"Update{kind}": lambda request, data: self._update(kind, request, data),
            f"Delete{kind}": lambda request, data: self._delete(kind, request, data),
            f"List{kind}s": lambda request, data: self._list(kind, request, data),
        }

    def clear(self) -> None:
        """Forget all."""
        self._holders.clear()
        self._protected_by.clear()

    def refer_to(self, arn: str) -> bool:
        """Whether any rule names that ARN."""
        return any(each.refers_to(arn) for each in self._all())

    def knows(self, arn: str) -> bool:
        """Whether there is a rule group or a web ACL of that ARN."""
        return any(each.arn == arn for each in self._all())

    def _all(self) -> Iterator[Holder]:
        for holders in self._holders.values():
            yield from holders.values()

    def _here(self, kind: str, request: Request, data: Data) -> dict[str, Holder]:
        return self._holders.setdefault((kind, request.account, request.region, data["Scope"]), {})

    def _create(self, kind: str, request: Request, data: Data) -> Data:
        here, name = self._here(kind, request, data), data["Name"]
        check_new(here.values(), name)
        content = self._content(data)
        capacity = int(data["Capacity"]) if kind == "RuleGroup" else self._used(content)
        self._check_rules(kind, content, capacity)
        made_id = new_token()
        arn = arn_of(request, data, KINDS[kind], name, made_id)
        here[made_id] = Holder(kind, name, made_id, arn, capacity, content)
        return {"Summary": here[made_id].summary()}

    def _get(self, kind: str, request: Request, data: Data) -> Data:
        known = self._find(kind, request, data)
        return {kind: known.describe(), "LockToken": known.lock_token}

    def _update(self, kind: str, request: Request, data: Data) -> Data:
        known, content = self._find(kind, request, data), self._content(data)
        check_lock(known, data)
        self._check_rules(kind, content, known.capacity)
        known.content, known.lock_token = content, new_token()
        return {"NextLockToken": known.lock_token}

    def _delete(self, kind: str, request: Request, data: Data) -> Data:
        known = self._find(kind, request, data)
        check_lock(known, data)
        if self.refer_to(known.arn) or known.arn in self._protected_by.values():
            raise associated()
        del self._here(kind, request, data)[known.id]
        return {}

    def _list(self, kind: str, request: Request, data: Data) -> Data:
        page, more = page_of(self._here(kind, request, data).values(), data)
        return {f"{kind}s": [known.summary() for known in page], **more}

    def _associate(self, _request: Request, data: Data) -> Data:
        self._acl(data)
        self._protected_by[data["ResourceArn"]] = data["WebACLArn"]
        return {}

    def _disassociate(self, _request: Request, data: Data) -> Data:
        self._protected_by.pop(data["ResourceArn"], None)
        return {}

    def _acl_of(self, _request: Request, data: Data) -> Data:
        """Answer the web ACL of a resource; one that has none is no error, and the answer is empty."""
        arn = self._protected_by.get(data["ResourceArn"])
        return {} if arn is None else {"WebACL": self._acl({"WebACLArn": arn}).describe()}

    def _resources(self, _request: Request, data: Data) -> Data:
        acl = self._acl(data)
        kind = data.get("ResourceType", "APPLICATION_LOAD_BALANCER")
        if kind not in RESOURCES:
            raise invalid("RESOURCE_TYPE", kind, "The resource type is not valid.")
        mark = f":{RESOURCES[kind]}:"
        return {
            "ResourceArns": [each for each, by in self._protected_by.items() if by == acl.arn and mark in each]
        }

    def _acl(self, data: Data) -> Holder:
        for known in self._all():
            if known.arn == data["WebACLArn"] and known.kind == "WebACL":
                return known
        raise nonexistent()

    def _find(self, kind: str, request: Request, data: Data) -> Holder:
        if "ARN" in data and "Id" not in data:
            for known in self._all():
                if known.arn == data["ARN"] and known.kind == kind:
                    return known
            raise nonexistent()
        found = self._here(kind, request, data).get(str(data.get("Id")))
        if found is None or found.name != data.get("Name"):
            raise nonexistent()
        return found

    def _content(self, data: Data) -> Data:
        return {"Rules": []} | {name: data[name] for name in _KEPT if name in data}

    def _check_rules(self, kind: str, content: Data, capacity: int) -> None:
        rules: list[Data] = content["Rules"]
        for key in ("Name", "Priority"):
            if len({rule[key] for rule in rules}) < len(rules):
                raise invalid("RULE", str(key), "The parameter is given twice.")
        for statements in _lists_of_statements(rules):
            if len(statements) < 2:
                raise invalid("STATEMENT", "Statements", "A statement of several needs at least two.")
        sets, groups = references(rules, SET_REFERENCE), references(rules, GROUP_REFERENCE)
        if not all(map(self._knows_set, sets)) or not all(map(self._group, groups)):
            raise nonexistent()
        if groups and kind == "RuleGroup":
            raise invalid("STATEMENT", GROUP_REFERENCE, "A rule group cannot hold a rule group.")
        if len(sets) + len(groups) > REFERENCES_EACH or self._used(content) > capacity:
            raise limit_exceeded()

    def _group(self, arn: str) -> Holder | None:
        return next((each for each in self._all() if each.arn == arn and each.kind == "RuleGroup"), None)

    def _used(self, content: Data) -> int:
        """Add up web ACL capacity units: one a reference to an IP set, a group its own."""
        groups = map(self._group, references(content["Rules"], GROUP_REFERENCE))
        return len(references(content["Rules"], SET_REFERENCE)) + sum(group.capacity for group in groups if group)


def references(tree: Any, kind: str) -> list[str]:
    """Collect the ARNs of the references of one kind, at any depth."""
    if isinstance(tree, list):
        return [arn for each in tree for arn in references(each, kind)]
    if not isinstance(tree, dict):
        return []
    own = [tree[kind]["ARN"]] if kind in tree else []
    return own + [arn for each in tree.values() for arn in references(each, kind)]


def _lists_of_statements(tree: Any) -> Iterator[list[Data]]:
    if isinstance(tree, dict):
        if "Statements" in tree:
            yield tree["Statements"]
        tree = list(tree.values())
    if isinstance(tree, list):
        for each in tree:
            yield from _lists_of_statements(each)
