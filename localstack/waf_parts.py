"""What AWS WAF's resources have in common: names, descriptions, lock tokens, pages and the errors about them."""

import uuid
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar

from localstack.edge_http import DEFAULT_REGION, Request
from localstack.faults import ApiError
from localstack.ip_ranges import invalid

PAGE_SIZE = 100
SCOPES = {"REGIONAL": "regional", "CLOUDFRONT": "global"}
Data = dict[str, Any]
Handler = Callable[[Request, Data], Data]


class Named(Protocol):
    """A resource."""

    name: str
    id: str
    lock_token: str


ResourceT = TypeVar("ResourceT", bound=Named)


def check_scope(request: Request, data: Data) -> None:
    """Refuse a call without a valid scope, and one for CLOUDFRONT outside us-east-1."""
    scope = str(data.get("Scope", ""))
    if scope not in SCOPES or (scope == "CLOUDFRONT" and request.region != DEFAULT_REGION):
        raise invalid("SCOPE_VALUE", scope, "The scope is not valid.")


def arn_of(request: Request, data: Data, kind: str, name: str, made_id: str) -> str:
    """Name a resource as AWS does."""
    folder = SCOPES[data["Scope"]]
    return f"arn:aws:wafv2:{request.region}:{request.account}:{folder}/{kind}/{name}/{made_id}"


def new_token() -> str:
    """Make an id or a lock token."""
    return str(uuid.uuid4())


def page_of(known: Iterable[ResourceT], data: Data) -> tuple[list[ResourceT], Data]:
    """Cut the page that a List call asks for; the second part goes into the answer."""
    limit = int(data.get("Limit", PAGE_SIZE))
    if not 1 <= limit <= PAGE_SIZE:
        raise unfit("limit", str(limit), f"Member must have value between 1 and {PAGE_SIZE}")
    after = str(data.get("NextMarker", ""))
    rest = [each for each in sorted(known, key=lambda each: each.name) if each.name > after]
    page = rest[:limit]
    return page, {} if len(page) == len(rest) else {"NextMarker": page[-1].name}


def check_lock(known: Named, data: Data) -> None:
    """Refuse a change that was not made from the newest version."""
    if data.get("LockToken") != known.lock_token:
        message = (
            "AWS WAF couldn't save your changes because someone changed the resource "
            "after you started to edit it. Reapply your changes."
        )
        raise ApiError("WAFOptimisticLockException", message)


def check_new(known: Iterable[Named], name: str) -> None:
    """Refuse a name that is taken."""
    if any(each.name == name for each in known):
        message = "AWS WAF couldn't perform the operation because some resource in your request is a duplicate."
        raise ApiError("WAFDuplicateItemException", message)


def nonexistent() -> ApiError:
    """Say that something is not there."""
    message = "AWS WAF couldn't perform the operation because your resource doesn't exist."
    return ApiError("WAFNonexistentItemException", message)


def associated() -> ApiError:
    """Say that something is in use and cannot be deleted."""
    message = (
        "AWS WAF couldn't perform the operation because your resource is being used by another resource "
        "or it's associated with another resource."
    )
    return ApiError("WAFAssociatedItemException", message)


def limit_exceeded() -> ApiError:
    """Say that it is one too many."""
    message = "AWS WAF couldn't perform the operation because you exceeded your resource limit."
    return ApiError("WAFLimitsExceededException", message)


def unfit(field_name: str, value: str, demand: str) -> ApiError:
    """Say that a value has not the form that the API's model asks for."""
    found = f"1 validation error detected: Value '{value}' at '{field_name}'"
    return ApiError("ValidationException", f"{found} failed to satisfy constraint: {demand}")
