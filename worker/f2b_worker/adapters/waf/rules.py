"""Which IP sets the rules of web ACLs and rule groups refer to, and what they do to who is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SET_REFERENCE = "IPSetReferenceStatement"
GROUP_REFERENCE = "RuleGroupReferenceStatement"
COUNT = "Count"
"""The action of a rule that only counts."""

_RULES = ("Rules", "PreProcessFirewallManagerRuleGroups", "PostProcessFirewallManagerRuleGroups")


class Use(NamedTuple):
    """A rule that refers to an IP set.

    Attributes:
        web_acl: The name of the web ACL.
        arn: Its ARN.
        rule: The name of the rule, which may stand in a rule group.
        action: What it does, as WAF names it: `Block`, `Count`, `Captcha` …
    """

    web_acl: str
    arn: str
    rule: str
    action: str


def references(tree: Any, kind: str) -> frozenset[str]:
    """Collect the ARNs in statements of one *kind*, wherever in a web ACL or a rule group they stand.

    Rules nest statements in And, Or and Not, and in the scope-down statements of rate-based rules and of managed
    rule groups; Firewall Manager's own groups stand beside the rules.
    """
    if isinstance(tree, dict):
        own = {tree[kind]["ARN"]} if kind in tree else set()
        return frozenset(own).union(*(references(each, kind) for each in tree.values()))
    if isinstance(tree, list):
        return frozenset().union(*(references(each, kind) for each in tree))
    return frozenset()


def uses_in(web_acl: Any, groups: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Go through the references to IP sets in a web ACL: the set's ARN, the rule's name, and its action.

    Args:
        web_acl: As WAF describes it.
        groups: The rule groups that it may refer to, by ARN.
    """
    for rule in _rules_of(web_acl):
        name, counts = rule.get("Name", ""), COUNT in rule.get("OverrideAction", {})
        for arn in references(rule, SET_REFERENCE):
            yield arn, name, COUNT if counts else _action(rule)
        for arn in references(rule, GROUP_REFERENCE):
            overrides = _overrides(rule)
            for inner in _rules_of(groups.get(arn, {})):
                action = COUNT if counts else overrides.get(inner.get("Name", "")) or _action(inner)
                yield from ((each, inner.get("Name", ""), action) for each in references(inner, SET_REFERENCE))


def _rules_of(holder: Any) -> Iterator[Any]:
    for name in _RULES:
        yield from holder.get(name, ())


def _action(rule: Any) -> str:
    return next(iter(rule.get("Action", {})), "")


def _overrides(tree: Any) -> dict[str, str]:
    """Find what a web ACL makes of single rules of a rule group, wherever its reference stands."""
    if isinstance(tree, list):
        return {name: action for each in tree for name, action in _overrides(each).items()}
    if not isinstance(tree, dict):
        return {}
    own = tree.get(GROUP_REFERENCE, {}).get("RuleActionOverrides", ())
    found = {each["Name"]: next(iter(each["ActionToUse"]), "") for each in own}
    return found | {name: action for each in tree.values() for name, action in _overrides(each).items()}
