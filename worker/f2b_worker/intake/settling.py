"""The end of each message: its letters are buried and it is deleted, beside the judging."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from f2b_worker.errors import F2bError
from f2b_worker.intake.side_line import SideLine
from f2b_worker.observe import metrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from f2b_worker.aside import Aside
    from f2b_worker.intake.desk import Desk, InHand, Letter
    from f2b_worker.ports import Clock, Inbox

log: structlog.stdlib.BoundLogger = structlog.get_logger()

FINISH_S = 2.0
"""How long a stop buries, and then deletes, at most: what is left is released and comes again."""

DELETED_AT_ONCE = 200
DELETIONS_MAX = 20_000
"""So many judged messages wait to be deleted at most: a full hand, which may be judged at once, and one before it.

Others come again, and judging them again is harmless.
"""

LETTERS_AT_ONCE = 100
LETTERS_BYTES_MAX = 64 * 1024 * 1024
"""So much waits for the dead-letter queue at most; other messages stay in the queue, which redrives them."""

_LETTER_BYTES = 1_000  # that a letter takes besides its body


class Settling:
    """Buries letters and deletes messages of which nothing is left to do.

    Args:
        inbox: The queue.
        desk: Where the messages lie; used in the caller's thread alone.
        clock: Paces tries.
        aside: Does the work, perhaps in another thread.
    """

    def __init__(self, inbox: Inbox, desk: Desk, clock: Clock, aside: Aside) -> None:
        self._inbox = inbox
        self._desk = desk
        self._burials: SideLine[Letter] = SideLine(
            self._bury,
            batch_max=LETTERS_AT_ONCE,
            weight=lambda letter: len(letter.dead.body) + _LETTER_BYTES,
            room=LETTERS_BYTES_MAX,
            clock=clock,
            aside=aside,
        )
        self._deletions: SideLine[InHand] = SideLine(
            self._delete, batch_max=DELETED_AT_ONCE, room=DELETIONS_MAX, clock=clock, aside=aside
        )

    @property
    def problem(self) -> str | None:
        """Why letters or deletions wait, if they had to be tried again; in one line."""
        return self._burials.problem or self._deletions.problem

    @property
    def is_open(self) -> bool:
        """Whether something waits, or was done and not yet looked at."""
        return self._burials.is_open or self._deletions.is_open

    def go_on(self) -> None:
        """Hand over what the desk has, and close what came to its end since; never waits for AWS."""
        self._take_letters()
        self._burials.go_on()
        self._close_letters()
        self._take_messages()
        self._deletions.go_on()
        self._put_away()
        metrics.letters_waiting.set(self._burials.waiting)
        metrics.deletions_waiting.set(self._deletions.waiting)

    def finish(self) -> None:
        """Try once to bury and delete all that is done; what fails, or takes too long, is still on the desk."""
        self._take_letters()
        self._burials.finish(within_s=FINISH_S)
        self._close_letters()
        self._take_messages()
        self._deletions.finish(within_s=FINISH_S)
        self._put_away()
        if self.is_open:
            reason = self.problem or f"the queue did not answer within {FINISH_S:.0f} s"
            log.warning(
                "not_settled", reason=reason, remedy="none: what is judged already comes again, to no effect"
            )

    def _take_letters(self) -> None:
        for letter in self._burials.add(self._desk.take_letters()):
            metrics.postponed.labels("no_room_to_bury").inc()
            self._desk.close_letter(letter, is_stored=False)  # it comes again, and is counted as refused then

    def _close_letters(self) -> None:
        for letter, error in self._burials.outcomes():
            if error:
                log.error("dead_letter_refused", message=letter.dead.message_id, reason=str(error))
            self._desk.close_letter(letter, is_stored=error is None)
            for reason, number in letter.dead.reasons.items():
                metrics.refused.labels(reason).inc(number)

    def _take_messages(self) -> None:
        done = self._desk.hand_over()
        staying = [each for each in done if each.stays]
        crowded_out = self._deletions.add(each for each in done if not each.stays)
        metrics.postponed.labels("no_room_to_delete").inc(len(crowded_out))
        self._inbox.postpone([each.message for each in staying + crowded_out])
        self._desk.put_away(staying + crowded_out)

    def _put_away(self) -> None:
        ended = self._deletions.outcomes()
        self._desk.put_away(in_hand for in_hand, _ in ended)
        metrics.messages_settled.inc(sum(error is None for _, error in ended))

    def _bury(self, batch: Sequence[Letter]) -> Sequence[F2bError | None]:
        return self._inbox.bury([letter.dead for letter in batch])

    def _delete(self, batch: Sequence[InHand]) -> Sequence[F2bError | None]:
        try:
            self._inbox.delete([each.message for each in batch])
        except F2bError as error:
            return [error] * len(batch)
        return [None] * len(batch)
