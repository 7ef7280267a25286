"""Bans of several offenders in one transaction: on the offender, in its history and among the standing bans.

A transaction is conditional on each offender's revision, and cancelled if one of them has changed. The reasons of
the cancellation show who has: these are taken out, and the others tried again. So a storm costs a write and a read
for eleven bans, and a colleague's verdict on one of them another write.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from f2b_worker.adapters.answers import aws_errors, error_code, error_of, odd_answers
from f2b_worker.adapters.dynamodb.ban_book import partition_of
from f2b_worker.adapters.dynamodb.items import (
    ban_item,
    evidence_item,
    history_key,
    hits_value,
    number,
    standing_item,
    state_key,
    ttl,
)
from f2b_worker.errors import F2bError, Invalid, Rejected, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

    from f2b_worker.domain.judge.decisions import Decision
    from f2b_worker.domain.judge.retention import Retention
    from f2b_worker.domain.judge.verdicts import Ban, OffenderId
    from f2b_worker.ports import Answers, Clock

    _Writes = list[TransactWriteItemTypeDef]

ITEMS_MAX = 33
"""Eleven new bans. A transaction may have 100 items, but each more of them is one more reason to cancel all."""

_BANS_OF_ONE = 30  # the rest of a long backlog follows in the next commit
_CANCELLED = "TransactionCanceledException"
_COLLECTION_IS_FULL = "ItemCollectionSizeLimitExceeded"  # 10 GB of one partition key and its index


class BanTransactions:
    """Stores bans, each offender's all or none of them.

    Args:
        client: A DynamoDB client for any number of threads.
        table: The ledger's table.
        threads: Where transactions run side by side.
        read: Reads offenders, and remembers them.
        clock: Stamps changes.
        retention: Until when an offender and its bans are kept.
    """

    def __init__(  # noqa: PLR0913
        self,
        client: DynamoDBClient,
        table: str,
        threads: Executor,
        *,
        read: Callable[[Sequence[OffenderId]], Answers],
        clock: Clock,
        retention: Retention,
    ) -> None:
        self._client = client
        self._table = table
        self._threads = threads
        self._read = read
        self._clock = clock
        self._retention = retention

    def commit(self, decisions: Mapping[OffenderId, Decision]) -> Answers:
        """Store bans; answer what is remembered then, or what is in the way."""
        answers: Answers = {}
        for part in self._threads.map(self._store, list(self._in_transactions(decisions))):
            answers |= part
        return answers

    def _in_transactions(self, decisions: Mapping[OffenderId, Decision]) -> Iterator[dict[OffenderId, _Writes]]:
        part: dict[OffenderId, _Writes] = {}
        items = 0
        for who, decision in decisions.items():
            more = self._writes(who, decision)
            if part and items + len(more) > ITEMS_MAX:
                yield part
                part, items = {}, 0
            part[who] = more
            items += len(more)
        if part:
            yield part

    def _store(self, writes: Mapping[OffenderId, _Writes]) -> Answers:
        """Store bans in one transaction; each turn takes out who lost a race, so there is an end."""
        left = dict(writes)
        while left:
            try:
                lost = self._write(left)
            except F2bError as error:
                failed = self._store_each(left) if _may_be_of_one(error, left) else dict.fromkeys(left, error)
                return failed | self._read([who for who in writes if who not in left])
            if not lost:
                break
            left = {who: each for who, each in left.items() if who not in lost}
        return self._read(list(writes))

    def _store_each(self, left: Mapping[OffenderId, _Writes]) -> Answers:
        answers: Answers = {}
        for who, each in left.items():
            answers |= self._store({who: each})
        return answers

    def _write(self, left: Mapping[OffenderId, _Writes]) -> set[OffenderId]:
        """Write everything, or nothing, and answer who has changed meanwhile."""
        who = next(iter(left))
        doing = f"banning {len(left)} offenders" if len(left) > 1 else f"banning {who.key} in {who.jail}"
        items = [item for each in left.values() for item in each]
        with aws_errors(doing):
            try:
                self._client.transact_write_items(TransactItems=items)
            except self._client.exceptions.TransactionCanceledException as error:
                lost = _lost(error, left)
                if lost:
                    return lost
                raise _cancelled(error, items, doing) from error
        return set()

    def _writes(self, who: OffenderId, decision: Decision) -> _Writes:
        """Make what has to be written for one offender; its state comes first, and bears the condition."""
        now = replace(decision, changed=decision.changed[:_BANS_OF_ONE])
        history = [self._history_write(who, ban) for ban in _for_history(now)]
        return [self._state_write(who, now), self._standing_write(who, now.last), *history]

    def _state_write(self, who: OffenderId, decision: Decision) -> TransactWriteItemTypeDef:
        seen, after = decision.seen, decision.applied(decision.seen)
        values: dict[str, Any] = {
            ":ban": {"M": ban_item(decision.last)},
            ":seen": number(seen.revision),
            ":next": number(after.revision),
            ":one": number(1),
            ":ttl": self._ttl(decision.last),
        }
        spent = seen.hits - after.hits
        if spent:
            values[":spent"] = hits_value(spent)
        return {
            "Update": {
                "TableName": self._table,
                "Key": state_key(who),
                "UpdateExpression": "SET last_ban = :ban, revision = :next, #ttl = :ttl ADD v :one"
                + (" DELETE hits :spent" if spent else ""),
                "ConditionExpression": "revision = :seen"
                if seen.revision
                else "attribute_not_exists(revision) OR revision = :seen",
                "ExpressionAttributeNames": {"#ttl": "ttl"},
                "ExpressionAttributeValues": values,
            }
        }

    def _standing_write(self, who: OffenderId, ban: Ban) -> TransactWriteItemTypeDef:
        item = standing_item(who, ban, partition=partition_of(who.key), changed_ms=self._clock.now_ms())
        return {"Put": {"TableName": self._table, "Item": item | {"ttl": self._ttl(ban)}}}

    def _history_write(self, who: OffenderId, ban: Ban) -> TransactWriteItemTypeDef:
        # An update, since an extended ban no longer carries the evidence that its first write stored.
        values = {f":{name}": value for name, value in ban_item(ban).items()}
        values[":ttl"] = self._ttl(ban)
        if ban.evidence:
            values[":evidence"] = evidence_item(ban)
        names = {f"#{name[1:]}": name[1:] for name in values}
        return {
            "Update": {
                "TableName": self._table,
                "Key": history_key(who, ban),
                "UpdateExpression": "SET " + ", ".join(f"#{name[1:]} = {name}" for name in values),
                "ExpressionAttributeNames": names,
                "ExpressionAttributeValues": values,
            }
        }

    def _ttl(self, ban: Ban) -> dict[str, str]:
        return ttl(self._retention.until_ms(ban, now_ms=self._clock.now_ms()))


def _for_history(decision: Decision) -> list[Ban]:
    """Put the ban that stood before first, if its extensions stand in the offender's state only."""
    before, changed = decision.seen.ban, decision.changed
    if before and before.extended and before.start_ms != changed[0].start_ms:
        return [before, *changed]
    return list(changed)


def _may_be_of_one(error: F2bError, left: Mapping[OffenderId, _Writes]) -> bool:
    """Tell whether a transaction for several failed for what may be the reason of one of them."""
    cause = error.__cause__
    cancelled = isinstance(cause, ClientError) and error_code(cause) == _CANCELLED
    return len(left) > 1 and (cancelled or isinstance(error, Invalid))


def _lost(error: ClientError, left: Mapping[OffenderId, _Writes]) -> set[OffenderId]:
    """Find out whose ban had changed meanwhile; it is judged again.

    The code is ConditionalCheckFailed; some emulators append Exception to it. Any other reason
    (a conflict with another transaction, throttling) passes, and the commit is tried again.
    """
    failed = {place for place, code in enumerate(_reasons(error)) if code.startswith("ConditionalCheckFailed")}
    lost = set()
    place = 0
    for who, writes in left.items():
        if not failed.isdisjoint(range(place, place + len(writes))):
            lost.add(who)
        place += len(writes)
    return lost


def _cancelled(error: ClientError, items: _Writes, doing: str) -> F2bError:
    """Say why a transaction was cancelled: by the reason that is somebody's own fault, else by the first.

    An offender whose item is invalid fails for ever, and alone. All else is the table's: it is tried again.
    """
    reasons: Sequence[Any] = error.response.get("CancellationReasons", [])
    found = [_reason_of(*pair, doing) for pair in zip(reasons, items, strict=False)]
    told = [each for each in found if each]
    own = next((each for each in told if isinstance(each, Invalid)), None)
    return own or (told[0] if told else Unavailable(f"{doing}: the transaction was cancelled without a reason"))


def _reason_of(reason: Any, item: Any, doing: str) -> F2bError | None:
    code = str(reason.get("Code") or "None")
    if code == "None":
        return None
    line = f"{doing}: {reason.get('Message') or code}"
    if code == _COLLECTION_IS_FULL:
        write = next(iter(item.values()))
        partition = (write.get("Key") or write["Item"])["pk"]["S"]
        full = f"{line} ({partition} and its index have 10 GB)"
        return Invalid(full) if partition.startswith("offender#") else Unavailable(full)
    told = error_of(code, line)
    # What DynamoDB may cancel for one day is no fault of an offender's.
    return Unavailable(f"{line} ({code})") if type(told) is Rejected else told


def _reasons(error: ClientError) -> list[str]:
    reasons: Sequence[Any] = error.response.get("CancellationReasons", [])
    with odd_answers("banning"):
        return [str(each.get("Code", "")) for each in reasons]
