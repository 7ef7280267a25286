"""AWS WAF's IP sets, owned by the edge: lock tokens, validation and quotas that no emulator has.

Errors and limits follow https://docs.aws.amazon.com/waf/latest/APIReference/API_UpdateIPSet.html
and its neighbours. What AWS documents nowhere is left as lenient as it can be: an address given
twice is kept twice.
"""

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from localstack.edge_http import DEFAULT_REGION, Request
from localstack.faults import ApiError
from localstack.ip_ranges import FAMILIES, invalid, normal_range

ADDRESSES_PER_SET = 10_000
SETS_PER_REGION = 100
PAGE_SIZE = 100
SCOPES = {"REGIONAL": "regional", "CLOUDFRONT": "global"}
Handler = Callable[[Request, dict[str, Any]], dict[str, Any]]

_NAME = re.compile(r"[\w\-]{1,128}", re.ASCII)


@dataclass(slots=True)
class IpSet:
    """One IP set as it stands."""

    name: str
    arn: str
    version: str
    addresses: list[str]
    description: str | None
    id: str
    lock_token: str = field(default_factory=lambda: str(uuid.uuid4()))

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


class IpSets:
    """The IP sets of all accounts and regions."""

    def __init__(self) -> None:
        self._sets: dict[tuple[str, str, str], dict[str, IpSet]] = {}
        self._actions: dict[str, Handler] = {
            "CreateIPSet": self._create,
            "GetIPSet": self._get,
            "UpdateIPSet": self._update,
            "DeleteIPSet": self._delete,
            "ListIPSets": self._list,
        }

    def owns(self, request: Request) -> bool:
        """Whether a call is about IP sets; all others are the emulator's."""
        return request.service == "wafv2" and request.action in self._actions

    def clear(self) -> None:
        """Forget all sets."""
        self._sets.clear()

    def answer(self, request: Request) -> dict[str, Any]:
        """Carry out a call.

        Raises:
            ApiError: with the code that AWS WAF would answer.
        """
        data = request.json()
        scope = str(data.get("Scope", ""))
        if scope not in SCOPES or (scope == "CLOUDFRONT" and request.region != DEFAULT_REGION):
            raise invalid("SCOPE_VALUE", scope, "The scope is not valid.")
        return self._actions[request.action](request, data)

    def _here(self, request: Request, data: dict[str, Any]) -> dict[str, IpSet]:
        return self._sets.setdefault((request.account, request.region, data["Scope"]), {})

    def _create(self, request: Request, data: dict[str, Any]) -> dict[str, Any]:
        here, name, version = self._here(request, data), _name(data), str(data.get("IPAddressVersion"))
        if version not in FAMILIES:
            raise invalid("IP_ADDRESS_VERSION", version, "The parameter is not valid.")
        addresses = _addresses(data, version)
        if any(known.name == name for known in here.values()):
            message = (
                "AWS WAF couldn't perform the operation because some resource in your request is a duplicate."
            )
            raise ApiError("WAFDuplicateItemException", message)
        if self._count(request) >= SETS_PER_REGION:
            raise _limit_exceeded()
        made_id = str(uuid.uuid4())
        folder = SCOPES[data["Scope"]]
        arn = f"arn:aws:wafv2:{request.region}:{request.account}:{folder}/ipset/{name}/{made_id}"
        here[made_id] = IpSet(name, arn, version, addresses, _description(data), made_id)
        return {"Summary": here[made_id].summary()}

    def _get(self, request: Request, data: dict[str, Any]) -> dict[str, Any]:
        known = self._find(request, data)
        return {"IPSet": known.describe(), "LockToken": known.lock_token}

    def _update(self, request: Request, data: dict[str, Any]) -> dict[str, Any]:
        known = self._locked(request, data)
        addresses, description = _addresses(data, known.version), _description(data)
        known.addresses, known.description = addresses, description
        known.lock_token = str(uuid.uuid4())
        return {"NextLockToken": known.lock_token}

    def _delete(self, request: Request, data: dict[str, Any]) -> dict[str, Any]:
        known = self._locked(request, data)
        del self._here(request, data)[known.id]
        return {}

    def _list(self, request: Request, data: dict[str, Any]) -> dict[str, Any]:
        limit = int(data.get("Limit", PAGE_SIZE))
        if not 1 <= limit <= PAGE_SIZE:
            raise _unfit("limit", str(limit), f"Member must have value between 1 and {PAGE_SIZE}")
        ordered = sorted(self._here(request, data).values(), key=lambda known: known.name)
        rest = [known for known in ordered if known.name > str(data.get("NextMarker", ""))]
        page = rest[:limit]
        answer: dict[str, Any] = {"IPSets": [known.summary() for known in page]}
        return answer if len(page) == len(rest) else {**answer, "NextMarker": page[-1].name}

    def _find(self, request: Request, data: dict[str, Any]) -> IpSet:
        known = self._here(request, data).get(str(data.get("Id")))
        if known is None or known.name != data.get("Name"):
            message = "AWS WAF couldn't perform the operation because your resource doesn't exist."
            raise ApiError("WAFNonexistentItemException", message)
        return known

    def _locked(self, request: Request, data: dict[str, Any]) -> IpSet:
        known = self._find(request, data)
        if data.get("LockToken") != known.lock_token:
            message = (
                "AWS WAF couldn't save your changes because someone changed the resource "
                "after you started to edit it. Reapply your changes."
            )
            raise ApiError("WAFOptimisticLockException", message)
        return known

    def _count(self, request: Request) -> int:
        mine = (request.account, request.region)
        return sum(len(sets) for key, sets in self._sets.items() if key[:2] == mine)


def _addresses(data: dict[str, Any], version: str) -> list[str]:
    entries: list[str] = data.get("Addresses") or []
    if len(entries) > ADDRESSES_PER_SET:
        raise _limit_exceeded()
    return [normal_range(entry, version) for entry in entries]


def _name(data: dict[str, Any]) -> str:
    name = str(data.get("Name", ""))
    if not _NAME.fullmatch(name):
        raise _unfit("name", name, "Member must satisfy regular expression pattern: ^[\\w\\-]+$")
    return name


def _description(data: dict[str, Any]) -> str | None:
    description = data.get("Description")
    if description is not None and not 1 <= len(description) <= 256:
        raise _unfit("description", description, "Member must have length between 1 and 256")
    return description


def _unfit(field_name: str, value: str, demand: str) -> ApiError:
    found = f"1 validation error detected: Value '{value}' at '{field_name}'"
    message = f"{found} failed to satisfy constraint: {demand}"
    return ApiError("ValidationException", message)


def _limit_exceeded() -> ApiError:
    message = "AWS WAF couldn't perform the operation because you exceeded your resource limit."
    return ApiError("WAFLimitsExceededException", message)
