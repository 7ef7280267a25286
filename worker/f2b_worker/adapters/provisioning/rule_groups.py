"""The rule group that refers to the IP sets of our blocklists: one rule each. Rules of others are left alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.answers import aws_errors, part_of
from f2b_worker.adapters.provisioning import needs
from f2b_worker.adapters.waf.ip_set import scope_name
from f2b_worker.adapters.waf.rules import SET_REFERENCE, references
from f2b_worker.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mypy_boto3_wafv2 import WAFV2Client
    from mypy_boto3_wafv2.type_defs import RuleGroupSummaryTypeDef, RuleGroupTypeDef

    from f2b_worker.adapters.waf.listing import WafListing
    from f2b_worker.domain.blocklists import Blocklist, Scope


class RuleGroup:
    """One rule group by its name, made or not.

    Args:
        writing: A WAF client of the scope's Region that tries once.
        listing: Reads.
        name: The group's name.
        scope: Its scope, and that of all its sets.
    """

    def __init__(self, writing: WAFV2Client, listing: WafListing, name: str, scope: Scope) -> None:
        self._writing = writing
        self._listing = listing
        self._name = name
        self._scope = scope
        self._made: RuleGroupSummaryTypeDef | None = None

    def find(self) -> RuleGroupSummaryTypeDef | None:
        """Look for the group.

        Raises:
            StartError: If there is one of that name that is not ours.
        """
        for each in self._listing.rule_groups(self._scope):
            if each["Name"] == self._name:
                if each.get("Description") != needs.RULE_GROUP_DESCRIPTION:
                    line = f"rule group {self._name} in {self._scope} was not made by f2b provision"
                    raise StartError(f"{line}: choose another name")
                return each
        return self._made  # a list may lack what was made just now

    def create(self) -> None:
        """Make the group, without a rule."""
        doing = f"making rule group {self._name}"
        wanted: Any = needs.rule_group(self._name, self._scope)
        with aws_errors(doing):
            answer = self._writing.create_rule_group(**wanted)
        self._made = part_of(answer, "Summary", doing, dict)

    def rule_name(self, blocklist: Blocklist) -> str:
        """Name the rule of a blocklist."""
        return needs.rule_name(blocklist.name)

    def refers_to(self, blocklist: Blocklist, arns: Sequence[str]) -> bool:
        """Tell whether the blocklist's rule is there and refers to all these sets."""
        found = self.find()
        if not found:
            return False
        rule = self._rule_of(blocklist, self._read(found)[0]["Rules"])
        return bool(rule) and references(rule, SET_REFERENCE).issuperset(arns)

    def add(self, blocklist: Blocklist, arns: Sequence[str], status: int | None) -> None:
        """Make the blocklist's rule, or add to it what it does not refer to yet; all else of it stays as it is.

        Raises:
            StartError: If somebody changed the rule's statement, so that it is not plain where a set belongs.
        """
        found = self.find()
        if not found:
            raise StartError(f"rule group {self._name} in {self._scope} is gone; run it again")
        group, token = self._read(found)
        ours = self._rule_of(blocklist, group["Rules"])
        rules: list[Any] = [each for each in group["Rules"] if each != ours]
        if ours:
            rules.append({**ours, "Statement": needs.any_of(self._extended(ours, arns))})
        else:
            priority = _free(needs.FIRST_PRIORITY[blocklist.action], {each["Priority"] for each in rules})
            rules.append(needs.rule(blocklist.name, blocklist.action, arns, priority=priority, status=status))
        # What a rule group is updated without is taken from it.
        bodies = group.get("CustomResponseBodies")
        kept: Any = {"CustomResponseBodies": bodies} if bodies else {}
        with aws_errors(f"updating rule group {self._name}"):
            self._writing.update_rule_group(
                Name=self._name,
                Scope=scope_name(self._scope),
                Id=found["Id"],
                Description=needs.RULE_GROUP_DESCRIPTION,
                Rules=sorted(rules, key=lambda each: int(each["Priority"])),
                VisibilityConfig=group["VisibilityConfig"],
                LockToken=token,
                **kept,
            )

    def _read(self, found: RuleGroupSummaryTypeDef) -> tuple[RuleGroupTypeDef, str]:
        doing = f"reading rule group {self._name}"
        group_id = part_of(found, "Id", doing, str)
        self._listing.pace.wait()
        with aws_errors(doing):
            answer = self._listing.client.get_rule_group(
                Name=self._name, Scope=scope_name(self._scope), Id=group_id
            )
        group: RuleGroupTypeDef = part_of(answer, "RuleGroup", doing, dict)
        part_of(group, "VisibilityConfig", doing, dict)
        for rule in part_of(group, "Rules", doing, list):
            for name, kind in (("Name", str), ("Priority", int), ("Statement", dict)):
                part_of(rule, name, doing, kind)
        return group, part_of(answer, "LockToken", doing, str)

    def _rule_of(self, blocklist: Blocklist, rules: Sequence[Any]) -> Any:
        return next((each for each in rules if each["Name"] == self.rule_name(blocklist)), None)

    def _extended(self, rule: Mapping[str, Any], arns: Sequence[str]) -> list[str]:
        statement = rule["Statement"]
        several = statement.get("OrStatement", {}).get("Statements", [statement])
        if not all(each.keys() == {SET_REFERENCE} and each[SET_REFERENCE].keys() == {"ARN"} for each in several):
            line = f"rule {rule['Name']} of rule group {self._name} was changed by somebody else"
            raise StartError(f"{line}: let it refer to {', '.join(arns)}, too, or delete it and run this again")
        there = [each[SET_REFERENCE]["ARN"] for each in several]
        return [*there, *(arn for arn in arns if arn not in there)]


def _free(first: int, taken: set[int]) -> int:
    while first in taken:
        first += 1
    return first


def web_acl_rule(name: str, arn: str, scope: Scope) -> str:
    """Say how a rule group is put into a web ACL."""
    rule = needs.web_acl_rule(name, arn)
    return (
        f"Put rule group {name} into your {scope} web ACL: f2b never changes one. In the console: Add rules, My "
        f"own rules and rule groups, Rule group. Or add this to its rules, before the rules that allow requests:\n"
        f"  {json.dumps(rule)}\n"
        f"It takes {needs.RULE_GROUP_CAPACITY} WCU of the web ACL, one for each IP set that it may refer to now "
        "or later."
    )
