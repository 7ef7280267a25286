"""DynamoDB with real state in a dict: conditions and answers are right, durability and validation canned.

The tables have the ledger's key, `pk` and `sk`, and no index. Units are counted as AWS bills them: a write by the
larger of the item before and after, a failed condition, too; a transaction twice. What a key or the table has too
much of in a second is throttled, if there are limits: a whole call, one statement, a transaction with its reasons,
keys of a batch.
"""

from __future__ import annotations

from collections import Counter
from itertools import starmap
from typing import TYPE_CHECKING

from benchmarks.canned.expressions import Item, refuse
from benchmarks.canned.kinds import kind_of
from benchmarks.canned.scan import scan
from benchmarks.canned.statements import Insert, Update, statement_of
from benchmarks.canned.table import Bounds, Table
from benchmarks.canned.tables import Answer, Request, Tables
from benchmarks.canned.tally import CannedError, Tally, Throttled
from benchmarks.canned.writes import Write, Writes, key_of
from localstack.table_limits import Limits
from localstack.units import PAGE_BYTES, write_units

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from localstack.table_limits import Kind

STATEMENTS_MAX = 25
GETS_MAX = 100
WRITES_MAX = 25
TRANSACTION_MAX = 100
TOKENS_MAX = 100
"""So many transactions are remembered by their tokens: AWS does so for ten minutes."""

_CODE_IN_BATCH = {
    "ValidationException": "ValidationError",
    "ResourceNotFoundException": "ResourceNotFound",
    "ThrottlingException": "ThrottlingError",
}
_FAILED = "The conditional request failed"
_DUPLICATE = "Duplicate primary key exists in table"


class CannedDynamoDB:
    """The operations by name; each takes and answers what the JSON protocol carries.

    Attributes:
        limits: Count units and refuse what is above; may be replaced.
        tables: What is stored.
        tally: Counts units.
    """

    def __init__(self, tally: Tally, tables: Iterable[str] = (), limits: Limits | None = None) -> None:
        self.tally = tally
        self.limits = limits or Limits()
        self.tables = Tables(tables)
        self._table = self.tables.find
        self._writes = Writes(self.tables.find)
        self._tokens: dict[str, object] = {}
        self.operations: dict[str, Callable[[Request], Answer]] = {
            **self.tables.operations,
            "GetItem": self._get_item,
            "PutItem": self._put_item,
            "UpdateItem": self._update_item,
            "DeleteItem": self._delete_item,
            "Query": self._query,
            "Scan": self._scan,
            "TransactWriteItems": self._transact_write_items,
            "BatchGetItem": self._batch_get_item,
            "BatchWriteItem": self._batch_write_item,
            "BatchExecuteStatement": self._batch_execute_statement,
            "ExecuteStatement": self._execute_statement,
        }

    def _let_in(self, kind: Kind, pk: str) -> None:
        reason = self.limits.refusal(kind, pk)
        if reason:
            raise Throttled(reason)

    def _bill_write(self, pk: str, kind: str, units: int, *, is_done: bool = True) -> None:
        self.tally.bill_write(kind, units, is_done=is_done)
        self.limits.count("Write", pk, units)

    def _bill_read(self, pk: str, read_bytes: int, *, consistent: bool) -> None:
        self.limits.count("Read", pk, self.tally.bill_read(read_bytes, consistent=consistent))

    def _get_item(self, request: Request) -> Answer:
        found = self._read(self._table(request["TableName"]), request["Key"], consistent=_consistent(request))
        return {"Item": found} if found else {}

    def _read(self, table: Table, key: Item, *, consistent: bool) -> Item | None:
        pk, sk = key_of(key)
        self._let_in("Read", pk)
        found = table.get(pk, sk)
        self._bill_read(pk, found[1] if found else 0, consistent=consistent)
        return found[0] if found else None

    def _batch_get_item(self, request: Request) -> Answer:
        asked = [(name, key) for name, wanted in request["RequestItems"].items() for key in wanted["Keys"]]
        if len(asked) > GETS_MAX or len({(name, *key_of(key)) for name, key in asked}) < len(asked):
            raise refuse("more than 100 keys in one BatchGetItem, or one twice")
        answers: dict[str, list[Item]] = {name: [] for name in request["RequestItems"]}
        left: dict[str, Request] = {}
        read_bytes: Counter[int | str] = Counter()
        refused: list[Throttled] = []
        for name, key in asked:
            wanted = request["RequestItems"][name]
            try:
                item = self._read_some(self._table(name), key, read_bytes, consistent=_consistent(wanted))
            except Throttled as error:
                refused.append(error)
                left.setdefault(name, {**wanted, "Keys": []})["Keys"].append(key)
            else:
                answers[name] += [item] if item else []
        if len(refused) == len(asked):
            raise refused[0]
        return {"Responses": answers, "UnprocessedKeys": left}

    def _read_some(
        self, table: Table, key: Item, read_bytes: Counter[int | str], *, consistent: bool
    ) -> Item | None:
        """Read one item of a batch, of which AWS answers 1 MB a partition.

        Raises:
            Throttled: If it is to be asked for again.
        """
        pk, sk = key_of(key)
        found = table.get(pk, sk)
        item_bytes = found[1] if found else 0
        partition = self.limits.partition_of(pk)
        if read_bytes[partition] and read_bytes[partition] + item_bytes > PAGE_BYTES:
            raise Throttled("more than 1 MB of a partition")
        read_bytes[partition] += item_bytes
        return self._read(table, key, consistent=consistent)

    def _query(self, request: Request) -> Answer:
        bounds = Bounds.of(request)
        self._let_in("Read", bounds.pk)
        if "IndexName" in request:
            raise refuse("an index: the table has none")
        forward = request.get("ScanIndexForward", True)
        rows = self._table(request["TableName"]).in_order(bounds.pk, forward=forward)
        start = request.get("ExclusiveStartKey")
        page: list[Item] = []
        page_bytes = 0
        answer: Answer = {"Items": page}
        for item, item_bytes in rows:
            if start:
                start = None if key_of(item) == key_of(start) else start
                continue
            if not bounds.hold(item):
                continue
            if page and page_bytes + item_bytes > PAGE_BYTES:
                answer["LastEvaluatedKey"] = {name: page[-1][name] for name in ("pk", "sk")}
                break
            page.append(item)
            page_bytes += item_bytes
        self._bill_read(bounds.pk, page_bytes, consistent=_consistent(request))
        return answer | {"Count": len(page), "ScannedCount": len(page)}

    def _scan(self, request: Request) -> Answer:
        page = scan(self._table(request["TableName"]), request)
        for pk in page.read_bytes:
            self._let_in("Read", pk)
        # One call is rounded up once, whatever it reads; each key has its share.
        total_bytes = sum(page.read_bytes.values())
        units = self.tally.bill_read(total_bytes, consistent=_consistent(request))
        for pk, read_bytes in page.read_bytes.items():
            self.limits.count("Read", pk, units * read_bytes / total_bytes)
        return page.answer

    def _put_item(self, request: Request) -> Answer:
        return self._write_alone(self._writes.put(request), request)

    def _update_item(self, request: Request) -> Answer:
        return self._write_alone(self._writes.update(request), request)

    def _delete_item(self, request: Request) -> Answer:
        return self._write_alone(self._writes.delete(request), request)

    def _write_alone(self, write: Write, request: Request) -> Answer:
        self._let_in("Write", write.pk)
        if not write.holds:
            self._bill_write(write.pk, write.kind, write.units(), is_done=False)
            raise CannedError("ConditionalCheckFailedException", _FAILED, **_old_item(write, request))
        self._bill_write(write.pk, write.kind, write.do())
        wanted = request.get("ReturnValues", "NONE")
        if wanted == "ALL_NEW":
            return {"Attributes": write.after}
        if wanted == "UPDATED_NEW":
            return {"Attributes": write.updated()}
        if wanted == "ALL_OLD":
            return {"Attributes": write.old[0]} if write.old else {}
        if wanted != "NONE":
            raise refuse(f"ReturnValues {wanted}")
        return {}

    def _transact_write_items(self, request: Request) -> Answer:
        asked = [(kind, one) for each in request["TransactItems"] for kind, one in each.items()]
        token = request.get("ClientRequestToken")
        if token not in self._tokens:
            self._transact(asked)
        elif self._tokens[token] != asked:
            raise CannedError("IdempotentParameterMismatchException", "another transaction had this token")
        if token:
            self._tokens[token] = asked
            while len(self._tokens) > TOKENS_MAX:
                self._tokens.pop(next(iter(self._tokens)))
        return {}

    def _transact(self, asked: list[tuple[str, Request]]) -> None:
        make = self._writes
        prepare = {"Put": make.put, "Update": make.update, "Delete": make.delete, "ConditionCheck": make.check}
        if len(asked) > TRANSACTION_MAX:
            raise refuse("more than 100 items in one transaction")
        writes = [prepare[kind](one) for kind, one in asked]
        if len({(id(write.table), write.pk, write.sk) for write in writes}) < len(writes):
            raise refuse("one item twice in a transaction")
        reasons = self._throttled_among(writes)
        if not reasons and not all(write.holds for write in writes):
            for write in writes:
                self._bill_write(write.pk, write.kind, 2 * write.units(), is_done=False)
            reasons = list(starmap(_reason, zip(writes, (one for _, one in asked), strict=True)))
        if reasons:
            codes = ", ".join(reason["Code"] for reason in reasons)
            message = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
            raise CannedError("TransactionCanceledException", message, CancellationReasons=reasons)
        for (kind, _), write in zip(asked, writes, strict=True):
            units = 2 * (write.units() if kind == "ConditionCheck" else write.do())
            self._bill_write(write.pk, write.kind, units)

    def _throttled_among(self, writes: Iterable[Write]) -> list[Answer]:
        """Tell AWS's reason for each write of a transaction, or nothing if none is throttled."""
        reasons: list[Answer] = []
        for write in writes:
            try:
                self._let_in("Write", write.pk)
            except Throttled as refused:
                reasons.append({"Code": "ThrottlingError", "Message": str(refused)})
            else:
                reasons.append({"Code": "None"})
        return reasons if any(reason["Code"] != "None" for reason in reasons) else []

    def _batch_write_item(self, request: Request) -> Answer:
        asked = [(name, one) for name, each in request["RequestItems"].items() for one in each]
        if len(asked) > WRITES_MAX:
            raise refuse("more than 25 writes in one BatchWriteItem")
        left: dict[str, list[Request]] = {}
        for name, one in asked:
            ((kind, what),) = one.items()
            write = (self._writes.put if kind == "PutRequest" else self._writes.delete)(
                {"TableName": name, **what}
            )
            try:
                self._let_in("Write", write.pk)
            except Throttled:
                left.setdefault(name, []).append(one)
                if sum(map(len, left.values())) == len(asked):
                    raise
            else:
                self._bill_write(write.pk, write.kind, write.do())
        return {"UnprocessedItems": left}

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
        self._let_in("Write", pk)
        kind = kind_of(pk, sk, statement.names)
        old = table.get(pk, sk)
        if old is None:  # an UPDATE is no upsert
            self._bill_write(pk, kind, 1, is_done=False)
            return {"Code": "ConditionalCheckFailed", "Message": _FAILED}
        item = old[0]
        if not statement.holds(item, parameters):
            self._bill_write(pk, kind, write_units(old[1]), is_done=False)
            wanted = one.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
            return {"Code": "ConditionalCheckFailed", "Message": _FAILED} | ({"Item": item} if wanted else {})
        self._bill_write(pk, kind, table.put(pk, sk, statement.applied(item, parameters), old))
        return None

    def _insert(self, table: Table, item: Item) -> Answer | None:
        pk, sk = key_of(item)
        self._let_in("Write", pk)
        kind = kind_of(pk, sk, item)
        old = table.get(pk, sk)
        if old:
            # Whether AWS shows the item here, too, is not documented: so it is not shown.
            self._bill_write(pk, kind, write_units(old[1]), is_done=False)
            return {"Code": "DuplicateItem", "Message": _DUPLICATE}
        self._bill_write(pk, kind, table.put(pk, sk, item, None))
        return None


def _consistent(request: Request) -> bool:
    return bool(request.get("ConsistentRead"))


def _old_item(write: Write, request: Request) -> Answer:
    wanted = request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
    return {"Item": write.old[0]} if wanted and write.old else {}


def _reason(write: Write, request: Request) -> Answer:
    if write.holds:
        return {"Code": "None"}
    return {"Code": "ConditionalCheckFailed", "Message": _FAILED} | _old_item(write, request)


def _only(answer: Answer, name: str) -> Answer:
    return {name: answer[name]} if name in answer else {}
