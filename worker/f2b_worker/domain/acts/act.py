"""An act: one thing that somebody did, as it is remembered."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from f2b_worker.domain.jails import DAY_MS, FOREVER_MS
from f2b_worker.domain.judge.soundness import NUMBER_MAX, is_whole

AUDIT_DAYS = 400
"""For so long an act is remembered, unless something else is set: an auditor asks for the year that has passed."""

AUDIT_DAYS_MAX = 3650
ACTS_KEPT_MS = AUDIT_DAYS * DAY_MS

WHAT_MAX = 100
"""So many of the things that an act is about are named where it is remembered; `Act.count` tells of how many."""

TEXT_MAX = 1_000
"""So many characters each text of an act has at most: it is stored beside each address."""

ACT_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
"""What names an act: a part of keys."""


_HALF = re.compile("[\ud800-\udfff]")
"""What Python makes of bytes that are no text; nothing can store it."""


def wrong_in_text(text: str) -> str | None:
    """Say what keeps *text*, which somebody wrote, from being stored; None if nothing does."""
    if len(text) > TEXT_MAX:
        return f"has {len(text):,} characters: {TEXT_MAX:,} are the most"
    if not text.isascii() and _HALF.search(text):
        return "is no text: some of its bytes are not UTF-8"
    return None


class Verb(StrEnum):
    """What was done."""

    BAN = "ban"
    UNBAN = "unban"
    ALLOW = "allow"
    DISALLOW = "disallow"
    PAUSE = "pause"
    RESUME = "resume"
    RELOAD = "reload"
    RELEASE = "release"
    IMPORT = "import"
    RETRY = "dlq-retry"
    DROP = "dlq-drop"


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that somebody did.

    Attributes:
        id: Tells it from every other: 16 random hex digits, for one. To apply it again changes nothing.
        at_ms: When, by the clock of who did it.
        by: Who: an STS ARN, or user@host.
        verb: What was done.
        what: The keys, networks or blocklists that it is about.
        jail: The jail that it is about; empty for all, or where there is none.
        reason: Why, in the words of who did it.
        count: Of how many things it is about; 0 says as many as *what* names.
        how: What else was said, in words that follow the verb: `for 1h`; empty where that is nothing.

    Raises:
        ValueError: If the id or the time is none, or a text is too long; the line says which, and what is allowed.
    """

    id: str
    at_ms: int
    by: str
    verb: Verb
    what: tuple[str, ...] = ()
    jail: str = ""
    reason: str = ""
    count: int = 0
    how: str = ""

    def __post_init__(self) -> None:
        if not ACT_ID.fullmatch(self.id):
            raise ValueError(f"the id of an act has 1-64 of A-Z a-z 0-9 -, not {self.id[:80]!r}")
        for name, text in (("by", self.by), ("reason", self.reason), ("how", self.how)):
            wrong = wrong_in_text(text)
            if wrong:
                raise ValueError(f"{name} {wrong}")
        if not is_whole(self.at_ms, 0, FOREVER_MS):
            raise ValueError(f"at_ms is no time: {self.at_ms!r}")
        if not is_whole(self.count, 0, NUMBER_MAX):
            raise ValueError(f"count is no number of things: {self.count!r}")

    def shortened(self) -> Act:
        """Name the first 100 things only, and say of how many: so it is remembered, however many there were."""
        return replace(self, what=self.what[:WHAT_MAX], count=self.count or len(self.what))
