"""What others did to bans: heard from any thread, and taken in by the one that judges."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from f2b_worker.domain.judge.verdicts import Offender, OffenderId
    from f2b_worker.intake.covered import Covered
    from f2b_worker.intake.desk import Desk
    from f2b_worker.intake.known_bans import KnownBans


class News:
    """Keeps what was heard until it is taken in.

    Args:
        desk: Whose piles may be covered by a ban, or no longer.
        known: Learns each ban.
        covered: Told up to when everything was heard.
    """

    def __init__(self, desk: Desk, known: KnownBans, covered: Covered) -> None:
        self._desk = desk
        self._known = known
        self._covered = covered
        self._heard: deque[tuple[Mapping[OffenderId, Offender], float]] = deque()

    def hear(self, news: Mapping[OffenderId, Offender], asked_s: float) -> None:
        """Keep news for who judges; called from any thread.

        Args:
            news: What is new.
            asked_s: When it was asked for, on the clock that never goes back. From the first time on, infractions
                in a known ban wait for what is asked for after them.
        """
        self._heard.append((news, asked_s))

    def take_in(self) -> None:
        """Learn what was heard: what others stored needs not be stored again."""
        while self._heard:
            news, asked_s = self._heard.popleft()
            self._covered.hear(asked_s)
            for who, offender in news.items():
                known = self._known.get(who)
                if known is None or known.revision < offender.revision:
                    self._known.learn(who, offender)
                    self._tell_pile(who, offender)

    def _tell_pile(self, who: OffenderId, offender: Offender) -> None:
        pile = self._desk.piles.get(who)
        if pile and pile.known:
            pile.known = self._known.get(who) if pile.is_covered_by(offender) else None
