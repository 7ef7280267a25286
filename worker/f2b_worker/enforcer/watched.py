"""One IP set as the enforcer watches it: its token, and how sure its contents are."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from f2b_worker.domain.plan.group import Group
    from f2b_worker.domain.plan.set_state import SetState
    from f2b_worker.ports import IpSet

NEVER_S = float("-inf")

TOKENS_KEPT = 64
"""A list may be as old as the slowest search: so many updates, one a second, are made meanwhile."""

_NOTHING: frozenset[str] = frozenset()


@dataclass(slots=True)
class WatchedSet:
    """One set as it is watched.

    Attributes:
        had: The tokens that it had lately, as far as they are known.
        known_s: When it was last read or written; `seen_s` also says when to look again.
        is_certain: Whether its contents are known as of `seen_s`, and *token* is theirs.
        is_doubted: Whether a search saw a token of somebody else's: then it is read soon. Updates go on meanwhile.
        doubted_s: When that was so the last time, and the set was not found to be changed.
        was_tried: Whether it was read, or could not be.
        is_lost: Whether somebody wrote first: it is read right before the next update, when the token is fresh.
        tried: What an update without an answer may have put in, or may yet put in.
    """

    ip_set: IpSet
    group: Group
    token: str = ""
    had: deque[str] = field(default_factory=lambda: deque(maxlen=TOKENS_KEPT))
    seen_s: float = NEVER_S
    known_s: float = NEVER_S
    is_certain: bool = False
    is_doubted: bool = False
    doubted_s: float = NEVER_S
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

    def take_token(self, token: str) -> None:
        """Use this token for the next update."""
        if token not in self.had:
            self.doubted_s = NEVER_S  # if it was doubted, then rightly
            self.had.append(token)
        self.token = token

    def doubt(self, now_s: float, again_s: float) -> None:
        """Have a set read soon whose token in the list it never had here: somebody else wrote.

        Of a list that says so of a set that nobody changed no more is heard for *again_s*.
        """
        listed = self.ip_set.listed_token
        is_news = self.is_certain and listed is not None and listed not in self.had
        if is_news and now_s - self.doubted_s >= again_s:
            self.is_doubted, self.doubted_s = True, now_s
