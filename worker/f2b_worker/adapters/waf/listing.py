"""What there is in AWS WAF, page by page, and which rules refer to which IP sets."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from f2b_worker.adapters.answers import aws_errors, odd_answers, part_of
from f2b_worker.adapters.waf.ip_set import scope_name
from f2b_worker.adapters.waf.rules import GROUP_REFERENCE, Use, references, uses_in
from f2b_worker.errors import AccessDenied, Missing, Rejected, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_wafv2 import WAFV2Client
    from mypy_boto3_wafv2.type_defs import IPSetSummaryTypeDef, RuleGroupSummaryTypeDef

    from f2b_worker.domain.blocklists import Scope
    from f2b_worker.ports import Clock

READS_PER_S = 4.0
"""WAF answers five Get or List requests a second to all callers of an account together."""

READS_BESIDE_PER_S = 1.0
"""What is left when an enforcer reads its sets at four a second."""

READS_OF_A_COMMAND_PER_S = 2.0
"""For a command beside a running fleet: an enforcer seldom needs all of its four, and the command tries again."""

_PAGE = 100
_PROTECTED = ("APPLICATION_LOAD_BALANCER", "API_GATEWAY", "APPSYNC")
_PROTECTED_TOO = ("COGNITO_USER_POOL", "APP_RUNNER_SERVICE", "VERIFIED_ACCESS_INSTANCE", "AMPLIFY")
"""What else a web ACL of a Region protects; who looks needs permissions of that service besides."""


class Pace:
    """Lets a second's reads go at once, and the others one by one; threads may share it.

    Attributes:
        per_s: How many reads may go in a second.
    """

    def __init__(self, clock: Clock, per_s: float | None = None) -> None:
        self.per_s = per_s or READS_PER_S
        self._lock = threading.Lock()
        self._clock = clock
        self._never = threading.Event()
        self._free_s = float("-inf")

    def wait(self) -> None:
        """Wait for the turn of one read."""
        with self._lock:
            now_s = self._clock.monotonic_s()
            # As if a second without a read had saved up its reads, and no more.
            turn_s = self._free_s = max(self._free_s, now_s - 1.0) + 1 / self.per_s
        if turn_s > now_s:
            self._clock.wait(self._never, turn_s - now_s)


class _WebAcl(NamedTuple):
    """A web ACL: its rules, and the rule groups that they refer to."""

    name: str
    arn: str
    rules: Any
    groups: frozenset[str]


class WafListing:
    """Lists and gets what WAF has, in no hurry.

    Args:
        client: Tries again when it is throttled.
        clock: For the pace.
        per_s: How many reads may go in a second; by default nearly all.
    """

    def __init__(self, client: WAFV2Client, clock: Clock, per_s: float | None = None) -> None:
        self.client = client
        self.pace = Pace(clock, per_s)

    def ip_sets(self, scope: Scope) -> Iterator[IPSetSummaryTypeDef]:
        """List the IP sets."""
        return self._named(self.client.list_ip_sets, "IPSets", "the IP sets", scope)

    def rule_groups(self, scope: Scope) -> Iterator[RuleGroupSummaryTypeDef]:
        """List the account's own rule groups."""
        return self._named(self.client.list_rule_groups, "RuleGroups", "the rule groups", scope)

    def referenced(self, scope: Scope) -> frozenset[str]:
        """Find the ARNs of the IP sets that a web ACL's rules refer to, at any depth or by way of a rule group."""
        return frozenset(self.uses(scope))

    def uses(self, scope: Scope) -> dict[str, list[Use]]:
        """Find by the ARN of each IP set the rules of web ACLs that refer to it, and what they do."""
        with odd_answers("looking for rules"):
            acls = list(self._web_acls(scope))
            groups = {arn: self._rule_group(arn) for arn in sorted({arn for acl in acls for arn in acl.groups})}
            found: dict[str, list[Use]] = {}
            for acl in acls:
                for set_arn, rule, action in uses_in(acl.rules, groups):
                    found.setdefault(set_arn, []).append(Use(acl.name, acl.arn, rule, action))
            return found

    def is_associated(self, web_acl: str) -> tuple[bool, tuple[str, ...]]:
        """Tell whether a web ACL of a Region protects anything, and of which kinds of it nobody can tell."""
        unseen = []
        for kind in (*_PROTECTED, *_PROTECTED_TOO):
            self.pace.wait()
            doing = "looking for what web ACLs protect"
            try:
                with aws_errors(doing):
                    kind_of: Any = {"ResourceType": kind}
                    answer = self.client.list_resources_for_web_acl(WebACLArn=web_acl, **kind_of)
            except (AccessDenied, Rejected):
                if kind in _PROTECTED:
                    raise
                unseen.append(kind)
                continue
            if part_of({"ResourceArns": [], **answer}, "ResourceArns", doing, list):
                return True, ()
        return False, tuple(unseen)

    def _web_acls(self, scope: Scope) -> Iterator[_WebAcl]:
        for summary in self._pages(self.client.list_web_acls, "WebACLs", "the web ACLs", scope):
            rules = self._web_acl(scope, summary)
            # Firewall Manager adds groups of another account, which cannot hold sets of this one, nor be read.
            ours = _account(summary["ARN"])
            groups = frozenset(arn for arn in references(rules, GROUP_REFERENCE) if _account(arn) == ours)
            yield _WebAcl(summary["Name"], summary["ARN"], rules, groups)

    def _web_acl(self, scope: Scope, summary: Any) -> Any:
        self.pace.wait()
        name = summary["Name"]
        try:
            with aws_errors(f"reading web ACL {name}"):
                answer = self.client.get_web_acl(Name=name, Scope=scope_name(scope), Id=summary["Id"])
        except Missing:  # deleted since it was listed
            return {}
        return part_of(answer, "WebACL", f"reading web ACL {name}")

    def _rule_group(self, arn: str) -> Any:
        self.pace.wait()
        try:
            with aws_errors(f"reading rule group {arn}"):
                return part_of(self.client.get_rule_group(ARN=arn), "RuleGroup", f"reading rule group {arn}")
        except Missing:
            return {}

    def _named(self, ask: Callable[..., Any], key: str, what: str, scope: Scope) -> Iterator[Any]:
        for each in self._pages(ask, key, what, scope):
            part_of(each, "Name", f"listing {what}", str)
            yield each

    def _pages(self, ask: Callable[..., Any], key: str, what: str, scope: Scope) -> Iterator[Any]:
        doing = f"listing {what}"
        asked: list[str] = []
        while True:
            self.pace.wait()
            with aws_errors(doing):
                page = ask(Scope=scope_name(scope), Limit=_PAGE, **({"NextMarker": asked[-1]} if asked else {}))
            items = part_of(page, key, doing, list)
            if not all(isinstance(each, dict) for each in items):
                raise Unavailable(f"{doing}: the answer's {key} are no summaries; is it AWS that answers?")
            yield from items
            # A page may be empty and name a next one. One that names itself, or one before it, is the last.
            if not page.get("NextMarker") or page["NextMarker"] in asked:
                return
            asked.append(part_of(page, "NextMarker", doing, str))


def _account(arn: str) -> str:
    return arn.split(":")[4]
