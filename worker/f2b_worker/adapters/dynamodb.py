"""The ledger on DynamoDB: one table, on demand.

    pk                          sk                   what
    offender#<jail>#<key>       state                the unused hits (a string set) and the last ban
    offender#<jail>#<key>       ban#<start_ms>       history: every ban with its evidence
    bans#<shard>                <key>#<jail>         the last ban again, in a few fixed partitions;
                                                     local index "changes" on changed_ms
    lease#<name>                lease                see dynamodb_lease
    enforcer#<Region>           …                    see dynamodb_notebook

Hits are added by one UpdateItem that answers the whole item: a set union is idempotent and commutes, and the
answer is strongly consistent. A ban is one transaction on the offender, its history and its place among the bans,
conditional on the offender's revision. Times are epoch milliseconds; only `ttl` is in seconds, and only garbage
collection.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.aws import aws_errors, error_code
from f2b_worker.adapters.dynamodb_bans import DynamoBanBook, partition_of
from f2b_worker.adapters.dynamodb_items import (
    ban_item,
    evidence_item,
    history_key,
    hits_value,
    number,
    standing_item,
    state_key,
)
from f2b_worker.adapters.dynamodb_many import Known, ManyOffenders
from f2b_worker.errors import F2bError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from concurrent.futures import Future

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

    from f2b_worker.domain.verdicts import Ban, Hit, Offender, OffenderId
    from f2b_worker.ports import Clock, Sentence

MANY = 5
"""From so many offenders on, batches cost less than single writes, which answer sooner."""

_BANS_IN_ONE_COMMIT = 30  # a transaction takes 100 items; the rest of a long backlog follows in the next one


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
        self._kept_ms = kept_ms
        self._io = ThreadPoolExecutor(io_threads, thread_name_prefix="ledger")
        self._known = Known(clock)
        self._many = ManyOffenders(
            client, table, self._io, self._known, place_of=partition_of, clock=clock, kept_ms=kept_ms
        )

    def close(self) -> None:
        """Let the I/O threads end."""
        self._io.shutdown()

    def record(self, hits: Mapping[OffenderId, Sequence[Hit]]) -> dict[OffenderId, Offender | Exception]:
        """Add hits to what is remembered: one write each offender, and no read but of strangers who are none."""
        answers = self._many.record(hits) if len(hits) >= MANY else {}
        alone = {who: self._io.submit(self._record_one, who, hits[who]) for who in hits if who not in answers}
        answers |= _gathered(alone)
        return {who: answers[who] for who in hits}

    def _record_one(self, who: OffenderId, hits: Sequence[Hit]) -> Offender:
        kept_until_ms = self._clock.now_ms() + self._kept_ms
        with aws_errors(f"recording {who.key} in {who.jail}"):
            answer = self._client.update_item(
                TableName=self._table,
                Key=state_key(who),
                UpdateExpression="ADD hits :hits, v :one SET #ttl = :ttl",
                ExpressionAttributeNames={"#ttl": "ttl"},
                ExpressionAttributeValues={
                    ":hits": hits_value(hits),
                    ":one": number(1),
                    ":ttl": _ttl(kept_until_ms),
                },
                ReturnValues="ALL_NEW",
            )
        offender = self._known.learn(who, answer.get("Attributes", {}))
        if offender.ban and offender.ban.until_ms + self._kept_ms // 2 > kept_until_ms:
            self._keep_until(who, offender.ban.until_ms + self._kept_ms)
        return offender

    def _keep_until(self, who: OffenderId, kept_until_ms: int) -> None:
        """Undo the shorter time to live that a hit gave to an offender under a long ban."""
        with aws_errors(f"keeping {who.key} in {who.jail}"):
            self._client.update_item(
                TableName=self._table,
                Key=state_key(who),
                UpdateExpression="SET #ttl = :ttl",
                ExpressionAttributeNames={"#ttl": "ttl"},
                ExpressionAttributeValues={":ttl": _ttl(kept_until_ms)},
            )

    def commit(self, sentences: Mapping[OffenderId, Sentence]) -> dict[OffenderId, Offender | Exception]:
        """Store each offender's bans in one transaction; answer what is remembered then.

        Bans that only last longer are stored in batches when they are many.
        """
        longer = {who: each for who, each in sentences.items() if _only_extends(each)}
        answers = self._many.extend(longer) if len(longer) >= MANY else {}
        alone = {
            who: self._io.submit(self._commit_one, who, each)
            for who, each in sentences.items()
            if who not in answers
        }
        answers |= _gathered(alone)
        return {who: answers[who] for who in sentences}

    def _commit_one(self, who: OffenderId, sentence: Sentence) -> Offender:
        changed = sentence.changed[:_BANS_IN_ONE_COMMIT]
        writes = [
            self._state_write(who, sentence.seen, changed[-1]),
            self._standing_write(who, changed[-1]),
            *(self._history_write(who, ban) for ban in _for_history(sentence.seen, changed)),
        ]
        with aws_errors(f"banning {who.key} in {who.jail}"):
            try:
                self._client.transact_write_items(TransactItems=writes)
            except self._client.exceptions.TransactionCanceledException as error:
                if not _lost_the_race(error):
                    raise
        return self._known.learn(who, self._read_state(who))

    def _state_write(self, who: OffenderId, seen: Offender, ban: Ban) -> TransactWriteItemTypeDef:
        values: dict[str, Any] = {
            ":ban": {"M": ban_item(ban)},
            ":seen": number(seen.revision),
            ":next": number(seen.revision + 1),
            ":one": number(1),
            ":ttl": self._ttl_after(ban),
        }
        spent = [hit for hit in seen.hits if hit.at_ms <= ban.until_ms]
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
        return {"Put": {"TableName": self._table, "Item": item | {"ttl": self._ttl_after(ban)}}}

    def _history_write(self, who: OffenderId, ban: Ban) -> TransactWriteItemTypeDef:
        # An update, since an extended ban no longer carries the evidence that its first write stored.
        values = {f":{name}": value for name, value in ban_item(ban).items()}
        values[":ttl"] = self._ttl_after(ban)
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

    def _ttl_after(self, ban: Ban) -> dict[str, str]:
        return _ttl(ban.until_ms + self._kept_ms)

    def trim(self, who: OffenderId, spent: Iterable[Hit]) -> None:
        """Forget hits that can no longer count."""
        with aws_errors(f"trimming {who.key} in {who.jail}"):
            answer = self._client.update_item(
                TableName=self._table,
                Key=state_key(who),
                UpdateExpression="DELETE hits :spent ADD v :one",
                ExpressionAttributeValues={":spent": hits_value(spent), ":one": number(1)},
                ReturnValues="ALL_NEW",
            )
        self._known.learn(who, answer.get("Attributes", {}))


def _for_history(seen: Offender, changed: Sequence[Ban]) -> list[Ban]:
    """Put the last ban first, if its extensions stand in the offender's state only."""
    last = seen.ban
    if last and last.extended and last.start_ms != changed[0].start_ms:
        return [last, *changed]
    return list(changed)


def _only_extends(sentence: Sentence) -> bool:
    """Tell whether the last ban lasts longer, and nothing else happened."""
    last, changed = sentence.seen.ban, sentence.changed
    if last is None or len(changed) > 1:
        return False
    longer = replace(last, until_ms=changed[0].until_ms, extended=changed[0].extended)
    return replace(changed[0], evidence=()) == replace(longer, evidence=())


def _ttl(at_ms: int) -> dict[str, str]:
    return number(at_ms // 1000)


def _gathered(answers: dict[OffenderId, Future[Offender]]) -> dict[OffenderId, Offender | Exception]:
    gathered: dict[OffenderId, Offender | Exception] = {}
    for who, answer in answers.items():
        try:
            gathered[who] = answer.result()
        except F2bError as error:
            gathered[who] = error
    return gathered


def _lost_the_race(error: Any) -> bool:
    """Tell whether a transaction failed because the offender's ban had changed meanwhile.

    The code is ConditionalCheckFailed; some emulators append Exception to it. Any other reason
    (a conflict with another transaction, throttling) passes, and the commit is tried again.
    """
    if error_code(error) != "TransactionCanceledException":
        return False
    codes = [str(reason.get("Code", "")) for reason in error.response.get("CancellationReasons", [])]
    return any(code.startswith("ConditionalCheckFailed") for code in codes)
