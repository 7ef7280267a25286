"""One thing that is looked at, and for whom."""

from __future__ import annotations

from enum import StrEnum
from functools import cache, partial
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from f2b_worker.adapters.probes import Probes
    from f2b_worker.errors import Unreadable
    from f2b_worker.ports import BanBook

LOOKING = "doctor"
"""The policy of whoever looks at a set-up as a whole."""


class Role(StrEnum):
    """Whose permissions are looked at."""

    OPERATOR = "operator"
    WORKER = "worker"
    JUDGE = "judge"
    ENFORCER = "enforcer"
    PRODUCER = "producer"

    @property
    def policy(self) -> str:
        """The policy in docs/iam that has what this role needs to look: an operator sees the whole set-up."""
        return LOOKING if self is Role.OPERATOR else self.value

    @property
    def judges(self) -> bool:
        """Whether it takes infractions from the queue."""
        return self in {Role.WORKER, Role.JUDGE}

    @property
    def enforces(self) -> bool:
        """Whether it writes IP sets."""
        return self in {Role.WORKER, Role.ENFORCER}


class Check(NamedTuple):
    """One thing that is looked at.

    Attributes:
        what: What it is, for people.
        look: Looks; answers what is wrong with it and what to do, in one line, or None. An error says it, too.
        policy: The policy in docs/iam that has what it takes to look.
    """

    what: str
    look: Callable[[], str | None]
    policy: str


def told(text: str | None) -> str | None:
    """Answer what is known already."""
    return text


def unreadable_in(opened: Callable[[Callable[[Unreadable], None]], BanBook]) -> str | None:
    """Read all bans of a ledger, which is opened with what is told of each that cannot be read; name those."""
    unreadable: list[str] = []
    opened(lambda error: unreadable.append(str(error))).standing()
    return "; ".join(unreadable) or None


def permissions(
    actions: Iterable[str], probes: Callable[[], Probes], policy: str, where: str = ""
) -> Iterator[Check]:
    """Try actions, one check each.

    Args:
        actions: As IAM names them.
        probes: What tries them; it is made when the first is tried.
        policy: The policy that has them.
        where: On what they are tried, where that is not plain.
    """
    made = cache(probes)
    for action in actions:
        what = f"permission {action}{f' on {where}' if where else ''}"
        yield Check(what, partial(_probe, made, action), policy)


def _probe(probes: Callable[[], Probes], action: str) -> None:
    probes()[action]()
