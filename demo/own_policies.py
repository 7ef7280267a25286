"""Each part of a fleet calls AWS with its own policy of docs/iam, and with nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localstack.policies import filled

if TYPE_CHECKING:
    from localstack.control import EdgeControl, PolicyUse
    from localstack.policies import Names


class OwnPolicies:
    """Gives roles their policies, and tells what they did with them.

    Args:
        edge: Holds whoever calls under a role's session token to its policy.
        names: Those of the fleet.
    """

    def __init__(self, edge: EdgeControl, names: Names) -> None:
        self._edge = edge
        self._names = names
        self._tokens: dict[str, str] = {}

    def token(self, role: str) -> str:
        """Answer the session token of a role, which has the policy docs/iam/ROLE.json and no other."""
        if role not in self._tokens:
            token = f"{role}-{self._names.account}"
            self._edge.permit(token, filled(role, self._names))
            self._tokens[role] = token
        return self._tokens[role]

    def widen(self, role: str, other: str) -> None:
        """Give a role another one's policy, too, as somebody does who attaches both."""
        whole = filled(role, self._names)
        whole["Statement"] += filled(other, self._names)["Statement"]
        self._edge.permit(self.token(role), whole)

    def faults(self) -> list[str]:
        """Say in sentences what roles were refused, and which of them made no call under its policy."""
        idle = [f"{role}: it made no call under its policy" for role, use in self._uses().items() if not use.calls]
        return idle + self.refusals()

    def refusals(self) -> list[str]:
        """Say in sentences what roles were refused."""
        return [
            f"{role}: refused {number} times: {need}"
            for role, use in self._uses().items()
            for need, number in use.refused.items()
        ]

    def told(self) -> str:
        """Say in one line how many calls the roles made."""
        uses = self._uses().values()
        calls, refused = sum(use.calls for use in uses), sum(sum(use.refused.values()) for use in uses)
        return f"each part had only its own policy: {calls} calls, {refused} refused"

    def take_back(self) -> None:
        """Forget the policies: whoever still calls under a token may do everything."""
        for token in self._tokens.values():
            self._edge.permit(token, None)
        self._tokens.clear()

    def _uses(self) -> dict[str, PolicyUse]:
        return {role: self._edge.policy_use(token) for role, token in self._tokens.items()}
