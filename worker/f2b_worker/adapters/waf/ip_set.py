"""One WAF IP set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from f2b_worker.adapters.answers import aws_errors, odd_answers, part_of
from f2b_worker.domain.addresses import canonical
from f2b_worker.domain.blocklists import Scope
from f2b_worker.errors import Missing
from f2b_worker.observe.late import late_log
from f2b_worker.ports import IpSetContents

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mypy_boto3_wafv2 import WAFV2Client
    from mypy_boto3_wafv2.type_defs import GetIPSetResponseTypeDef

    from f2b_worker.ports import Clock

log = late_log()

ScopeName = Literal["REGIONAL", "CLOUDFRONT"]
CLOUDFRONT_REGION = "us-east-1"

AT_HAND_S = 60.0
"""How long what was read when a set was opened stands for the first reading: as long as between two audits."""

_FAMILIES = {"IPV4": 4, "IPV6": 6}


class WafIpSet:
    """A WAF IP set, read and replaced as a whole; `open_ip_set` makes it.

    Args:
        client: Writes it, and reads it; it tries once, since the enforcer paces every call.
        arn: What WAF's rules refer to it by.
        family: 4 or 6.
        opened: The answer that told its family; the first `read` takes its contents from it.
        clock: Tells for how long that is still news.
    """

    def __init__(  # noqa: PLR0913 - what WAF itself names a set by
        self,
        client: WAFV2Client,
        *,
        name: str,
        set_id: str,
        arn: str,
        scope: Scope,
        family: int,
        opened: GetIPSetResponseTypeDef,
        clock: Clock,
    ) -> None:
        self._client = client
        self._name = name
        self._set_id = set_id
        self._arn = arn
        self._scope = scope
        self._family = family
        self._opened: GetIPSetResponseTypeDef | None = opened
        self._clock = clock
        self._opened_s = clock.monotonic_s()
        self._listed_token: str | None = None
        self._description = ""  # UpdateIPSet replaces it too
        self._describe(opened)

    @property
    def id(self) -> str:
        """The set's ARN: no other set, of another scope or made anew under this name, has it."""
        return self._arn

    @property
    def name(self) -> str:
        """The name by which people know it."""
        return self._name

    @property
    def family(self) -> int:
        """The family, 4 or 6, of everything that it holds."""
        return self._family

    @property
    def is_at_hand(self) -> bool:
        """Whether the next `read` takes no call, since the set was opened just now."""
        return self._opened is not None and self._clock.monotonic_s() - self._opened_s <= AT_HAND_S

    @property
    def listed_token(self) -> str | None:
        """The token that ListIPSets had of it the last time; None if it had none."""
        return self._listed_token

    def is_listed(self, token: object) -> None:
        """Take what ListIPSets says of the set."""
        self._listed_token = token if isinstance(token, str) else None

    def read(self) -> IpSetContents:
        """Read the whole set (GetIPSet); for the first time what was read when it was opened."""
        answer = self._opened if self.is_at_hand else None
        self._opened = None
        if answer is None:
            answer = self._get()
        doing = f"reading IP set {self._name}"
        held, token = part_of(answer, "IPSet", doing, dict), part_of(answer, "LockToken", doing, str)
        self._describe(answer)
        with odd_answers(doing):
            return IpSetContents(frozenset(map(canonical, part_of(held, "Addresses", doing, list))), token)

    def forget_opening(self) -> None:
        """Let the next `read` ask WAF: it is long ago that the set was opened."""
        self._opened = None

    def _get(self) -> GetIPSetResponseTypeDef:
        with aws_errors(f"reading IP set {self._name}"):
            return self._client.get_ip_set(Name=self._name, Scope=scope_name(self._scope), Id=self._set_id)

    def _describe(self, answer: GetIPSetResponseTypeDef) -> None:
        described = answer["IPSet"].get("Description", "")
        self._description = described if isinstance(described, str) else ""

    def write(self, entries: Iterable[str], token: str) -> str:
        """Replace the whole set (UpdateIPSet); answer the token for the next update."""
        described = {"Description": self._description} if self._description else {}
        with aws_errors(f"updating IP set {self._name}"):
            answer = self._client.update_ip_set(
                Name=self._name,
                Scope=scope_name(self._scope),
                Id=self._set_id,
                Addresses=sorted(entries),
                LockToken=token,
                **described,
            )
        return str(part_of(answer, "NextLockToken", f"updating IP set {self._name}", str))


def scope_name(scope: Scope) -> ScopeName:
    """Name a scope as the API does."""
    return "CLOUDFRONT" if scope is Scope.CLOUDFRONT else "REGIONAL"


def region_of(scope: Scope) -> str | None:
    """Name the Region where sets of *scope* are reached; None is the environment's own."""
    return CLOUDFRONT_REGION if scope is Scope.CLOUDFRONT else None


def regions_of(scopes: Iterable[Scope], home: str) -> list[str]:
    """Name the Regions where sets of these scopes are reached; *home* is the environment's own."""
    return sorted({region_of(each) or home for each in scopes})


def open_ip_set(  # noqa: PLR0913 - what WAF itself names a set by
    looking: WAFV2Client, writing: WAFV2Client, *, name: str, set_id: str, arn: str, scope: Scope, clock: Clock
) -> WafIpSet:
    """Open one IP set; its family is asked of WAF.

    Raises:
        Missing: If it is not there, or is of a family that is not known here.
    """
    doing = f"IP set {name}"
    with aws_errors(doing):
        opened = looking.get_ip_set(Name=name, Scope=scope_name(scope), Id=set_id)
    version = part_of(part_of(opened, "IPSet", doing, dict), "IPAddressVersion", doing, str)
    if version not in _FAMILIES:
        log.error("ip_set_family_unknown", ip_set=name, family=version, remedy="it is left alone; update f2b")
        raise Missing(f"{doing}: its family {version!a} is not known to this f2b; update f2b")
    family = _FAMILIES[version]
    return WafIpSet(
        writing, name=name, set_id=set_id, arn=arn, scope=scope, family=family, opened=opened, clock=clock
    )
