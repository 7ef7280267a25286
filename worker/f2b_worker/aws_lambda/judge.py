"""Judges the messages of one event on the intake of a worker, in the time that an invocation has."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import structlog

from f2b_worker.adapters.batches import batches
from f2b_worker.adapters.sqs.events import EventInbox
from f2b_worker.errors import F2bError, StartError
from f2b_worker.intake.loop import Intake

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from f2b_worker.config.settings import WorkerSettings
    from f2b_worker.ports import Clock, Ledger, Message
    from f2b_worker.process.rules import Rules

log: structlog.stdlib.BoundLogger = structlog.get_logger()

AT_ONCE = 200
"""So many messages are laid out at once: those before them are done by then, whatever time is left for these."""

FRESH_S = 2.0
"""The allowlist is read again when it is older: a container may have been frozen for hours since."""

SCHEMA_EVERY_S = 60.0
"""As a worker does: docs/upgrade.md counts on it."""

HEAR_EVERY_S = 0.2
PAUSE_S = 0.1
OUTAGE_PAUSE_S = 0.5

_NEVER = threading.Event()
_AT_ONCE = threading.Event()
_AT_ONCE.set()  # a turn that is to stop tries once; what follows from an outage is decided here


class EventJudge:
    """Judges event after event; what it knows of bans stays between two of them.

    Args:
        ledger: Where offenders and bans are remembered.
        rules: The jails, and what people ask of all workers.
        look_again: Has the rules read again what people ask.
        check: Sees that this f2b may still write to the table.
        settings: The function's.
        clock: Tells when the time is over, and how old the rules are.
    """

    def __init__(  # noqa: PLR0913
        self,
        ledger: Ledger,
        rules: Rules,
        *,
        look_again: Callable[[], None],
        check: Callable[[], None],
        settings: WorkerSettings,
        clock: Clock,
    ) -> None:
        self.inbox = EventInbox()
        self._laid_out: list[Message] = []
        self._ledger = ledger
        self._rules = rules
        self._look_again = look_again
        self._check = check
        self._clock = clock
        self._intake = Intake(
            self.inbox,
            ledger,
            rules.policy,
            clock,
            max_age_ms=settings.max_age,
            extend_resolution_s=0.0,  # nothing else comes while it waits
            offenders_per_s=settings.offenders_per_s,
            aside=lambda work: work(),
        )
        self._intake.hear({}, float("-inf"))  # from now on somebody asks
        self._read_at = self._checked_at = self._times()
        self._heard_s = clock.monotonic_s()
        self._hear()  # from before the first ban is known here: what is lifted later is in the news

    def judge(self, messages: Sequence[Message], *, until_s: float) -> None:
        """Judge *messages* until nothing is left to do or the time is over; see `inbox` for what came of each.

        Args:
            messages: What came with the event.
            until_s: When the last try begins, at most, on the clock that never goes back.

        Raises:
            StartError: If a newer f2b has marked the table so that this one must not write.
        """
        self._laid_out = []
        for piece in batches(messages, AT_ONCE):
            if self._clock.monotonic_s() < until_s:
                self._judge_piece(piece, until_s)
        if not self._intake.problem and (self._is_fresh or self._refresh()):
            self._intake.finish()

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left over that the next event would meet; what was never laid out is nowhere."""
        return self._is_done(self._laid_out)

    def _is_done(self, messages: Sequence[Message]) -> bool:
        """Tell whether each of *messages* is judged, or left to come again."""
        return all(each.id in self.inbox.judged or each.id in self.inbox.left for each in messages)

    def _judge_piece(self, piece: Sequence[Message], until_s: float) -> None:
        is_laid_out = False
        while self._clock.monotonic_s() < until_s:
            if self._is_fresh or self._refresh():
                if not is_laid_out:
                    self._laid_out += piece
                    self._intake.lay_out(piece)
                    is_laid_out = True
                self._intake.turn((), _AT_ONCE)
                if self._is_done(piece):
                    return
                if self._clock.monotonic_s() - self._heard_s >= HEAR_EVERY_S:
                    self._hear()
                    continue
            self._clock.wait(_NEVER, OUTAGE_PAUSE_S if self._intake.problem else PAUSE_S)

    @property
    def _is_fresh(self) -> bool:
        """Whether the rules were read just now."""
        return self._passed_s(self._read_at) < FRESH_S

    def _passed_s(self, then: tuple[float, float]) -> float:
        """Tell how long ago that was, by the clock that says more: a freeze may stop either of them."""
        now = self._times()
        return max(abs(now[0] - then[0]), abs(now[1] - then[1]))

    def _times(self) -> tuple[float, float]:
        return self._clock.monotonic_s(), self._clock.now_ms() / 1000

    def _refresh(self) -> bool:
        """Read the rules again; tell whether they can be judged by."""
        asked_at = self._times()
        try:
            if self._passed_s(self._checked_at) >= SCHEMA_EVERY_S:
                self._check()
                self._checked_at = asked_at
            self._look_again()
            self._rules.read()
        except StartError:
            raise
        except F2bError as error:
            log.warning("orders_not_heard", reason=str(error))
            return False
        self._rules.settle()
        self._intake.use(self._rules.policy)
        self._read_at = asked_at
        return True

    def _hear(self) -> None:
        """Learn what others did to bans: an infraction in a known ban waits for what was asked for after it."""
        asked_s = self._heard_s = self._clock.monotonic_s()
        try:
            news = self._ledger.news()
        except F2bError as error:  # then it is recorded as anybody's
            log.warning("colleagues_not_heard", reason=str(error))
            return
        self._intake.hear(news, float("-inf") if self._ledger.has_more_news else asked_s)
