"""DynamoDB with real state in a dict: conditions and answers are right, durability and validation canned.

The tables have the ledger's key, `pk` and `sk`, and its local index `changes` on the number `changed_ms`. Units
are counted as AWS bills them: a write by the larger of the item before and after, a failed condition, too; a
transaction twice; an index entry once more, and twice where its key moved. A transaction's index writes are
counted twice: AWS's documentation leaves it open.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import starmap
from typing import TYPE_CHECKING, Any

from benchmarks.canned.expressions import (
    COMPARISONS,
    Insert,
    Item,
    Update,
    Value,
    actions_of,
    condition_of,
    is_equal,
    refuse,
    statement_of,
)
from benchmarks.canned.table import Bounds, Table, write_units
from benchmarks.canned.tally import CannedError, Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Request = dict[str, Any]
Answer = dict[str, Any]

STATEMENTS_MAX = 25
GETS_MAX = 100
WRITES_MAX = 25
TRANSACTION_MAX = 100
PAGE_BYTES = 1024 * 1024

_CODE_IN_BATCH = {"ValidationException": "ValidationError", "ResourceNotFoundException": "ResourceNotFound"}
_FAILED = "The conditional request failed"
_DUPLICATE = "Duplicate primary key exists in table"


@dataclass(slots=True)
class _Write:
    """One write, ready to be done: *after* is None where the item goes."""

    table: Table
    pk: str
    sk: str
    old: tuple[Item, int] | None
    after: Item | None
    holds: bool

    def units(self) -> int:
        """What it costs if its condition fails."""
        return write_units(self.old[1]) if self.old else 1

    def do(self) -> int:
        if self.after is None:
            return self.table.delete(self.pk, self.sk)
        return self.table.put(self.pk, self.sk, self.after, self.old)


class CannedDynamoDB:
    """The operations by name; each takes and answers what the JSON protocol carries."""

    def __init__(self, tally: Tally, tables: Iterable[str] = ()) -> None:
        self._tally = tally
        self._tables = {name: Table() for name in tables}
        self.operations: dict[str, Callable[[Request], Answer]] = {
            "CreateTable": self._create_table,
            "DescribeTable": self._describe_table,
            "DescribeTimeToLive": self._describe_time_to_live,
            "DescribeContinuousBackups": self._describe_continuous_backups,
            "GetItem": self._get_item,
            "PutItem": self._put_item,
            "UpdateItem": self._update_item,
            "DeleteItem": self._delete_item,
            "Query": self._query,
            "TransactWriteItems": self._transact_write_items,
            "BatchGetItem": self._batch_get_item,
            "BatchWriteItem": self._batch_write_item,
            "BatchExecuteStatement": self._batch_execute_statement,
            "ExecuteStatement": self._execute_statement,
        }

    def _table(self, name: str) -> Table:
        table = self._tables.get(name)
        if table is None:
            raise CannedError(
                "ResourceNotFoundException", f"Requested resource not found: Table: {name} not found"
            )
        return table

    def _create_table(self, request: Request) -> Answer:
        self._tables.setdefault(request["TableName"], Table())
        return {"TableDescription": {"TableName": request["TableName"], "TableStatus": "CREATING"}}

    def _describe_table(self, request: Request) -> Answer:
        name = request["TableName"]
        self._table(name)
        index = {"IndexName": "changes", "IndexStatus": "ACTIVE"}
        return {"Table": {"TableName": name, "TableStatus": "ACTIVE", "LocalSecondaryIndexes": [index]}}

    def _describe_time_to_live(self, request: Request) -> Answer:
        self._table(request["TableName"])
        return {"TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}}

    def _describe_continuous_backups(self, request: Request) -> Answer:
        self._table(request["TableName"])
        recovery = {"PointInTimeRecoveryStatus": "ENABLED"}
        return {"ContinuousBackupsDescription": {"PointInTimeRecoveryDescription": recovery}}

    def _get_item(self, request: Request) -> Answer:
        found = self._read(self._table(request["TableName"]), request["Key"], consistent=_consistent(request))
        return {"Item": found} if found else {}

    def _read(self, table: Table, key: Item, *, consistent: bool) -> Item | None:
        found = table.get(*_key(key))
        self._tally.bill_read(found[1] if found else 0, consistent=consistent)
        return found[0] if found else None

    def _batch_get_item(self, request: Request) -> Answer:
        answers: dict[str, list[Item]] = {}
        asked = 0
        for name, wanted in request["RequestItems"].items():
            table, consistent = self._table(name), _consistent(wanted)
            asked += len(wanted["Keys"])
            if asked > GETS_MAX or len(set(map(_key, wanted["Keys"]))) < len(wanted["Keys"]):
                raise refuse("more than 100 keys in one BatchGetItem, or one twice")
            found = (self._read(table, key, consistent=consistent) for key in wanted["Keys"])
            answers[name] = [item for item in found if item]
        return {"Responses": answers, "UnprocessedKeys": {}}

    def _query(self, request: Request) -> Answer:
        bounds = Bounds.of(request)
        table = self._table(request["TableName"])
        rows = (
            table.changed_since(bounds.pk, bounds.least) if "IndexName" in request else table.in_order(bounds.pk)
        )
        start = request.get("ExclusiveStartKey")
        page: list[Item] = []
        page_bytes = 0
        answer: Answer = {"Items": page}
        for item, item_bytes in rows:
            if start:
                start = None if _key(item) == _key(start) else start
                continue
            if not bounds.hold(item):
                continue
            if page and page_bytes + item_bytes > PAGE_BYTES:
                answer["LastEvaluatedKey"] = {name: page[-1][name] for name in ("pk", "sk", *bounds.index_key)}
                break
            page.append(item)
            page_bytes += item_bytes
        self._tally.bill_read(page_bytes, consistent=_consistent(request))
        return answer | {"Count": len(page), "ScannedCount": len(page)}

    def _put_item(self, request: Request) -> Answer:
        return self._write_alone(self._put(request), request)

    def _update_item(self, request: Request) -> Answer:
        return self._write_alone(self._update(request), request)

    def _delete_item(self, request: Request) -> Answer:
        return self._write_alone(self._delete(request), request)

    def _write_alone(self, write: _Write, request: Request) -> Answer:
        if not write.holds:
            self._tally.write_units += write.units()
            raise CannedError("ConditionalCheckFailedException", _FAILED, **_old_item(write, request))
        self._tally.write_units += write.do()
        wanted = request.get("ReturnValues", "NONE")
        if wanted == "ALL_NEW":
            return {"Attributes": write.after}
        if wanted == "ALL_OLD":
            return {"Attributes": write.old[0]} if write.old else {}
        if wanted != "NONE":
            raise refuse(f"ReturnValues {wanted}")
        return {}

    def _put(self, request: Request) -> _Write:
        item: Item = request["Item"]
        return self._prepared(request, item, lambda _: item)

    def _update(self, request: Request) -> _Write:
        names = request.get("ExpressionAttributeNames", {})
        values = request.get("ExpressionAttributeValues", {})

        def changed(before: Item) -> Item:
            after: Item = before | request["Key"]
            for action in actions_of(request["UpdateExpression"]):
                action(before, after, names, values)
            return after

        return self._prepared(request, request["Key"], changed)

    def _delete(self, request: Request) -> _Write:
        return self._prepared(request, request["Key"], lambda _: None)

    def _check(self, request: Request) -> _Write:
        return self._prepared(request, request["Key"], lambda before: before)

    def _prepared(self, request: Request, key: Item, change: Callable[[Item], Item | None]) -> _Write:
        table = self._table(request["TableName"])
        pk, sk = _key(key)
        old = table.get(pk, sk)
        before = old[0] if old else {}
        condition = request.get("ConditionExpression")
        holds = condition is None or condition_of(condition)(
            before, request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
        )
        return _Write(table, pk, sk, old, change(before) if holds else None, holds)

    def _transact_write_items(self, request: Request) -> Answer:
        prepare = {"Put": self._put, "Update": self._update, "Delete": self._delete, "ConditionCheck": self._check}
        asked = [(kind, one) for each in request["TransactItems"] for kind, one in each.items()]
        if len(asked) > TRANSACTION_MAX:
            raise refuse("more than 100 items in one transaction")
        writes = [prepare[kind](one) for kind, one in asked]
        if len({(id(write.table), write.pk, write.sk) for write in writes}) < len(writes):
            raise refuse("one item twice in a transaction")
        if not all(write.holds for write in writes):
            self._tally.write_units += 2 * sum(write.units() for write in writes)
            reasons = list(starmap(_reason, zip(writes, (one for _, one in asked), strict=True)))
            codes = ", ".join(reason["Code"] for reason in reasons)
            message = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
            raise CannedError("TransactionCanceledException", message, CancellationReasons=reasons)
        for (kind, _), write in zip(asked, writes, strict=True):
            self._tally.write_units += 2 * (write.units() if kind == "ConditionCheck" else write.do())
        return {}

    def _batch_write_item(self, request: Request) -> Answer:
        asked = [(name, one) for name, each in request["RequestItems"].items() for one in each]
        if len(asked) > WRITES_MAX:
            raise refuse("more than 25 writes in one BatchWriteItem")
        for name, one in asked:
            ((kind, what),) = one.items()
            write = (self._put if kind == "PutRequest" else self._delete)({"TableName": name, **what})
            self._tally.write_units += write.do()
        return {"UnprocessedItems": {}}

    def _batch_execute_statement(self, request: Request) -> Answer:
        statements = request["Statements"]
        if len(statements) > STATEMENTS_MAX:
            raise refuse("more than 25 statements in one batch")
        answers = [self._in_batch(one) for one in statements]
        return {"Responses": answers}

    def _in_batch(self, one: Request) -> Answer:
        try:
            statement = statement_of(one["Statement"])
            error = self._execute(statement, one)
        except CannedError as refused:
            code = _CODE_IN_BATCH.get(refused.code, refused.code)
            return {"Error": {"Code": code, "Message": str(refused)}}
        if error:
            return {"Error": error, "TableName": statement.table}
        return {"TableName": statement.table}

    def _execute_statement(self, request: Request) -> Answer:
        error = self._execute(statement_of(request["Statement"]), request)
        if error:
            raise CannedError(f"{error['Code']}Exception", error["Message"], **_only(error, "Item"))
        return {"Items": []}

    def _execute(self, statement: Insert | Update, one: Request) -> Answer | None:
        """Run one statement; answer its error if it has one."""
        table = self._table(statement.table)
        if isinstance(statement, Insert):
            return self._insert(table, dict(zip(statement.names, one.get("Parameters", ()), strict=True)))
        parameters = one["Parameters"]
        pk, sk = parameters[statement.pk]["S"], parameters[statement.sk]["S"]
        old = table.get(pk, sk)
        if old is None:  # an UPDATE is no upsert
            self._tally.write_units += 1
            return {"Code": "ConditionalCheckFailed", "Message": _FAILED}
        item = old[0]
        if not _meets(item, statement, parameters):
            self._tally.write_units += write_units(old[1])
            wanted = one.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
            return {"Code": "ConditionalCheckFailed", "Message": _FAILED} | ({"Item": item} if wanted else {})
        after = item.copy()
        for name, place in statement.sets:
            after[name] = parameters[place]
        for name in statement.removes:
            after.pop(name, None)
        self._tally.write_units += table.put(pk, sk, after, old)
        return None

    def _insert(self, table: Table, item: Item) -> Answer | None:
        pk, sk = _key(item)
        old = table.get(pk, sk)
        if old:
            # Whether AWS shows the item here, too, is not documented: so it is not shown.
            self._tally.write_units += write_units(old[1])
            return {"Code": "DuplicateItem", "Message": _DUPLICATE}
        self._tally.write_units += table.put(pk, sk, item, None)
        return None


def _meets(item: Item, statement: Update, parameters: list[Value]) -> bool:
    for name, sign, place in statement.tests:
        held, wanted = item.get(name), parameters[place]
        if sign == "=":
            if held != wanted and not is_equal(held, wanted):
                return False
        elif not COMPARISONS[sign](held, wanted):
            return False
    return all((name in item) is there for name, there in statement.there)


def _key(item: Item) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["S"]


def _consistent(request: Request) -> bool:
    return bool(request.get("ConsistentRead"))


def _old_item(write: _Write, request: Request) -> Answer:
    wanted = request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
    return {"Item": write.old[0]} if wanted and write.old else {}


def _reason(write: _Write, request: Request) -> Answer:
    if write.holds:
        return {"Code": "None"}
    return {"Code": "ConditionalCheckFailed", "Message": _FAILED} | _old_item(write, request)


def _only(answer: Answer, name: str) -> Answer:
    return {name: answer[name]} if name in answer else {}
