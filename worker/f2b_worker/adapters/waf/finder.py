"""Which IP sets there are for the blocklists of one Region, and whether a rule uses them."""

from __future__ import annotations

import threading
from operator import itemgetter
from typing import TYPE_CHECKING

from f2b_worker.adapters.answers import part_of
from f2b_worker.adapters.aws import asked_region
from f2b_worker.adapters.waf.ip_set import WafIpSet, open_ip_set
from f2b_worker.adapters.waf.listing import READS_BESIDE_PER_S, WafListing
from f2b_worker.domain.blocklists import Scope, family_names, ip_sets_named, ip_sets_of, sets_after
from f2b_worker.errors import Missing, StartError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from mypy_boto3_wafv2 import WAFV2Client
    from mypy_boto3_wafv2.type_defs import IPSetSummaryTypeDef

    from f2b_worker.domain.blocklists import Blocklist
    from f2b_worker.ports import Clock, IpSet

Existing = dict[Scope, dict[str, "IPSetSummaryTypeDef"]]


class WafFinder:
    """Finds the IP sets of blocklists.

    Args:
        looking: A client of the blocklists' Region that tries again when it is throttled.
        blocklists: Those that are reached in that Region, of either scope.
        clock: Paces the reading.
        writing: The client that the sets are read and written with; by default the same.
        reads_per_s: How many reads may go in a second until all sets are found; by default nearly all.
        meanwhile: Called before each set that is opened: many of them take longer than a lease waits.
    """

    def __init__(  # noqa: PLR0913
        self,
        looking: WAFV2Client,
        blocklists: Sequence[Blocklist],
        clock: Clock,
        *,
        writing: WAFV2Client | None = None,
        reads_per_s: float | None = None,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:
        self._blocklists = blocklists
        self._listing = WafListing(looking, clock, reads_per_s)
        self._writing = writing or looking
        self._meanwhile = meanwhile
        self._clock = clock
        self._finding = threading.Lock()
        self._known: dict[str, WafIpSet] = {}
        self._opened: dict[str, WafIpSet] = {}  # by searches that failed later on

    def find(self, tell: Callable[[str, WafIpSet], None] = lambda *_: None) -> Mapping[str, Sequence[WafIpSet]]:
        """Find the IP sets of each blocklist by its name, IPv4 and IPv6, in the order of their numbers.

        A set found before is the same object again. A blocklist of which no set exists has an empty sequence.
        To find a set is to read it: the first `read` of one that is new takes no call.

        Args:
            tell: Called with each set as soon as it is found, and its blocklist's name: those with the highest
                numbers first. By default nobody hears of them before the answer.

        Raises:
            StartError: If one set belongs to two blocklists.
        """
        with self._finding:
            named = self._named(self._existing())
            for ip_set in self._known.values():
                ip_set.forget_opening()
            there = self._open_all(named, tell)
            found = {
                name: [there[each["ARN"]] for each in summaries if each["ARN"] in there]
                for name, summaries in named.items()
            }
            self._known, self._opened = there, {}
            # From now on somebody may read these sets.
            self._listing.pace.per_s = min(self._listing.pace.per_s, READS_BESIDE_PER_S)
            return found

    def check(self) -> None:
        """See that every name in every blocklist stands for an IP set.

        Raises:
            Missing: If one stands for none.
            StartError: If one set belongs to two blocklists.
        """
        existing = self._existing()
        for blocklist in self._blocklists:
            for name in blocklist.ip_sets:
                if not ip_sets_named(name, existing[blocklist.scope]):
                    neither = " nor ".join(family_names(name))
                    where = f"{blocklist.scope}, {asked_region(self._listing.client)}"
                    raise Missing(f"IP set {name}: neither it nor {neither} exists in {where}")
        self._named(existing)

    def unreferenced(self, ip_sets: Iterable[IpSet]) -> frozenset[str]:
        """Find the ids of the sets that no web ACL refers to, neither by a rule of its own nor by a rule group.

        Reads every web ACL and the rule groups that they use, one by one.
        """
        asked = frozenset(each.id for each in ip_sets)
        scopes = {Scope.CLOUDFRONT if ":global/" in arn else Scope.REGIONAL for arn in asked}
        return asked.difference(*map(self._listing.referenced, sorted(scopes)))

    def _existing(self) -> Existing:
        scopes = {each.scope for each in self._blocklists}
        return {scope: {each["Name"]: each for each in self._listing.ip_sets(scope)} for scope in sorted(scopes)}

    def _named(self, existing: Existing) -> dict[str, list[IPSetSummaryTypeDef]]:
        named = {each.name: _summaries(each, existing[each.scope]) for each in self._blocklists}
        _check_that_none_is_shared(named)
        return named

    def _open_all(
        self, named: Mapping[str, Sequence[IPSetSummaryTypeDef]], tell: Callable[[str, WafIpSet], None]
    ) -> dict[str, WafIpSet]:
        """Open what is not known yet; answer all that is there, by its ARN."""
        there: dict[str, WafIpSet] = {}
        for blocklist, summary in self._last_first(named):
            arn = summary["ARN"]
            try:
                there[arn] = self._known.get(arn) or self._opened.get(arn) or self._open(summary, blocklist.scope)
            except Missing:  # deleted since it was listed
                continue
            self._opened[arn] = there[arn]
            there[arn].is_listed(summary.get("LockToken"))
            tell(blocklist.name, there[arn])
        return there

    def _last_first(
        self, named: Mapping[str, Sequence[IPSetSummaryTypeDef]]
    ) -> list[tuple[Blocklist, IPSetSummaryTypeDef]]:
        """Put of each base the set with the highest number first, and let no base wait for another."""
        ranked = [
            (after, each, summary)
            for each in self._blocklists
            for after, summary in zip(
                sets_after([summary["Name"] for summary in named[each.name]]), named[each.name], strict=True
            )
        ]
        return [(each, summary) for _, each, summary in sorted(ranked, key=itemgetter(0))]

    def _open(self, summary: IPSetSummaryTypeDef, scope: Scope) -> WafIpSet:
        self._meanwhile()
        self._listing.pace.wait()
        return open_ip_set(
            self._listing.client,
            self._writing,
            name=summary["Name"],
            set_id=summary["Id"],
            arn=summary["ARN"],
            scope=scope,
            clock=self._clock,
        )


def _summaries(blocklist: Blocklist, existing: Mapping[str, IPSetSummaryTypeDef]) -> list[IPSetSummaryTypeDef]:
    found = [existing[name] for name in ip_sets_of(blocklist, existing)]
    for each in found:
        for part in ("Id", "ARN"):
            part_of(each, part, f"looking for IP set {each['Name']}", str)
    return found


def _check_that_none_is_shared(named: Mapping[str, Iterable[IPSetSummaryTypeDef]]) -> None:
    owners: dict[str, str] = {}
    for blocklist, summaries in named.items():
        for each in summaries:
            owner = owners.setdefault(each["ARN"], blocklist)
            if owner != blocklist:
                line = f"IP set {each['Name']} belongs to two blocklists, {owner} and {blocklist}"
                raise StartError(f"{line}: give each sets of its own")
