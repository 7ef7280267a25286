"""Counts what operators do, as the audit has it: they do it by commands, which show no metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from f2b_worker.domain.acts.act import Verb
from f2b_worker.domain.jails import MINUTE_MS
from f2b_worker.errors import F2bError
from f2b_worker.observe import metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from f2b_worker.domain.acts.act import Act
    from f2b_worker.ports import Acts, Changes, Clock
    from f2b_worker.process.scribe import Heeding

log: structlog.stdlib.BoundLogger = structlog.get_logger()

EVERY_S = 30.0
"""Each look is half a read unit or one: $0.01 a month."""

LOOKED_BACK_MS = 5 * MINUTE_MS
"""An act has the time of whoever did it: one whose clock is further behind is not counted."""

WORKER = "f2b-worker"
"""Begins the name of a worker that lifts bans, which is no operator."""


class Auditing:
    """Looks at bans as the one does who lifts them, and at the audit now and then. One process of a fleet does.

    Args:
        pardoning: Who looks at bans.
        acts: Has the audit.
        clock: Paces it.
    """

    def __init__(self, pardoning: Heeding, acts: Acts, clock: Clock) -> None:
        self._pardoning = pardoning
        self._acts = acts
        self._clock = clock
        self._next_s = clock.monotonic_s()
        self._seen: set[str] | None = None

    def heed(self, changes: Changes) -> None:
        """Look at bans that changed.

        Raises:
            F2bError: If some are not known to be lifted.
        """
        self._pardoning.heed(changes)
        if self._clock.monotonic_s() >= self._next_s:
            self._next_s = self._clock.monotonic_s() + EVERY_S
            try:
                self._count()
            except F2bError as error:  # nothing hangs on it: the next look finds them
                log.debug("audit_not_read", reason=str(error))

    def look_at_all(self) -> None:
        """Look at all bans the next time."""
        self._pardoning.look_at_all()

    def _count(self) -> None:
        found = {act.id: act for act in self._acts.audit(self._clock.now_ms() - LOOKED_BACK_MS)}
        if self._seen is None:
            # What was there before may have been counted by another worker. All others are counted from 0 on.
            for verb in Verb:
                metrics.operator_actions.labels(verb.value)
        else:
            for act in _of_operators(found[act_id] for act_id in found.keys() - self._seen):
                metrics.operator_actions.labels(act.verb.value).inc()
        self._seen = set(found)


def _of_operators(acts: Iterator[Act]) -> Iterator[Act]:
    return (act for act in acts if act.by != WORKER and not act.by.startswith(f"{WORKER} "))
