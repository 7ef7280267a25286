"""One WAF IP set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from f2b_worker.adapters.aws import aws_errors
from f2b_worker.domain.addresses import canonical
from f2b_worker.errors import Missing
from f2b_worker.ports import IpSetContents

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mypy_boto3_wafv2 import WAFV2Client
    from mypy_boto3_wafv2.type_defs import IPSetSummaryTypeDef

Scope = Literal["REGIONAL", "CLOUDFRONT"]
_FAMILIES = {"IPV4": 4, "IPV6": 6}


class WafIpSet:
    """A WAF IP set, read and replaced as a whole; `find_ip_sets` opens it."""

    def __init__(  # noqa: PLR0913 - what WAF itself names a set by
        self, client: WAFV2Client, *, name: str, set_id: str, scope: Scope, family: int, description: str
    ) -> None:
        self._client = client
        self._name = name
        self._set_id = set_id
        self._scope = scope
        self._family = family
        self._description = description  # UpdateIPSet replaces it too

    @property
    def name(self) -> str:
        """The name by which people know it."""
        return self._name

    @property
    def family(self) -> int:
        """The family, 4 or 6, of everything that it holds."""
        return self._family

    def read(self) -> IpSetContents:
        """Read the whole set (GetIPSet)."""
        with aws_errors(f"reading IP set {self._name}"):
            answer = self._client.get_ip_set(Name=self._name, Scope=self._scope, Id=self._set_id)
        self._description = answer["IPSet"].get("Description", "")
        return IpSetContents(frozenset(map(canonical, answer["IPSet"]["Addresses"])), answer["LockToken"])

    def write(self, entries: Iterable[str], token: str) -> str:
        """Replace the whole set (UpdateIPSet); answer the token for the next update."""
        described = {"Description": self._description} if self._description else {}
        with aws_errors(f"updating IP set {self._name}"):
            answer = self._client.update_ip_set(
                Name=self._name,
                Scope=self._scope,
                Id=self._set_id,
                Addresses=sorted(entries),
                LockToken=token,
                **described,
            )
        return answer["NextLockToken"]


def region_of(scope: Scope) -> str | None:
    """Name the Region where sets of *scope* are reached; None is the environment's own."""
    return "us-east-1" if scope == "CLOUDFRONT" else None


def find_ip_sets(
    client: WAFV2Client,
    names: Iterable[str],
    scope: Scope,
    *,
    exact: bool = False,
    writer: WAFV2Client | None = None,
) -> list[WafIpSet]:
    """Find the IP sets that *names* stand for: a set of that name, or else NAME-ipv4 and NAME-ipv6.

    Args:
        client: A WAF client of the scope's Region, to look with.
        names: Set names.
        scope: REGIONAL or CLOUDFRONT.
        exact: Whether a name stands for itself only.
        writer: The client that the sets are read and written with; by default the same.

    Raises:
        Missing: If a name stands for none.
    """
    ids = {summary["Name"]: summary["Id"] for summary in _listed(client, scope)}
    found: list[WafIpSet] = []
    for name in names:
        candidates = [name] if exact or name in ids else family_names(name)
        present = [each for each in candidates if each in ids]
        if not present:
            raise Missing(f"IP set {name}: neither it nor {' nor '.join(family_names(name))} exists in {scope}")
        found += [_open(client, writer or client, each, ids[each], scope) for each in present]
    return found


def _open(client: WAFV2Client, writer: WAFV2Client, name: str, set_id: str, scope: Scope) -> WafIpSet:
    with aws_errors(f"IP set {name}"):
        found = client.get_ip_set(Name=name, Scope=scope, Id=set_id)["IPSet"]
    return WafIpSet(
        writer,
        name=name,
        set_id=set_id,
        scope=scope,
        family=_FAMILIES[found["IPAddressVersion"]],
        description=found.get("Description", ""),
    )


def family_names(name: str) -> list[str]:
    """Name the two sets, IPv4 first, that *name* stands for."""
    return [f"{name}-ipv4", f"{name}-ipv6"]


def _listed(client: WAFV2Client, scope: Scope) -> Iterator[IPSetSummaryTypeDef]:
    marker: dict[str, str] = {}
    while True:
        with aws_errors("listing the IP sets"):
            page = client.list_ip_sets(Scope=scope, Limit=100, **marker)
        yield from page["IPSets"]
        if not page.get("NextMarker") or not page["IPSets"]:
            return
        marker = {"NextMarker": page["NextMarker"]}
