"""As whom, and in which Region, this process calls AWS; imported before anything that takes long."""

from __future__ import annotations

from dataclasses import dataclass

POLICIES = "docs/iam"


@dataclass(slots=True)
class Caller:
    """What a process is for AWS.

    Attributes:
        policy_file: Its policy: a call that is not allowed is told with this file.
        region: The Region that an option or a file chose; None is the environment's own.
    """

    policy_file: str = f"{POLICIES}/"
    region: str | None = None


CALLER = Caller()
"""Of this process: it has one role, and every client of it the same."""


def act_as(role: str, region: str | None = None) -> None:
    """Say as whom this process calls AWS: a call that is not allowed is told with the file of this role's policy.

    Args:
        role: The name of a file in docs/iam.
        region: Where, if that was chosen.
    """
    CALLER.policy_file = f"{POLICIES}/{role}.json"
    CALLER.region = region
