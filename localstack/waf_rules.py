"""AWS WAF's IP sets, owned by the edge: lock tokens, validation and quotas that no emulator has.

Errors and limits follow https://docs.aws.amazon.com/waf/latest/APIReference/API_UpdateIPSet.html
and its neighbours. What AWS documents nowhere is left as lenient as it can be: an address given
twice is kept twice.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from localstack.edge_http import Request
from localstack.ip_ranges import FAMILIES, invalid, normal_range
from localstack.waf_parts import (
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

ADDRESSES_PER_SET = 10_000
SETS_PER_REGION = 100
UPDATES_KEPT = 5_000


@dataclass(slots=True)
class IpSet:
    """One IP set as it stands."""

    name: str
    arn: str
    version: str
    addresses: list[str]
    description: str | None
    id: str
    lock_token: str = field(default_factory=new_token)

    def summary(self) -> dict[str, Any]:
        """The set in a list or as the answer to its creation."""
        return {
            "Name": self.name,
            "Id": self.id,
            "Description": self.description or "",
            "LockToken": self.lock_token,
            "ARN": self.arn,
        }

    def describe(self) -> dict[str, Any]:
        """The set with its addresses."""
        described = {
            "Name": self.name,
            "Id": self.id,
            "ARN": self.arn,
            "IPAddressVersion": self.version,
            "Addresses": self.addresses,
        }
        return described if self.description is None else {**described, "Description": self.description}


@dataclass(frozen=True, slots=True)
class Change:
    """One update that took effect, for those who watch without spending WAF's quota.

    Attributes:
        number: 1 for the first update since everything was forgotten.
        at_s: When, in epoch seconds.
    """

    number: int
    at_s: float
    account: str
    ip_set: str
    added: list[str]
    removed: list[str]


class IpSets:
    """The IP sets of all accounts and regions.

    Args:
        in_use: Whether a rule refers to the set of that ARN.
    """

    def __init__(self, in_use: Callable[[str], bool]) -> None:
        self._in_use = in_use
        self._sets: dict[tuple[str, str, str], dict[str, IpSet]] = {}
        self._changes: deque[Change] = deque(maxlen=UPDATES_KEPT)
        self._number = 0
        self.actions: dict[str, Handler] = {
            "CreateIPSet": self._create,
            "GetIPSet": self._get,
            "UpdateIPSet": self._update,
            "DeleteIPSet": self._delete,
            "ListIPSets": self._list,
        }

    def clear(self) -> None:
        """Forget all sets."""
        self._sets.clear()
        self._changes.clear()
        self._number = 0

    def changes(self, account: str, after: int) -> list[dict[str, Any]]:
        """List the updates of one account's sets that took effect after the one of that number."""
        return [asdict(each) for each in self._changes if each.number > after and each.account == account]

    def knows(self, arn: str) -> bool:
        """Whether there is a set of that ARN."""
        return any(known.arn == arn for sets in self._sets.values() for known in sets.values())

    def _here(self, request: Request, data: dict[str, Any]) -> dict[str, IpSet]:
        return self._sets.setdefault((request.account, request.region, data["Scope"]), {})

    def _create(self, request: Request, data: dict[str, Any]) -> dict[str, Any]:
        here, name, version = self._here(request, data), data["Name"], str(data.get("IPAddressVersion"))
        if version not in FAMILIES:
            raise invalid("IP_ADDRESS_VERSION", version, "The parameter is not valid.")
        addresses = _addresses(data, version)
        check_new(here.values(), name)
        if self._count(request) >= SETS_PER_REGION:
            raise limit_exceeded()
        made_id = new_token()
        arn = arn_of(request, data, "ipset", name, made_id)
        here[made_id] = IpSet(name, arn, version, addresses, data.get("Description"), made_id)
        return {"Summary": here[made_id].summary()}

    def _get(self, request: Request, data: dict[str, Any]) -> dict[str, Any]:
        known = self._find(request, data)
        return {"IPSet": known.describe(), "LockToken": known.lock_token}

    def _update(self, request: Request, data: dict[str, Any]) -> dict[str, Any]:
        known = self._locked(request, data)
        addresses, description = _addresses(data, known.version), data.get("Description")
        self._remember(request.account, known, addresses)
        known.addresses, known.description = addresses, description
        known.lock_token = new_token()
        return {"NextLockToken": known.lock_token}

    def _remember(self, account: str, known: IpSet, addresses: list[str]) -> None:
        before, now = set(known.addresses), set(addresses)
        self._number += 1
        change = Change(self._number, time.time(), account, known.name, list(now - before), list(before - now))
        self._changes.append(change)

    def _delete(self, request: Request, data: dict[str, Any]) -> dict[str, Any]:
        known = self._locked(request, data)
        if self._in_use(known.arn):
            raise associated()
        del self._here(request, data)[known.id]
        return {}

    def _list(self, request: Request, data: dict[str, Any]) -> dict[str, Any]:
        page, more = page_of(self._here(request, data).values(), data)
        return {"IPSets": [known.summary() for known in page], **more}

    def _find(self, request: Request, data: dict[str, Any]) -> IpSet:
        known = self._here(request, data).get(str(data.get("Id")))
        if known is None or known.name != data.get("Name"):
            raise nonexistent()
        return known

    def _locked(self, request: Request, data: dict[str, Any]) -> IpSet:
        known = self._find(request, data)
        check_lock(known, data)
        return known

    def _count(self, request: Request) -> int:
        mine = (request.account, request.region)
        return sum(len(sets) for key, sets in self._sets.items() if key[:2] == mine)


def _addresses(data: dict[str, Any], version: str) -> list[str]:
    entries: list[str] = data.get("Addresses") or []
    if len(entries) > ADDRESSES_PER_SET:
        raise limit_exceeded()
    return [normal_range(entry, version) for entry in entries]
