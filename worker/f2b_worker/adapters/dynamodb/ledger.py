"""The ledger on DynamoDB: one table, on demand.

    pk                          sk                   what
    offender#<jail>#<key>       state                the unused hits (a string set) and the last ban
    offender#<jail>#<key>       ban#<start_ms>       history: every ban with its evidence
    bans#<shard>                <key>#<jail>         the last ban again, in a few fixed partitions;
                                                     local index "changes" on changed_ms
    lease#<name>                lease                see lease.py
    enforcer#<Region>           …                    see notebook.py

Hits are added by one UpdateItem that answers the whole item: a set union is idempotent and commutes, and the
answer is strongly consistent. A ban is stored in a transaction on the offender, its history and its place beside
all others, conditional on the offender's revision. Times are epoch milliseconds; only `ttl` is in seconds, for
garbage collection.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from f2b_worker.adapters.answers import aws_errors, odd_answers, part_of
from f2b_worker.adapters.dynamodb.ban_book import DynamoBanBook
from f2b_worker.adapters.dynamodb.items import (
    hits_value,
    number,
    state_key,
    ttl,
)
from f2b_worker.adapters.dynamodb.many import ManyOffenders, SeenItems
from f2b_worker.adapters.dynamodb.transactions import BanTransactions
from f2b_worker.adapters.threads import Threads
from f2b_worker.domain.judge.retention import Retention
from f2b_worker.errors import F2bError, Invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.domain.judge.decisions import Decision
    from f2b_worker.domain.judge.verdicts import Hit, Offender, OffenderId
    from f2b_worker.ports import Answers, Clock

MANY = 5
"""From so many offenders on, batches cost less than single writes, which answer sooner."""


class DynamoLedger(DynamoBanBook):
    """Offenders and bans in one DynamoDB table, shared by any number of workers.

    Args:
        client: A DynamoDB client; it is used from *io_threads* threads at once.
        table: The table's name; `f2b-worker provision` makes it.
        clock: Stamps changes for the followers' cursor.
        kept_ms: How long an offender is remembered after the last hit, and after the end of its last ban.
    """

    def __init__(
        self, client: DynamoDBClient, table: str, clock: Clock, *, kept_ms: int, io_threads: int = 8
    ) -> None:
        super().__init__(client, table, clock)
        self._retention = Retention(kept_ms)
        self._io = Threads(io_threads, "ledger")
        self._known = SeenItems(clock)
        self._many = ManyOffenders(
            client, table, self._io, self._known, clock=clock, retention=self._retention, aside=self._aside
        )
        self._bans = BanTransactions(
            client, table, self._io, read=self._many.read, clock=clock, retention=self._retention
        )

    def keep_for(self, kept_ms: int) -> None:
        """Remember offenders for so long after the last hit and the last ban, from the next write on."""
        self._retention.kept_ms = kept_ms

    def close(self) -> None:
        """Let the I/O threads end."""
        self._io.shutdown()

    def record(self, hits: Mapping[OffenderId, Sequence[Hit]]) -> Answers:
        """Add hits to what is remembered: one write each offender, and no read but of strangers who are none."""
        answers = self._many.record(hits) if len(hits) >= MANY else {}
        alone = {who: self._io.submit(self._record_one, who, hits[who]) for who in hits if who not in answers}
        answers |= _gathered(alone)
        return {who: answers[who] for who in hits}

    def _record_one(self, who: OffenderId, hits: Sequence[Hit]) -> Offender:
        now_ms = self._clock.now_ms()
        kept_until_ms = self._retention.until_ms(None, now_ms=now_ms)
        doing = f"recording {who.key} in {who.jail}"
        with self._unless_unreadable(who), aws_errors(doing):
            answer = self._client.update_item(
                TableName=self._table,
                Key=state_key(who),
                UpdateExpression="ADD hits :hits, v :one SET #ttl = :ttl",
                ExpressionAttributeNames={"#ttl": "ttl"},
                ExpressionAttributeValues={
                    ":hits": hits_value(hits),
                    ":one": number(1),
                    ":ttl": ttl(kept_until_ms),
                },
                ReturnValues="ALL_NEW",
            )
        with self._told(), odd_answers(doing):
            offender = self._known.learn(who, part_of(answer, "Attributes", doing, dict))
        longer_ms = self._retention.until_ms(offender.ban, now_ms=now_ms)
        # Half of the time would do (see `kept_ms`), so a write for a little more is not worth its price.
        if longer_ms - kept_until_ms > self._retention.kept_ms // 2:
            self._keep_until(who, longer_ms)
        return offender

    @contextmanager
    def _unless_unreadable(self, who: OffenderId) -> Iterator[None]:
        """Find out whether a write was refused because what is there cannot be read, and say so then.

        Raises:
            Unreadable: If so; otherwise whatever the write raised.
        """
        try:
            yield
        except Invalid:
            self.offender(who)
            raise

    def _keep_until(self, who: OffenderId, kept_until_ms: int) -> None:
        """Undo the shorter time to live that a hit gave to an offender under a long ban."""
        with aws_errors(f"keeping {who.key} in {who.jail}"):
            self._client.update_item(
                TableName=self._table,
                Key=state_key(who),
                UpdateExpression="SET #ttl = :ttl",
                ExpressionAttributeNames={"#ttl": "ttl"},
                ExpressionAttributeValues={":ttl": ttl(kept_until_ms)},
            )

    def commit(self, decisions: Mapping[OffenderId, Decision]) -> Answers:
        """Store each offender's bans in a transaction; answer what is remembered then.

        Bans that only last longer are stored without one when they are many.
        """
        longer = {who: each for who, each in decisions.items() if _only_extends(each)}
        answers = self._many.extend(longer) if len(longer) >= MANY else {}
        answers |= self._bans.commit({who: each for who, each in decisions.items() if who not in answers})
        return {who: answers[who] for who in decisions}

    def trim(self, who: OffenderId, spent: Iterable[Hit]) -> None:
        """Forget hits that can no longer count."""
        gone = list(spent)
        if not gone:  # DynamoDB takes no empty set
            return
        with aws_errors(f"trimming {who.key} in {who.jail}"):
            answer = self._client.update_item(
                TableName=self._table,
                Key=state_key(who),
                UpdateExpression="DELETE hits :spent ADD v :one",
                ExpressionAttributeValues={":spent": hits_value(gone), ":one": number(1)},
                ReturnValues="ALL_NEW",
            )
        with odd_answers("trimming"):
            self._known.learn(who, answer.get("Attributes", {}))


def _only_extends(decision: Decision) -> bool:
    """Tell whether the last ban lasts longer, and nothing else happened."""
    last, changed = decision.seen.ban, decision.changed
    if last is None or len(changed) > 1:
        return False
    longer = replace(last, until_ms=changed[0].until_ms, extended=changed[0].extended)
    return replace(changed[0], evidence=()) == replace(longer, evidence=())


def _gathered(answers: dict[OffenderId, Future[Offender]]) -> Answers:
    gathered: Answers = {}
    for who, answer in answers.items():
        try:
            gathered[who] = answer.result()
        except F2bError as error:
            gathered[who] = error
    return gathered
