"""The bans before an offender's last one, which its state no longer holds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from f2b_worker.adapters.answers import aws_errors, odd_answers
from f2b_worker.adapters.dynamodb.items import (
    as_last_ban,
    ban_item,
    evidence_item,
    history_key,
    number,
    state_key,
    ttl,
)
from f2b_worker.errors import F2bError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Executor

    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.adapters.dynamodb.items import Item
    from f2b_worker.domain.judge.decisions import Decision
    from f2b_worker.domain.judge.retention import Retention
    from f2b_worker.domain.judge.verdicts import Ban, OffenderId
    from f2b_worker.ports import Clock


class History:
    """Writes earlier bans, each before the state that takes its place: to write one twice changes nothing.

    Args:
        client: A DynamoDB client for any number of threads.
        table: The ledger's table.
        threads: Where writes run side by side.
        retention: Until when bans are kept.
        clock: Tells from when on.
    """

    def __init__(
        self, client: DynamoDBClient, table: str, threads: Executor, *, retention: Retention, clock: Clock
    ) -> None:
        self._client = client
        self._table = table
        self._threads = threads
        self._retention = retention
        self._clock = clock

    def write(self, decisions: Mapping[OffenderId, Decision]) -> dict[OffenderId, F2bError]:
        """Keep the bans that others will stand in the place of; answer whose are not kept, and why."""
        others = {who: ban for who, each in decisions.items() if (ban := each.ended)}
        errors = self._threads.map(self._write_one_or_error, others, others.values())
        return {who: error for who, error in zip(others, errors, strict=True) if error}

    def _write_one_or_error(self, who: OffenderId, ended: Ban) -> F2bError | None:
        try:
            standing = self._standing(who)
            # Else a colleague has been faster, and this decision will be refused.
            if standing and standing.start_ms == ended.start_ms:
                self._put(who, replace(ended, evidence=standing.evidence))
        except F2bError as error:
            return error
        return None

    def _standing(self, who: OffenderId) -> Ban | None:
        doing = f"reading {who.key} in {who.jail}"
        with aws_errors(doing):
            answer = self._client.get_item(TableName=self._table, Key=state_key(who), ConsistentRead=True)
        with odd_answers(doing):
            return as_last_ban(answer.get("Item", {}))

    def _put(self, who: OffenderId, ban: Ban) -> None:
        item: Item = history_key(who, ban) | ban_item(ban)
        item["ttl"] = ttl(self._retention.until_ms(ban, now_ms=self._clock.now_ms()))
        if ban.evidence:
            item["evidence"] = evidence_item(ban)
        with aws_errors(f"banning {who.key} in {who.jail}"):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=item,
                    # Who decided on less of it may come late, and is refused the next ban, too.
                    ConditionExpression="attribute_not_exists(pk) OR #extended <= :extended",
                    ExpressionAttributeNames={"#extended": "extended"},
                    ExpressionAttributeValues={":extended": number(ban.extended)},
                )
            except self._client.exceptions.ConditionalCheckFailedException:
                return
