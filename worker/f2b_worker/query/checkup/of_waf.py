"""The IP sets of each Region: whether they are there, used and enforced, and what a role may do to them."""

from __future__ import annotations

from contextlib import suppress
from functools import cache, partial
from typing import TYPE_CHECKING

from f2b_worker.adapters.aws import dynamodb_client
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.dynamodb.lease import holder_of
from f2b_worker.adapters.probes import probe_ip_set, waf_probes
from f2b_worker.adapters.provisioning import waf as provision_waf
from f2b_worker.adapters.waf.rules import COUNT
from f2b_worker.domain.blocklists import SET_CAPACITY, Scope
from f2b_worker.errors import LockLost
from f2b_worker.process.opening import provision_command
from f2b_worker.process.regions import by_region, open_finders, open_listing
from f2b_worker.query.checkup.check import Check, Role, permissions
from f2b_worker.query.checkup.of_fleet import steps_of
from f2b_worker.query.looking import nobody_enforces

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from f2b_worker.adapters.waf.ip_set import WafIpSet
    from f2b_worker.adapters.waf.rules import Use
    from f2b_worker.config.operator import OperatorSettings
    from f2b_worker.domain.blocklists import Blocklist

_READING = ("wafv2:ListIPSets", "wafv2:GetIPSet")
_SEEING_RULES = ("wafv2:ListWebACLs", "wafv2:GetWebACL", "wafv2:GetRuleGroup")


def of_waf(settings: OperatorSettings, blocklists: Sequence[Blocklist], role: Role) -> Iterator[Check]:
    """List what is looked at of the IP sets, and of who enforces.

    Args:
        settings: They name what is made, and the table with the leases.
        blocklists: Those with IP sets.
        role: Whose permissions.
    """
    policy = "standalone" if settings.state_file and role is Role.WORKER else role.policy
    command = provision_command(settings, settings.config, queue=settings.queue or settings.table)
    for region, here in by_region(blocklists).items():
        sets = _Sets(region, here)
        yield from sets.permissions(role, policy)
        if role is Role.OPERATOR:
            for plan in provision_waf.plans(here, provision_waf.Wish(), SystemClock()):
                yield from steps_of(f"IP sets of {region}", plan.steps, command, policy)
        yield Check(f"names of the IP sets of {region}", sets.find, policy)
        for each in (each for several in sets.found.values() for each in several):
            yield Check(f"rule for IP set {each.name}", partial(sets.without_rule, each), policy)
            if role is Role.OPERATOR and sets.can_tell_what_is_protected(each):
                yield Check(f"web ACL for IP set {each.name}", partial(sets.without_resource, each), policy)
            yield Check(f"room in IP set {each.name}", partial(_full, each, command), policy)
        if role.enforces:
            for blocklist, (first, *_) in ((name, several) for name, several in sets.found.items() if several):
                what = f"permission wafv2:UpdateIPSet on the IP sets of {blocklist}"
                yield Check(what, partial(_probe_set, first), policy)
        if not settings.state_file:
            yield Check(f"enforcer of {region}", partial(_without_enforcer, settings, region), policy)


class _Sets:
    """The IP sets of one Region; a check finds them, and the next ones look at each.

    Attributes:
        found: Those of each blocklist, by its name.
    """

    def __init__(self, region: str, blocklists: Sequence[Blocklist]) -> None:
        self._blocklists = blocklists
        (self._finder,) = open_finders(blocklists, SystemClock())
        self._listing = open_listing(region, SystemClock())
        self.found: Mapping[str, Sequence[WafIpSet]] = {}
        self._uses = cache(self._listing.uses)
        self._is_associated = cache(self._listing.is_associated)

    def permissions(self, role: Role, policy: str) -> Iterator[Check]:
        """List what is tried of what a role reads."""
        actions = (*_READING, *(_SEEING_RULES if role.enforces else ()))
        first = self._blocklists[0]
        yield from permissions(actions, lambda: waf_probes(self._listing, first.scope, first.ip_sets[0]), policy)

    def find(self) -> None:
        """Find them.

        Raises:
            Missing: If a name stands for none.
        """
        self._finder.check()
        self.found = self._finder.find()

    def without_rule(self, ip_set: WafIpSet) -> str | None:
        """Say so where no rule blocks who is in a set."""
        uses = self._uses_of(ip_set)
        if not uses:
            missing = f"no rule in use refers to {ip_set.name}: nobody in it is blocked"
            return f"{missing}; docs/blocklists.md shows the rule"
        if all(each.action == COUNT for each in uses):
            use = uses[0]
            return (
                f"rule {use.rule} of web ACL {use.web_acl} only counts: nobody in {ip_set.name} is blocked; "
                "set the action of the rule to Block, or its override to none"
            )
        return None

    def can_tell_what_is_protected(self, ip_set: WafIpSet) -> bool:
        """Tell whether it can be asked what the web ACLs of a set protect; CloudFront's own API would have to."""
        return _scope_of(ip_set) is Scope.REGIONAL

    def without_resource(self, ip_set: WafIpSet) -> str | None:
        """Say so where the web ACLs that refer to a set protect nothing."""
        web_acls = {each.arn: each.web_acl for each in self._uses_of(ip_set)}
        unseen: tuple[str, ...] = ()
        for arn in web_acls:
            is_associated, unseen = self._is_associated(arn)
            if is_associated:
                return None
        if not web_acls:
            return None  # its rule is missing, which was said
        maybe = f", unless it is with one of {', '.join(unseen)}, which cannot be seen" if unseen else ""
        return (
            f"web ACL {' and '.join(web_acls.values())} is associated with nothing{maybe}: it protects nobody; "
            f"aws wafv2 associate-web-acl --web-acl-arn {next(iter(web_acls))} --resource-arn "
            "<ARN of the load balancer or API>"
        )

    def _uses_of(self, ip_set: WafIpSet) -> Sequence[Use]:
        return self._uses(_scope_of(ip_set)).get(ip_set.id, [])


def _scope_of(ip_set: WafIpSet) -> Scope:
    return Scope.CLOUDFRONT if ":global/" in ip_set.id else Scope.REGIONAL


def _full(ip_set: WafIpSet, command: str) -> str | None:
    number = len(ip_set.read().entries)
    if number < SET_CAPACITY:
        return None
    return f"it holds {number:,} entries, as many as WAF allows: {command} --capacity N makes more"


def _probe_set(ip_set: WafIpSet) -> None:
    with suppress(LockLost):  # so far only who may write comes
        probe_ip_set(ip_set)


def _without_enforcer(settings: OperatorSettings, region: str) -> str | None:
    holder = holder_of(dynamodb_client(connections=1), settings.table, f"enforcer/{region}")
    return None if holder.owner else nobody_enforces(region)
