"""AWS WAF as the edge has it: IP sets, the rule groups and web ACLs that refer to them, and the tags of all."""

from typing import Any

from localstack.edge_http import Request
from localstack.waf_holders import Holders
from localstack.waf_model import Model
from localstack.waf_parts import check_scope
from localstack.waf_rules import IpSets
from localstack.waf_tags import Tags

_BY_ARN = frozenset({"ARN", "WebACLArn", "ResourceArn", "ResourceARN"})


class Waf:
    """What the edge answers itself; all other calls are the emulator's."""

    def __init__(self) -> None:
        self._ip_sets = IpSets(self._in_use)
        self._holders = Holders(self._ip_sets.knows)
        self._tags = Tags(lambda arn: self._ip_sets.knows(arn) or self._holders.knows(arn))
        self._actions = self._ip_sets.actions | self._holders.actions | self._tags.actions
        self._model = Model()

    def _in_use(self, arn: str) -> bool:
        return self._holders.refer_to(arn)

    def owns(self, request: Request) -> bool:
        """Whether a call is the edge's own."""
        return request.service == "wafv2" and request.action in self._actions

    def clear(self) -> None:
        """Forget everything."""
        self._ip_sets.clear()
        self._holders.clear()
        self._tags.clear()

    def changes(self, account: str, after: int) -> list[dict[str, Any]]:
        """List the updates of one account's IP sets that took effect after the one of that number."""
        return self._ip_sets.changes(account, after)

    def answer(self, request: Request) -> dict[str, Any]:
        """Carry out a call.

        Raises:
            ApiError: with the code that AWS WAF would answer.
        """
        data = request.json()
        if "Scope" in data or not _BY_ARN & data.keys():
            check_scope(request, data)
        self._model.check(request.action, data)
        handle = self._actions[request.action]
        if not request.action.startswith("Create"):
            return handle(request, data)
        tags = self._tags.check(data)
        made = handle(request, data)
        self._tags.put(made["Summary"]["ARN"], tags)
        return made
