"""The bans before an offender's last one, which its state no longer holds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.answers import aws_errors, odd_answers
from f2b_worker.adapters.dynamodb.items import as_last_ban, ban_item, evidence_item, history_key, state_key, ttl
from f2b_worker.errors import F2bError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Executor

    from mypy_boto3_dynamodb import DynamoDBClient

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
        others = {who: each for who, each in decisions.items() if each.seen.ban and starts_another(each)}
        errors = self._threads.map(self._write_one_or_error, others, others.values())
        return {who: error for who, error in zip(others, errors, strict=True) if error}

    def _write_one_or_error(self, who: OffenderId, decision: Decision) -> F2bError | None:
        try:
            standing = self._standing(who)
            before = _before(decision)
            # Else a colleague has been faster, and this decision will be refused.
            if before and standing and standing.start_ms == before.start_ms:
                self._put(who, replace(before, evidence=standing.evidence))
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
        with aws_errors(f"banning {who.key} in {who.jail}"):
            self._client.put_item(TableName=self._table, Item=self.item(who, ban))

    def item(self, who: OffenderId, ban: Ban) -> Any:
        """Write one ban of the history."""
        kept = ttl(self._retention.until_ms(ban, now_ms=self._clock.now_ms()))
        item = history_key(who, ban) | ban_item(ban) | {"ttl": kept}
        return item | {"evidence": evidence_item(ban)} if ban.evidence else item


def starts_another(decision: Decision) -> bool:
    """Tell whether another ban stands there afterwards than before."""
    before = decision.seen.ban
    return before is None or before.start_ms != decision.last.start_ms


def passing(decision: Decision) -> list[Ban]:
    """Choose the new bans of a decision that are over when it is stored: they never stand anywhere."""
    before = decision.seen.ban
    return [ban for ban in decision.changed[:-1] if before is None or ban.start_ms != before.start_ms]


def _before(decision: Decision) -> Ban | None:
    """Answer the ban that stood before, as far as it is extended by now."""
    first, before = decision.changed[0], decision.seen.ban
    return first if before and first.start_ms == before.start_ms else before
