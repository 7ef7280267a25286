"""The first bans of addresses of which nothing is remembered: their whole states, each in one write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.adapters.answers import aws_errors
from f2b_worker.adapters.dynamodb.items import ban_item, evidence_item, number, state_key, ttl
from f2b_worker.adapters.dynamodb.many import MANY
from f2b_worker.adapters.dynamodb.seen_items import Seen
from f2b_worker.adapters.dynamodb.statements import Refused, insert, run
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.verdicts import Offender
from f2b_worker.errors import F2bError, Invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from concurrent.futures import Executor

    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.adapters.dynamodb.items import Item
    from f2b_worker.adapters.dynamodb.seen_items import SeenItems
    from f2b_worker.adapters.dynamodb.statements import Outcome
    from f2b_worker.domain.judge.retention import Retention
    from f2b_worker.domain.judge.verdicts import Ban, OffenderId
    from f2b_worker.ports import Answers, Clock


class Strangers:
    """Bans whom the table does not know.

    Args:
        client: A DynamoDB client for any number of threads.
        table: The ledger's table.
        threads: Where writes run side by side.
        known: Shared with whoever else writes to offenders.
        clock: Tells when an item was asked for.
        retention: Until when an offender is kept.
    """

    def __init__(  # noqa: PLR0913
        self,
        client: DynamoDBClient,
        table: str,
        threads: Executor,
        known: SeenItems,
        *,
        clock: Clock,
        retention: Retention,
    ) -> None:
        self._client = client
        self._table = table
        self._threads = threads
        self._known = known
        self._clock = clock
        self._retention = retention

    def ban(self, bans: Mapping[OffenderId, Ban]) -> Answers:
        """Store first bans; who is left out of the answer is no stranger."""
        # A write that is refused is paid for, too.
        new = [who for who in bans if not self._known.get(who)]
        asked_s = self._clock.monotonic_s()
        answers: Answers = {}
        for who, outcome in zip(new, self._insert([self._item(who, bans[who]) for who in new]), strict=True):
            if outcome is None:
                answers[who] = after = Decision(Offender(), bans[who]).applied(Offender())
                self._known.keep(who, Seen(1, after, asked_s))
            elif isinstance(outcome, F2bError) and not isinstance(outcome, Invalid):
                # Invalid may be another's of the same batch: recorded, it is found out whose.
                answers[who] = outcome
        return answers

    def _item(self, who: OffenderId, ban: Ban) -> Item:
        return state_key(who) | {
            "ban": {"M": ban_item(ban)},
            "evidence": evidence_item(ban),
            "rev": number(1),
            "v": number(1),
            "ttl": ttl(self._retention.until_ms(ban, now_ms=self._clock.now_ms())),
        }

    def _insert(self, items: Sequence[Item]) -> Iterable[Outcome]:
        if len(items) >= MANY:
            return run(self._client, self._threads, [insert(self._table, item) for item in items])
        return self._threads.map(self._put, items)

    def _put(self, item: Item) -> Outcome:
        try:
            with aws_errors("banning a stranger"):
                try:
                    self._client.put_item(
                        TableName=self._table, Item=item, ConditionExpression="attribute_not_exists(pk)"
                    )
                except self._client.exceptions.ConditionalCheckFailedException:
                    return Refused(None)
        except F2bError as error:
            return error
        return None
