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
from typing import TYPE_CHECKING, Any
from zlib import crc32

from f2b_worker.adapters.aws import aws_errors, error_code
from f2b_worker.adapters.dynamodb_items import (
    HISTORY_PREFIX,
    as_ban,
    as_offender,
    as_standing,
    ban_item,
    evidence_item,
    history_key,
    hit_text,
    offender_pk,
    standing_item,
    state_key,
)
from f2b_worker.errors import F2bError
from f2b_worker.ports import Changes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

    from f2b_worker.domain.verdicts import Ban, Hit, Offender, OffenderId
    from f2b_worker.ports import Clock, Sentence, StandingBan

SHARDS = 4
"""One partition takes 1,000 writes a second; the enforcer asks each one for changes every second."""

_BANS_IN_ONE_COMMIT = 30  # a transaction takes 100 items; the rest of a long backlog follows in the next one
_OVERLAP_MS = 5_000
_LOOK_BACK_MS = 305_000
_LOOK_BACK_EVERY_MS = 15_000


class DynamoLedger:
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
        self._client = client
        self._table = table
        self._clock = clock
        self._kept_ms = kept_ms
        self._looked_back_ms = 0
        self._io = ThreadPoolExecutor(io_threads, thread_name_prefix="ledger")

    def close(self) -> None:
        """Let the I/O threads end."""
        self._io.shutdown()

    def record(self, hits: Mapping[OffenderId, Sequence[Hit]]) -> dict[OffenderId, Offender | Exception]:
        """Add hits to what is remembered: one write each offender, no read."""
        return _gathered({who: self._io.submit(self._record_one, who, new) for who, new in hits.items()})

    def _record_one(self, who: OffenderId, hits: Sequence[Hit]) -> Offender:
        kept_until_ms = self._clock.now_ms() + self._kept_ms
        with aws_errors(f"recording {who.key} in {who.jail}"):
            answer = self._client.update_item(
                TableName=self._table,
                Key=state_key(who),
                UpdateExpression="ADD hits :hits SET #ttl = :ttl",
                ExpressionAttributeNames={"#ttl": "ttl"},
                ExpressionAttributeValues={
                    ":hits": {"SS": [hit_text(hit) for hit in hits]},
                    ":ttl": _ttl(kept_until_ms),
                },
                ReturnValues="ALL_NEW",
            )
        offender = as_offender(answer.get("Attributes", {}))
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
        """Store each offender's bans in one transaction; answer what is remembered then."""
        return _gathered({who: self._io.submit(self._commit_one, who, one) for who, one in sentences.items()})

    def _commit_one(self, who: OffenderId, sentence: Sentence) -> Offender:
        changed = sentence.changed[:_BANS_IN_ONE_COMMIT]
        writes = [
            self._state_write(who, sentence.seen, changed[-1]),
            self._standing_write(who, changed[-1]),
            *(self._history_write(who, ban) for ban in changed),
        ]
        with aws_errors(f"banning {who.key} in {who.jail}"):
            try:
                self._client.transact_write_items(TransactItems=writes)
            except self._client.exceptions.TransactionCanceledException as error:
                if not _lost_the_race(error):
                    raise
        return self.offender(who)

    def offender(self, who: OffenderId) -> Offender:
        """Read what is remembered of one offender; a stranger is an offender without a past."""
        with aws_errors(f"reading {who.key} in {who.jail}"):
            answer = self._client.get_item(TableName=self._table, Key=state_key(who), ConsistentRead=True)
        return as_offender(answer.get("Item", {}))

    def _state_write(self, who: OffenderId, seen: Offender, ban: Ban) -> TransactWriteItemTypeDef:
        values: dict[str, Any] = {
            ":ban": {"M": ban_item(ban)},
            ":seen": {"N": str(seen.revision)},
            ":next": {"N": str(seen.revision + 1)},
            ":ttl": self._ttl_after(ban),
        }
        spent = [hit_text(hit) for hit in seen.hits if hit.at_ms <= ban.until_ms]
        if spent:
            values[":spent"] = {"SS": spent}
        return {
            "Update": {
                "TableName": self._table,
                "Key": state_key(who),
                "UpdateExpression": "SET last_ban = :ban, revision = :next, #ttl = :ttl"
                + (" DELETE hits :spent" if spent else ""),
                "ConditionExpression": "revision = :seen"
                if seen.revision
                else "attribute_not_exists(revision) OR revision = :seen",
                "ExpressionAttributeNames": {"#ttl": "ttl"},
                "ExpressionAttributeValues": values,
            }
        }

    def _standing_write(self, who: OffenderId, ban: Ban) -> TransactWriteItemTypeDef:
        item = standing_item(who, ban, shard=_shard(who.key), changed_ms=self._clock.now_ms())
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
            self._client.update_item(
                TableName=self._table,
                Key=state_key(who),
                UpdateExpression="DELETE hits :spent",
                ExpressionAttributeValues={":spent": {"SS": [hit_text(hit) for hit in spent]}},
            )

    def standing(self) -> Iterator[StandingBan]:
        """Read the last ban of every offender, ended ones that are still remembered included."""
        for shard in range(SHARDS):
            pages = self._query(KeyConditionExpression="pk = :pk", values={":pk": {"S": f"bans#{shard}"}})
            for item in pages:
                yield as_standing(item)

    def changes(self, cursor: int) -> Changes:
        """Read the bans that were stored since *cursor*, some of them perhaps again; 0 reads all.

        The cursor is this follower's own time. Writers whose clocks are up to five seconds slow are seen at
        once; every fifteen seconds it looks further back, for those that are up to five minutes slow.
        """
        now_ms = self._clock.now_ms()
        overlap_ms = _OVERLAP_MS
        if now_ms - self._looked_back_ms >= _LOOK_BACK_EVERY_MS:
            self._looked_back_ms = now_ms
            overlap_ms = _LOOK_BACK_MS
        found: list[StandingBan] = []
        for shard in range(SHARDS):
            pages = self._query(
                IndexName="changes",
                KeyConditionExpression="pk = :pk AND changed_ms >= :since",
                values={
                    ":pk": {"S": f"bans#{shard}"},
                    ":since": {"N": str(max(0, cursor - overlap_ms))},
                },
            )
            found += [as_standing(item) for item in pages]
        return Changes(tuple(found), now_ms)

    def history(self, who: OffenderId) -> list[Ban]:
        """Read every remembered ban of one offender, oldest first."""
        items = self._query(
            KeyConditionExpression="pk = :pk AND begins_with(sk, :prefix)",
            values={":pk": {"S": offender_pk(who)}, ":prefix": {"S": HISTORY_PREFIX}},
        )
        return [as_ban(item) for item in items]

    def standing_of(self, key: str) -> list[StandingBan]:
        """Read the last ban of one address key in each jail, ended ones included."""
        items = self._query(
            KeyConditionExpression="pk = :pk AND begins_with(sk, :prefix)",
            values={":pk": {"S": f"bans#{_shard(key)}"}, ":prefix": {"S": f"{key}#"}},
        )
        return [as_standing(item) for item in items]

    def _query(self, *, values: dict[str, Any], **query: Any) -> Iterator[dict[str, Any]]:
        with aws_errors("reading the bans"):
            pages = self._client.get_paginator("query").paginate(
                TableName=self._table, ConsistentRead=True, ExpressionAttributeValues=values, **query
            )
            for page in pages:
                yield from page["Items"]


def _shard(key: str) -> int:
    return crc32(key.encode()) % SHARDS


def _ttl(at_ms: int) -> dict[str, str]:
    return {"N": str(at_ms // 1000)}


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
