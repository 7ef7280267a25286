"""The ledger on DynamoDB: one table, on demand, without an index.

    pk                          sk                        what
    ip#<key>                    s#<jail>                  the state of one offender: the unused hits (a string
                                                          set), the last ban and its evidence
    ip#<key>                    h#<jail>#<start_ms>       an earlier ban with its evidence
    log, log#…, part#…                                    the ban log, see ban_log/
    lease#<name>                lease                     see lease.py
    enforcer#<Region>           …                         see notebook.py
    meta                        schema                    see schema.py

Hits are added by one UpdateItem that answers the whole item: a set union is idempotent and commutes, and the
answer is strongly consistent. A ban is stored by one statement, conditional on the offender's revision, which
every change of its ban raises by one; then it is logged, so that everybody who follows the log knows it. Times are
epoch milliseconds; only `ttl` is in seconds, for garbage collection.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.answers import aws_errors, odd_answers, part_of
from f2b_worker.adapters.dynamodb.ban_book import DynamoBanBook
from f2b_worker.adapters.dynamodb.ban_log.items import BanLogItems
from f2b_worker.adapters.dynamodb.ban_log.reader import BanLogReader
from f2b_worker.adapters.dynamodb.ban_log.writer import BanLogWriter
from f2b_worker.adapters.dynamodb.history import History
from f2b_worker.adapters.dynamodb.items import (
    ban_item,
    evidence_item,
    hits_value,
    number,
    state_key,
    ttl,
)
from f2b_worker.adapters.dynamodb.many import MANY, ManyOffenders
from f2b_worker.adapters.dynamodb.news import News
from f2b_worker.adapters.dynamodb.publishing import Publishing
from f2b_worker.adapters.dynamodb.seen_items import SeenItems
from f2b_worker.adapters.dynamodb.state_update import state_update
from f2b_worker.adapters.dynamodb.strangers import Strangers
from f2b_worker.adapters.threads import Threads
from f2b_worker.domain.judge.retention import Retention
from f2b_worker.errors import F2bError, Invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.adapters.dynamodb.items import Item
    from f2b_worker.domain.judge.decisions import Decision
    from f2b_worker.domain.judge.verdicts import Ban, Hit, Offender, OffenderId
    from f2b_worker.ports import Answers, Clock


class DynamoLedger(DynamoBanBook):
    """Offenders and bans in one DynamoDB table, shared by any number of workers.

    Args:
        client: A DynamoDB client; it is used from *io_threads* threads at once.
        table: The table's name; `f2b provision` makes it.
        clock: Tells until when items are kept, and how old is what was read.
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
        self._strangers = Strangers(client, table, self._io, self._known, clock=clock, retention=self._retention)
        self._history = History(client, table, self._io, retention=self._retention, clock=clock)
        writer = BanLogWriter(BanLogItems(client, table, clock), clock)
        self._publishing = Publishing(writer, self._known, read=self._many.read, clock=clock)
        self._publishes = threading.Lock()
        # A moment late costs nothing here, and half as much.
        some_time = BanLogItems(client, table, clock, is_strong=False)
        self._news = News(BanLogReader(some_time, clock, aside=self._aside, looked=self.orders.look_again), clock)

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
        asked_s = self._clock.monotonic_s()
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
            offender = self._known.learn(who, part_of(answer, "Attributes", doing, dict), asked_s)
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

    def ban_strangers(self, bans: Mapping[OffenderId, Ban]) -> Answers:
        """Store the first bans of those whom the table does not know; answer whom it banned."""
        return self._strangers.ban(bans)

    def commit(self, decisions: Mapping[OffenderId, Decision]) -> Answers:
        """Store bans, first of all in the history those that have ended; answer what is remembered then."""
        failed: Answers = {**self._history.write(decisions)}
        left = {who: each for who, each in decisions.items() if who not in failed}
        answers = failed | (self._many.store(left) if len(left) >= MANY else {})
        alone = {who: self._io.submit(self._commit_one, who, left[who]) for who in left if who not in answers}
        answers |= _gathered(alone)
        return {who: answers[who] for who in decisions}

    def _commit_one(self, who: OffenderId, decision: Decision) -> Offender:
        asked_s = self._clock.monotonic_s()
        doing = f"banning {who.key} in {who.jail}"
        with self._unless_unreadable(who), aws_errors(doing):
            try:
                answer: Any = self._client.update_item(
                    **self._ban_update(who, decision),
                    ReturnValues="ALL_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
                item = answer.get("Attributes", {})
            except self._client.exceptions.ConditionalCheckFailedException as error:
                refused: Any = error.response  # a colleague was faster
                item = refused.get("Item", {})
        with self._told(), odd_answers(doing):
            return self._known.learn(who, item, asked_s)

    def _ban_update(self, who: OffenderId, decision: Decision) -> Any:
        sets: Item = {
            "ban": {"M": ban_item(decision.last)},
            "ttl": ttl(self._retention.until_ms(decision.last, now_ms=self._clock.now_ms())),
        }
        if decision.last.evidence:
            sets["evidence"] = evidence_item(decision.last)
        return state_update(
            self._table,
            who,
            decision.seen,
            decision.applied(decision.seen),
            sets=sets,
            forgets_evidence=decision.is_another and not decision.last.evidence,
        )

    def publish(self, offenders: Mapping[OffenderId, Offender]) -> Mapping[OffenderId, F2bError]:
        """Log the last bans of *offenders*, unless the log is known to tell them."""
        with self._publishes:
            return self._publishing.publish(offenders)

    def news(self) -> Mapping[OffenderId, Offender]:
        """Read from the log what was stored since this was last asked; at first, what its snapshot holds.

        Of the snapshot the latest 200,000 are told, and 5,000 at once.
        """
        news = self._news.read()
        with self._publishes:
            if self._news.is_anew:
                self._publishing.forget()
            self._publishing.learn(news)
        return news

    @property
    def has_more_news(self) -> bool:
        """Whether the last news were only a part of what was to be told."""
        return self._news.has_more

    def trim(self, who: OffenderId, spent: Iterable[Hit]) -> None:
        """Forget hits that can no longer count."""
        gone = list(spent)
        if not gone:  # DynamoDB takes no empty set
            return
        asked_s = self._clock.monotonic_s()
        with aws_errors(f"trimming {who.key} in {who.jail}"):
            answer = self._client.update_item(
                TableName=self._table,
                Key=state_key(who),
                UpdateExpression="DELETE hits :spent ADD v :one",
                ExpressionAttributeValues={":spent": hits_value(gone), ":one": number(1)},
                ReturnValues="ALL_NEW",
            )
        with odd_answers("trimming"):
            self._known.learn(who, answer.get("Attributes", {}), asked_s)


def _gathered(answers: dict[OffenderId, Future[Offender]]) -> Answers:
    gathered: Answers = {}
    for who, answer in answers.items():
        try:
            gathered[who] = answer.result()
        except F2bError as error:
            gathered[who] = error
    return gathered
