"""The bans before an offender's last one, which its state no longer holds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.answers import aws_errors, odd_answers
from f2b_worker.adapters.dynamodb.items import as_last_ban, ban_item, evidence_item, history_key, state_key, ttl
from f2b_worker.errors import F2bError, Unreadable

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
        earlier = {who: each for who, each in decisions.items() if starts_another(each)}
        errors = self._threads.map(self._write_one_or_error, earlier, earlier.values())
        return {who: error for who, error in zip(earlier, errors, strict=True) if error}

    def _write_one_or_error(self, who: OffenderId, decision: Decision) -> F2bError | None:
        try:
            for ban in self._earlier(who, decision):
                self._put(who, ban)
        except F2bError as error:
            return error
        return None

    def _earlier(self, who: OffenderId, decision: Decision) -> list[Ban]:
        """Choose what goes into the history: the ban that stands, as long as it is by now, and new ones."""
        earlier = list(decision.changed[:-1])
        before = decision.seen.ban
        if before is None:
            return earlier
        extended = earlier.pop(0) if earlier and earlier[0].start_ms == before.start_ms else before
        return [replace(extended, evidence=self._evidence(who, before)), *earlier]

    def _evidence(self, who: OffenderId, ban: Ban) -> tuple[Any, ...]:
        """Read what the standing ban is backed by; nothing if another one stands there by now."""
        doing = f"reading {who.key} in {who.jail}"
        with aws_errors(doing):
            answer = self._client.get_item(TableName=self._table, Key=state_key(who), ConsistentRead=True)
        with odd_answers(doing):
            try:
                standing = as_last_ban(answer.get("Item", {}))
            except Unreadable:
                return ()
        return standing.evidence if standing and standing.start_ms == ban.start_ms else ()

    def _put(self, who: OffenderId, ban: Ban) -> None:
        kept = ttl(self._retention.until_ms(ban, now_ms=self._clock.now_ms()))
        item: Any = history_key(who, ban) | ban_item(ban) | {"ttl": kept}
        if ban.evidence:
            item["evidence"] = evidence_item(ban)
        with aws_errors(f"banning {who.key} in {who.jail}"):
            self._client.put_item(TableName=self._table, Item=item)


def starts_another(decision: Decision) -> bool:
    """Tell whether a ban stands there, or comes first, that is not the one that stands then."""
    before = decision.seen.ban
    return len(decision.changed) > 1 or (before is not None and before.start_ms != decision.last.start_ms)
