"""Makes IP sets, and a rule group that refers to them, at the one write a second that WAF allows."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Any, TypeVar

from f2b_worker.adapters.answers import aws_errors, part_of
from f2b_worker.adapters.aws import wafv2_client
from f2b_worker.adapters.provisioning import needs
from f2b_worker.adapters.provisioning.needs import FAMILIES, RULE_GROUP_CAPACITY, Family
from f2b_worker.adapters.provisioning.rule_groups import RuleGroup, web_acl_rule
from f2b_worker.adapters.provisioning.steps import Step
from f2b_worker.adapters.waf.ip_set import region_of, scope_name
from f2b_worker.adapters.waf.listing import WafListing
from f2b_worker.domain.blocklists import (
    SET_CAPACITY,
    Scope,
    bases_named,
    ip_sets_named,
    ip_sets_needed,
    ip_sets_of,
)
from f2b_worker.errors import LockLost, StartError, Throttled, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mypy_boto3_wafv2.type_defs import IPSetSummaryTypeDef

    from f2b_worker.domain.blocklists import Blocklist
    from f2b_worker.ports import Clock

WRITE_EVERY_S = 1.1
"""WAF allows one Create or Update a second per account and Region; a running enforcer needs its share, too."""

_TRIES = 5

UNAVAILABLE_FOR_S = 60.0
"""How long WAF may say of what was made just now that it is not available yet, before that is an error.

Usually seconds: https://github.com/hashicorp/terraform-provider-aws/issues/17527"""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted of WAF.

    Attributes:
        capacity: For how many addresses of each family every blocklist has room.
        rule_group: The name of a rule group to make, if any.
        status: The HTTP status that a blocked request is answered with; None is WAF's own, 403.
    """

    capacity: int = SET_CAPACITY
    rule_group: str | None = None
    status: int | None = None


class WafPlan:
    """What blocklists need in the WAF of one scope.

    Args:
        scope: Their scope.
        blocklists: All of that scope.
        wish: What is wanted.
        clock: Paces every call.
        writes: Paces what changes something: both scopes may share one budget.
    """

    def __init__(
        self, scope: Scope, blocklists: Sequence[Blocklist], wish: Wish, clock: Clock, *, writes: Writes
    ) -> None:
        self._scope = scope
        self._blocklists = blocklists
        self._wish = wish
        self._looking = wafv2_client(region_of(scope), attempts=8)  # it may wait
        self._writing = wafv2_client(region_of(scope))
        self._listing = WafListing(self._looking, clock)
        self._writes = writes
        self._made: dict[str, IPSetSummaryTypeDef] = {}

    def steps(self) -> Iterator[Step]:
        """List what must be there, in the order in which it can be made.

        Raises:
            StartError: If a rule group cannot hold so many references.
        """
        existing = self._existing()
        named = {each.name: list(self._sets(each, existing)) for each in self._blocklists}
        if self._wish.rule_group:
            _check_references(sum(map(len, named.values())), self._scope)
        for sets in named.values():
            for name, family in sets:
                there = name in existing
                yield Step(f"IP set {name}", partial(bool, there), partial(self._make_ip_set, name, family))
        if self._wish.rule_group:
            counts = {blocklist: len(sets) for blocklist, sets in named.items()}
            yield from self._rule_group_steps(self._wish.rule_group, counts)

    def _existing(self) -> dict[str, IPSetSummaryTypeDef]:
        # A list may lack what was made just now.
        return self._made | {each["Name"]: each for each in self._listing.ip_sets(self._scope)}

    def _sets(
        self, blocklist: Blocklist, existing: Mapping[str, IPSetSummaryTypeDef]
    ) -> Iterator[tuple[str, Family]]:
        number = ceil(self._wish.capacity / SET_CAPACITY)
        for name in blocklist.ip_sets:
            bases = bases_named(name, existing)
            for base, family in zip(bases, self._families(name, bases, existing), strict=True):
                for each in ip_sets_needed(base, existing, number):
                    yield each, family

    def _families(
        self, name: str, bases: Sequence[str], existing: Mapping[str, IPSetSummaryTypeDef]
    ) -> tuple[Family, ...]:
        if len(bases) > 1:
            return FAMILIES
        # A set of exactly the given name: its family stands nowhere but in the set.
        first = existing[ip_sets_named(name, existing)[0]]
        doing = f"IP set {first['Name']}"
        set_id = part_of(first, "Id", doing, str)
        self._listing.pace.wait()
        with aws_errors(doing):
            answer = self._looking.get_ip_set(Name=first["Name"], Scope=scope_name(self._scope), Id=set_id)
        return (part_of(part_of(answer, "IPSet", doing, dict), "IPAddressVersion", doing, str),)

    def _make_ip_set(self, name: str, family: Family) -> None:
        wanted: Any = needs.ip_set(name, family, self._scope)

        def create() -> None:
            doing = f"making IP set {name}"
            with aws_errors(doing):
                answer = self._writing.create_ip_set(**wanted)
            self._made[name] = part_of(answer, "Summary", doing, dict)

        self._writes.run(create, is_repeatable=False)

    def _rule_group_steps(self, name: str, sets: Mapping[str, int]) -> Iterator[Step]:
        group = RuleGroup(self._writing, self._listing, name, self._scope)
        room = f"{sum(sets.values())} of {RULE_GROUP_CAPACITY} WCU used"
        yield Step(
            f"rule group {name} in {self._scope} ({room})",
            lambda: group.find() is not None,
            partial(self._writes.run, group.create, is_repeatable=False),
        )
        for each in self._blocklists:
            yield Step(
                f"rule {group.rule_name(each)} of rule group {name} ({each.action}, {sets[each.name]} IP sets)",
                partial(self._has_rule, group, each, sets[each.name]),
                partial(self._make_rule, group, each),
            )

    def _has_rule(self, group: RuleGroup, blocklist: Blocklist, sets: int) -> bool:
        arns = self._arns(blocklist)
        return len(arns) >= sets and group.refers_to(blocklist, arns)

    def _make_rule(self, group: RuleGroup, blocklist: Blocklist) -> None:
        arns = self._arns(blocklist)
        self._writes.run(lambda: group.add(blocklist, arns, self._wish.status))

    def _arns(self, blocklist: Blocklist) -> list[str]:
        existing = self._existing()
        found = ip_sets_of(blocklist, existing)
        return [part_of(existing[name], "ARN", f"looking for IP set {name}", str) for name in found]

    def advice(self) -> str:
        """Say how the rule group is put into a web ACL; nothing if there is none to put there."""
        if not self._wish.rule_group:
            return ""
        found = RuleGroup(self._writing, self._listing, self._wish.rule_group, self._scope).find()
        name = self._wish.rule_group
        if found:
            arn = part_of(found, "ARN", f"looking for rule group {name}", str)
        else:
            arn = f"(the ARN of rule group {name}, once it is made)"
        return web_acl_rule(name, arn, self._scope)


def plans(blocklists: Sequence[Blocklist], wish: Wish, clock: Clock) -> list[WafPlan]:
    """Plan for each scope that the blocklists are in."""
    by_scope = {scope: [each for each in blocklists if each.scope == scope] for scope in Scope}
    writes = Writes(clock)
    return [WafPlan(scope, those, wish, clock, writes=writes) for scope, those in by_scope.items() if those]


def _check_references(number: int, scope: Scope) -> None:
    if number > RULE_GROUP_CAPACITY:
        raise StartError(
            f"{number} IP sets in {scope}: a rule group refers to {RULE_GROUP_CAPACITY} at most; ask for less "
            "--capacity, or provision without --rule-group and spread the sets over rules of your own"
        )


class Writes:
    """Makes one change a second, however many there are."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._never = threading.Event()
        self._wrote_s = float("-inf")

    def run(self, write: Callable[[], T], *, is_repeatable: bool = True) -> T:
        """Write when it is time; again if somebody else took the second, or changed the same thing.

        Args:
            write: Makes the change.
            is_repeatable: Whether doing it twice is no error. Then also again while WAF is unavailable, as it is
                for what refers to something that was made just now.
        """
        ends_s = self._clock.monotonic_s() + UNAVAILABLE_FOR_S
        tries = 1
        while True:
            try:
                return self._once(write)
            except (Throttled, LockLost):
                tries += 1
                if tries > _TRIES:
                    raise
            except Unavailable:
                if not is_repeatable or self._clock.monotonic_s() >= ends_s:
                    raise

    def _once(self, write: Callable[[], T]) -> T:
        self._clock.wait(self._never, max(0.0, self._wrote_s + WRITE_EVERY_S - self._clock.monotonic_s()))
        try:
            return write()
        finally:
            self._wrote_s = self._clock.monotonic_s()
