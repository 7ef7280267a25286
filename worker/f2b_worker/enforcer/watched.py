"""One IP set as the enforcer watches it: its token, and how sure its contents are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from f2b_worker.domain.plan.group import Group
    from f2b_worker.domain.plan.set_state import SetState
    from f2b_worker.ports import IpSet

NEVER_S = float("-inf")
_NOTHING: frozenset[str] = frozenset()


@dataclass(slots=True)
class WatchedSet:
    """One set as it is watched.

    Attributes:
        known_s: When it was last read or written; `seen_s` also says when to look again.
        is_certain: Whether its contents are known as of `seen_s`, and *token* is theirs.
        was_tried: Whether it was read, or could not be.
        is_lost: Whether somebody wrote first: it is read right before the next update, when the token is fresh.
        tried: What an update without an answer may have put in, or may yet put in.
    """

    ip_set: IpSet
    group: Group
    token: str = ""
    seen_s: float = NEVER_S
    known_s: float = NEVER_S
    is_certain: bool = False
    was_tried: bool = False
    is_lost: bool = False
    # Kept until an update with a newer token succeeds: until then WAF may still carry it out.
    tried: frozenset[str] = _NOTHING
    failures: int = 0
    paused_until_s: float = NEVER_S

    @property
    def kept(self) -> SetState:
        """What its group knows of it."""
        return self.group.sets[self.ip_set.id]
