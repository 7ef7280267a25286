"""What the edge adds to an emulator's DynamoDB: limits a key, a batch's 1 MB a partition, no empty sets.

The emulator tells no units, so they are estimated: a write by what the request holds of the item, a read by what
the answer holds, a transaction twice; what a local index costs is left out. A batch is sent on without what is too
much for a key; that comes back as AWS gives it back. Each table of each account and region has its own limits.
"""

import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from functools import partial
from typing import Any

from localstack.edge_http import Request, Response, json_response
from localstack.faults import ApiError
from localstack.table_limits import MESSAGE, NO_LIMITS, Kind, Limits, Rates, Tables
from localstack.units import PAGE_BYTES, READ_UNIT_BYTES, read_units, size_bytes, write_units

Forward = Callable[[Request], Awaitable[Response]]
Data = dict[str, Any]
LimitsOf = Callable[[str], Limits]

_EMPTY_SET = re.compile(rb'"[SNB]S":\s*\[\s*\]')  # which ministack takes, and AWS does not
_KEY_IN_STATEMENT = re.compile(r"""["']pk["']\s*[=:]\s*\?""")
_TABLE_IN_STATEMENT = re.compile(r'(?:UPDATE|INTO|FROM)\s+"([^"]+)"', re.IGNORECASE)
_READS = frozenset({"GetItem", "Query"})
_WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem", "ExecuteStatement"})


class DynamoDB:
    """The edge's DynamoDB in front of an emulator's.

    Args:
        forward: Sends a request on.
        clock: In seconds; tests set their own.
    """

    def __init__(self, forward: Forward, clock: Callable[[], float] = time.monotonic) -> None:
        self._forward = forward
        self._clock = clock
        self._tables: Tables | None = None

    def limit(self, rates: Rates | None) -> None:
        """Give every key and table limits from now on, counted from zero; None only counts."""
        self._tables = Tables(rates or NO_LIMITS, self._clock)

    def reset(self) -> None:
        """Count and limit nothing."""
        self._tables = None

    def describe(self) -> Data:
        """Tell the limits (None: there are none), and the hottest keys and refusals since they were given."""
        tables = self._tables or Tables(NO_LIMITS)
        limits = None if tables.rates == NO_LIMITS else asdict(tables.rates)
        return {"limits": limits, **tables.figures()}

    async def answer(self, request: Request) -> Response:
        """Carry out a call.

        Raises:
            ApiError: If AWS would refuse it.
        """
        if _EMPTY_SET.search(request.body):
            raise ApiError(
                "ValidationException", "One or more parameter values were invalid: An string set  may not be empty"
            )
        if self._tables is None and request.action != "BatchGetItem":
            return await self._forward(request)
        data = request.json()
        limits_of = partial((self._tables or Tables(NO_LIMITS)).of, request.account, request.region)
        match request.action:
            case "BatchExecuteStatement":
                return await self._run_statements(request, data, limits_of)
            case "BatchGetItem" | "BatchWriteItem":
                return await self._run_batch(request, data, limits_of)
            case "TransactWriteItems":
                return await self._transact(request, data, limits_of)
            case action if action in _READS | _WRITES:
                return await self._run_alone(request, data, limits_of(table_of(data)))
            case _:
                return await self._forward(request)

    async def _run_alone(self, request: Request, data: Data, limits: Limits) -> Response:
        kind: Kind = "Read" if request.action in _READS else "Write"
        pk = key_of(data)
        reason = limits.refusal(kind, pk)
        if reason:
            raise _throttled(reason, request, table_of(data))
        answer = await self._forward(request)
        limits.count(kind, pk, read_units(len(answer.body)) if kind == "Read" else _write_units(data))
        return answer

    async def _run_statements(self, request: Request, data: Data, limits_of: LimitsOf) -> Response:
        statements: list[Data] = data["Statements"]
        refused = [bool(limits_of(table_of(one)).refusal("Write", key_of(one))) for one in statements]
        run = [one for one, is_refused in zip(statements, refused, strict=True) if not is_refused]
        if not run:
            return json_response({"Responses": [_THROTTLED_STATEMENT] * len(statements)})
        for one in run:
            limits_of(table_of(one)).count("Write", key_of(one), _write_units(one))
        if len(run) == len(statements):
            return await self._forward(request)
        answer = await self._forward(request.asking(request.action, {**data, "Statements": run}))
        if answer.status != 200:
            return answer
        answers = iter(answer.json()["Responses"])
        merged = [_THROTTLED_STATEMENT if is_refused else next(answers) for is_refused in refused]
        return answer.with_json({"Responses": merged})

    async def _run_batch(self, request: Request, data: Data, limits_of: LimitsOf) -> Response:
        kind: Kind = "Read" if request.action == "BatchGetItem" else "Write"
        run: Data = {}
        left: Data = {}
        reason = ""
        for table, key, units, add in _asked(data["RequestItems"], kind):
            refusal = limits_of(table).refusal(kind, key)
            add((left if refusal else run), table)
            reason = refusal or reason
            if not refusal:
                limits_of(table).count(kind, key, units)
        if not run:
            raise _throttled(reason, request, next(iter(left)))
        answer = await self._forward(
            request.asking(request.action, {**data, "RequestItems": run}) if left else request
        )
        if answer.status != 200:
            return answer
        if kind == "Read":
            return _answer_a_page(answer, data["RequestItems"], left, limits_of)
        return answer.with_json({**answer.json(), "UnprocessedItems": left}) if left else answer

    async def _transact(self, request: Request, data: Data, limits_of: LimitsOf) -> Response:
        items = [one for each in data["TransactItems"] for one in each.values()]
        refused = [bool(limits_of(table_of(one)).refusal("Write", key_of(one))) for one in items]
        if any(refused):
            codes = ["ThrottlingError" if is_refused else "None" for is_refused in refused]
            message = "Transaction cancelled, please refer cancellation reasons for specific reasons"
            error = ApiError("TransactionCanceledException", f"{message} [{', '.join(codes)}]").response()
            return error.with_json({**error.json(), "CancellationReasons": [{"Code": code} for code in codes]})
        for one in items:
            limits_of(table_of(one)).count("Write", key_of(one), 2 * _write_units(one))
        return await self._forward(request)


_THROTTLED_STATEMENT = {"Error": {"Code": "ThrottlingError", "Message": MESSAGE}}


def _throttled(reason: str, request: Request, table: str) -> ApiError:
    resource = f"arn:aws:dynamodb:{request.region}:{request.account}:table/{table}"
    return ApiError("ThrottlingException", MESSAGE, throttlingReasons=[{"reason": reason, "resource": resource}])


def table_of(data: Data) -> str:
    """Tell which table a call, a statement or an item of a transaction is about; "" if none shows."""
    found = _TABLE_IN_STATEMENT.search(data.get("Statement", ""))
    return found[1] if found else str(data.get("TableName", ""))


def key_of(data: Data) -> str:
    """Tell which partition key a call, a statement or an item of a transaction is about; "" if none shows."""
    if "Statement" in data:
        found = _KEY_IN_STATEMENT.search(data["Statement"])
        place = data["Statement"][: found.end()].count("?") - 1 if found else 0
        value = data["Parameters"][place] if found else {}
    elif "KeyConditionExpression" in data:
        found = re.search(r"(\S+)\s*=\s*(:\w+)", data["KeyConditionExpression"])
        value = data["ExpressionAttributeValues"][found[2]] if found else {}
    else:
        value = (data.get("Item") or data.get("Key") or {}).get("pk", {})
    return str(value.get("S", ""))


def _asked(items: Data, kind: Kind) -> list[tuple[str, str, int, Callable[[Data, str], None]]]:
    """List each part of a batch: its table, its key, its units at least, and how to add it to a batch."""
    asked: list[tuple[str, str, int, Callable[[Data, str], None]]] = []
    for table, wanted in items.items():
        for one in wanted["Keys"] if kind == "Read" else wanted:
            if kind == "Read":
                asked.append((table, str(one["pk"]["S"]), 1, _adds_key(wanted, one)))
            else:
                ((_, what),) = one.items()
                asked.append((table, key_of(what), _write_units(what), _adds_write(one)))
    return asked


def _answer_a_page(answer: Response, asked: Data, left: Data, limits_of: LimitsOf) -> Response:
    """Answer as much of each partition as AWS does; what is above, and what is *left*, is to be asked for again.

    Items without their key, which somebody asked for with a projection, are answered all.
    """
    if not left and len(answer.body) <= READ_UNIT_BYTES:
        return answer
    data = answer.json()
    for table, wanted in data.get("UnprocessedKeys", {}).items():
        for key in wanted["Keys"]:
            _adds_key(wanted, key)(left, table)
    read_bytes: Counter[tuple[str, str]] = Counter()
    for table, items in data["Responses"].items():
        names, kept = asked[table]["Keys"][0].keys(), []
        for item in items:
            item_bytes = size_bytes(item)
            if not names <= item.keys():
                kept.append(item)
            elif read_bytes[place := (table, key_of({"Key": item}))] + item_bytes <= PAGE_BYTES:
                kept.append(item)
                read_bytes[place] += item_bytes
                limits_of(table).count("Read", place[1], read_units(item_bytes) - 1)
            else:
                _adds_key(asked[table], {name: item[name] for name in names})(left, table)
        data["Responses"][table] = kept
    return answer.with_json({**data, "UnprocessedKeys": left})


def _adds_key(wanted: Data, key: Data) -> Callable[[Data, str], None]:
    return lambda batch, table: batch.setdefault(table, {**wanted, "Keys": []})["Keys"].append(key)


def _adds_write(one: Data) -> Callable[[Data, str], None]:
    return lambda batch, table: batch.setdefault(table, []).append(one)


def _write_units(data: Data) -> int:
    held = data.get("Item") or data.get("ExpressionAttributeValues") or data.get("Parameters") or {}
    return write_units(len(str(held)))
