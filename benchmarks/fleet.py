"""A fleet of real workers in this process, over a canned table, on a simulated clock.

Intake, judge, ledger, ban log and scribe are the worker's own; queue, DynamoDB and time are not. Each worker takes
four turns a second, one after the other, and hears of its colleagues once a second. A call takes no time. So a
second is as long as wanted, whatever this machine can do, and what a key or the table has in it is counted as AWS
does.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from benchmarks.canned.client import client_to
from benchmarks.canned.dynamodb import CannedDynamoDB
from benchmarks.canned.layout import lay_out
from benchmarks.canned.tally import Tally
from benchmarks.processes import BenchError
from f2b_worker.adapters.dynamodb.ban_log.scribe import open_scribe
from f2b_worker.adapters.dynamodb.ledger import DynamoLedger
from f2b_worker.config.settings import WorkerSettings
from f2b_worker.domain.judge.retention import kept_ms
from f2b_worker.errors import F2bError
from f2b_worker.intake.loop import Intake
from f2b_worker.testing import FakeClock, MemoryInbox
from f2b_worker.wire.writing import write_pack
from localstack.table_limits import Limits, Rates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from f2b_worker.domain.jails import Policy

    Infraction = tuple[str, str, int]
    Send = Callable[[int], Iterable[Infraction]]

TABLE = "f2b"
TURNS_PER_S = 4
PACK = 100
EXTEND_RESOLUTION_S = float(WorkerSettings.model_fields["extend_resolution_s"].default)
SETTLES_WITHIN_S = 60.0


class Worker:
    """One of the fleet: what it is sent, it judges in its next turn.

    Args:
        dynamodb: Has the table.
        clock: Everybody's.
        policy: The jails.
    """

    def __init__(self, dynamodb: CannedDynamoDB, clock: FakeClock, policy: Policy) -> None:
        self.inbox = MemoryInbox()
        self.ledger = DynamoLedger(client_to(dynamodb), TABLE, clock, kept_ms=kept_ms(policy, None), io_threads=1)
        self._clock = clock
        self._never = threading.Event()
        self._intake = Intake(
            self.inbox,
            self.ledger,
            policy,
            clock,
            max_age_ms=None,
            extend_resolution_s=EXTEND_RESOLUTION_S,
            aside=lambda work: work(),
        )

    def send(self, infractions: Sequence[Infraction]) -> None:
        """Send it infractions, a hundred in a message."""
        for place in range(0, len(infractions), PACK):
            body = write_pack(infractions[place : place + PACK])
            self.inbox.put(body, sent_at_ms=self._clock.now_ms())

    def hear(self) -> None:
        """Let it learn what its colleagues stored, as it does once a second; a failure waits for the next one."""
        with suppress(F2bError):
            asked_s = self._clock.monotonic_s()
            self._intake.hear(self.ledger.news(), asked_s)
            while self.ledger.has_more_news:
                self._intake.hear(self.ledger.news(), asked_s)

    def turn(self) -> None:
        """Let it take in all that was sent, and judge what is due; in an outage it holds on, and time passes."""
        messages = []
        while received := self.inbox.receive(wait_s=0):
            messages += received
        self._intake.turn(messages, self._never)


class Fleet:
    """Workers on one table, and a scribe.

    Args:
        workers: How many.
        policy: The jails.
        rates: The limits of keys and table.

    Attributes:
        clock: The simulated one.
        dynamodb: What was stored, and its bill.
    """

    def __init__(self, workers: int, policy: Policy, rates: Rates) -> None:
        self.clock = FakeClock()
        self.dynamodb = CannedDynamoDB(Tally(), [TABLE])
        lay_out(self.dynamodb, TABLE)
        self._rates = rates
        self.workers = [Worker(self.dynamodb, self.clock, policy) for _ in range(workers)]
        self._scribe = open_scribe(client_to(self.dynamodb), TABLE, self.clock)
        self.count_anew()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.ledger.close()

    def count_anew(self) -> None:
        """Forget what was counted so far."""
        self.dynamodb.tally = Tally()
        self.dynamodb.limits = Limits(self._rates, self.clock.monotonic_s)

    def go_on(self, seconds: float, send: Send) -> None:
        """Let time pass.

        Args:
            seconds: How much.
            send: Answers what the worker of this number is sent before a turn of its.
        """
        pause_s = 1 / TURNS_PER_S / len(self.workers)
        for _ in range(round(seconds)):
            for turn in range(TURNS_PER_S):
                for number, worker in enumerate(self.workers):
                    if turn == 0:
                        worker.hear()
                    worker.send(list(send(number)))
                    worker.turn()
                    self.clock.advance(pause_s)
            with suppress(F2bError):  # as its loop does: the next tick goes on
                self._scribe.tick()

    def settle(self) -> float:
        """Let time pass, and nothing be sent, until nothing is in hand; tell how many seconds that took.

        Raises:
            BenchError: If it takes too long.
        """
        began_s = self.clock.monotonic_s()
        while any(worker.inbox.in_flight or worker.inbox.waiting for worker in self.workers):
            if self.clock.monotonic_s() - began_s > SETTLES_WITHIN_S:
                raise BenchError(f"messages are still in hand {SETTLES_WITHIN_S:.0f} s after the last one came")
            self.go_on(1, lambda _: ())
        return self.clock.monotonic_s() - began_s

    def known_bans(self) -> int:
        """Tell how many bans a reader of the log finds who starts now."""
        return len(self.workers[0].ledger.standing())
