"""Sees whether the queue is set so that a worker can do its work, at start and each ten minutes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import structlog

from f2b_worker.adapters.provisioning.needs import MAX_RECEIVE_COUNT, RETENTION_S, VISIBILITY_TIMEOUT_S
from f2b_worker.errors import F2bError, Missing, Permanent

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

    from f2b_worker.ports import Clock, QueueSettings

log: structlog.stdlib.BoundLogger = structlog.get_logger()

LOOK_EVERY_S = 600.0
"""So soon a worker goes by what somebody changed about the queue."""

VISIBILITY_LEAST_S = 30
"""A turn may take as long as DynamoDB's calls with their retries; what is hidden for less comes once more."""

VISIBILITY_MOST_S = 900
"""What a killed worker had in hand comes so late, at most."""

RECEIVES_LEAST = 5
"""A stop, a crash and a rollout each cost a message a receive; a good one must outlive a few of them."""

RETENTION_LEAST_S = 3600
"""For so long all workers may be away, at least, before infractions are lost."""


class QueueWatch:
    """Remarks about how the queue is set.

    Args:
        look: Asks how it is set, and lets the worker go by it.
        provision: The command that gives the queue a dead-letter queue.

    Attributes:
        remark: What somebody should mend, in one line with the command that does, or None.
    """

    def __init__(self, look: Callable[[], QueueSettings], provision: str) -> None:
        self._look = look
        self._provision = provision
        self.remark: str | None = None

    def look(self) -> None:
        """Look now; what changed since the last look is logged, once."""
        try:
            remark = "; ".join(remarks(self._look(), self._provision)) or None
        except Permanent as error:
            remark = f"{error}; make it with: {self._provision}" if isinstance(error, Missing) else str(error)
        except F2bError as error:  # whether it is set otherwise meanwhile, the next look tells
            log.debug("queue_settings_unknown", reason=str(error))
            return
        if remark != self.remark:
            self.remark = remark
            if remark:
                log.warning("queue_is_set_badly", reason=remark)
            else:
                log.info("queue_is_set_well_again")

    def run(self, clock: Clock, stop: threading.Event) -> None:
        """Look each ten minutes until *stop*."""
        while not clock.wait(stop, LOOK_EVERY_S):
            self.look()


def remarks(queue: QueueSettings, provision: str) -> Iterator[str]:
    """Say what about a queue loses infractions, buries good ones, or delays bans, and which command mends it."""
    if queue.visibility_s < VISIBILITY_LEAST_S:
        reason = f"hides a received message for {queue.visibility_s} s only: it comes again while it is judged"
        yield _line(queue, reason, VisibilityTimeout=VISIBILITY_TIMEOUT_S)
    elif queue.visibility_s > VISIBILITY_MOST_S:
        reason = f"hides a received message for {queue.visibility_s} s: so late comes what a killed worker held"
        yield _line(queue, reason, VisibilityTimeout=VISIBILITY_TIMEOUT_S)
    if not queue.dead_letters:
        yield f"queue {queue.url} has no dead-letter queue any more; give it one with: {provision}"
    elif queue.receives_max < RECEIVES_LEAST:
        reason = f"gives a message up after {queue.receives_max} receives: stops of workers bury good ones"
        policy = {"deadLetterTargetArn": queue.dead_letters, "maxReceiveCount": MAX_RECEIVE_COUNT}
        yield _line(queue, reason, RedrivePolicy=json.dumps(policy))
    if queue.retention_s < RETENTION_LEAST_S:
        reason = f"keeps a message for {queue.retention_s} s only: it is lost when workers are away for longer"
        yield _line(queue, reason, MessageRetentionPeriod=RETENTION_S)
    if queue.delay_s:
        yield _line(queue, f"holds back each message for {queue.delay_s} s: so late is each ban", DelaySeconds=0)


def _line(queue: QueueSettings, reason: str, **attributes: object) -> str:
    given = json.dumps({name: str(value) for name, value in attributes.items()})
    command = f"aws sqs set-queue-attributes --queue-url {queue.url} --attributes '{given}'"
    return f"queue {queue.url} {reason}; mend it with: {command}"
