"""Infractions that fell into a known ban: they are done once it was heard that nobody had lifted it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from f2b_worker.domain.judge.verdicts import OffenderId
    from f2b_worker.intake.desk import Desk, Pile
    from f2b_worker.intake.known_bans import KnownBans
    from f2b_worker.ports import Clock

HEARD_WITHIN_S = 1.2
"""By then what others did is usually heard: it is asked for each second."""

UNHEARD_S = 5.0
"""After so long without news the ledger itself is asked, by recording the infractions."""

_AGAIN_S = 0.2


class _Waiting(NamedTuple):
    since_s: float
    who: OffenderId
    pile: Pile


class Covered:
    """Holds piles that change nothing, if the ban that this worker knows of is still there.

    The bans that a worker knows are a moment old: somebody may have lifted one, and infractions after that count.
    So what was asked for after they came must have told of no lift. That costs no call, and a second.

    Args:
        desk: Where the piles lie.
        known: The bans that this worker knows of.
        clock: Tells since when a pile waits.
        is_done: Told of each pile whose infractions are judged.
    """

    def __init__(
        self, desk: Desk, known: KnownBans, clock: Clock, is_done: Callable[[OffenderId, Pile], None]
    ) -> None:
        self._desk = desk
        self._known = known
        self._clock = clock
        self._is_done = is_done
        self._waiting: deque[_Waiting] = deque()
        self._heard_s: float | None = None

    def hear(self, asked_s: float) -> None:
        """Take it that everything is known that was told when it was asked for at *asked_s*."""
        self._heard_s = max(asked_s, self._heard_s if self._heard_s is not None else asked_s)

    def hold(self, who: OffenderId) -> None:
        """Hold the pile of an offender; where nobody asks for news, nobody lifts bans, and it is done."""
        pile = self._desk.put_aside(who)
        if self._heard_s is None:
            self._close(who, pile)
        else:
            self._waiting.append(_Waiting(self._clock.monotonic_s(), who, pile))

    def settle(self) -> None:
        """Close what was heard to be covered, and have all else judged as anybody's."""
        now_s = self._clock.monotonic_s()
        while self._waiting:
            since_s, who, pile = self._waiting[0]
            is_heard = self._heard_s is not None and self._heard_s > since_s
            if not is_heard and now_s - since_s < UNHEARD_S:
                return
            self._waiting.popleft()
            if is_heard and self._still_covers(who, pile):
                self._close(who, pile)
            else:
                self._desk.take_back(who, pile)

    def give_back(self) -> None:
        """Have everything judged as anybody's, at once."""
        while self._waiting:
            _, who, pile = self._waiting.popleft()
            self._desk.take_back(who, pile)

    def due_in_s(self) -> float | None:
        """Tell in how many seconds it is worth to look again; None if nothing waits."""
        if not self._waiting:
            return None
        since_s = self._waiting[0].since_s
        if self._heard_s is not None and self._heard_s > since_s:
            return 0.0
        return max(_AGAIN_S, since_s + HEARD_WITHIN_S - self._clock.monotonic_s())

    def _still_covers(self, who: OffenderId, pile: Pile) -> bool:
        known = self._known.get(who)
        return known is not None and pile.is_covered_by(known.seen)

    def _close(self, who: OffenderId, pile: Pile) -> None:
        self._desk.close_aside(pile)
        self._is_done(who, pile)
