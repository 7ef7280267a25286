"""How AWS answers each try of a call, and what that cost, for whoever listens: in a worker that is its metrics."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from f2b_worker.adapters.answers import is_throttled

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SERVICES = {
    "dynamodb": "the table",
    "sqs": "the queues",
    "wafv2": "the IP sets",
    "sts": "whose the credentials are",
    "other": "another one: who gives out credentials",
}
"""The services that a worker calls, as botocore names them, and what it needs of each."""

OUTCOMES = {
    "ok": "AWS did it, or some of what a batch asks for",
    "condition": "a condition did not hold: somebody else was faster. That is no failure",
    "throttled": "AWS asks for fewer calls",
    "refused": "AWS refused it: no permission, nothing of that name, or a wrong request",
    "error": "AWS answered with an error of its own (5xx)",
    "unreachable": "no answer came, or none that can be read",
}
"""What may become of a call."""

_CONDITIONS = {"ConditionalCheckFailedException", "TransactionCanceledException", "WAFOptimisticLockException"}
_UNITS = "ReturnConsumedCapacity"
_READS = frozenset({"GetItem", "BatchGetItem", "Query", "Scan", "TransactGetItems"})
_WRITES = frozenset(
    {
        "PutItem",
        "UpdateItem",
        "DeleteItem",
        "BatchWriteItem",
        "TransactWriteItems",
        "ExecuteStatement",
        "BatchExecuteStatement",
    }
)
"""Of these a statement may read; nobody here has one that does."""


class Units(NamedTuple):
    """What DynamoDB says that a call took.

    Attributes:
        kind: `read` or `write`.
    """

    table: str
    kind: str
    number: float


class Call(NamedTuple):
    """One try of a call, as it ended."""

    service: str
    operation: str
    outcome: str
    took_s: float
    units: tuple[Units, ...] = ()


class Listener(Protocol):
    """Told of each call; from any thread, and never for long."""

    def __call__(self, call: Call) -> None:
        """Take note of a call."""
        ...


class Calls:
    """Tells of the calls of all clients of this process. Without a listener it asks and tells nothing."""

    def __init__(self) -> None:
        self.listener: Listener | None = None
        self._places: dict[str, tuple[str, str]] = {}

    def register(self, events: Any) -> None:
        """Hear of the calls of the clients that a session makes from now on."""
        events.register("before-parameter-build.dynamodb", self._ask_for_units)
        events.register("request-created", self._begin)
        events.register("response-received", self._end)

    def _ask_for_units(self, params: Any, event_name: str, **_: object) -> None:
        """Have DynamoDB tell what a call takes; it costs nothing but the bytes of the answer.

        https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateItem.html
        """
        if self.listener and self._place(event_name)[1] in _READS | _WRITES:
            params[_UNITS] = "TOTAL"

    def _begin(self, request: Any, **_: object) -> None:
        if self.listener:
            request.context[_BEGAN_S] = time.monotonic()

    def _end(
        self,
        response_dict: Mapping[str, Any] | None,
        parsed_response: Mapping[str, Any] | None,
        context: Mapping[str, Any],
        event_name: str,
        **_: object,
    ) -> None:
        if self.listener is None or _BEGAN_S not in context:
            return
        took_s = time.monotonic() - context[_BEGAN_S]
        service, operation = self._place(event_name)
        outcome = _outcome(response_dict, parsed_response)
        units = _units(operation, parsed_response) if outcome == "ok" and parsed_response else ()
        self.listener(Call(service, operation, outcome, took_s, units))

    def _place(self, event_name: str) -> tuple[str, str]:
        place = self._places.get(event_name)
        if place is None:
            _, service, operation = event_name.split(".")
            place = self._places[event_name] = service if service in SERVICES else "other", operation
        return place


_BEGAN_S = "f2b_call_began_s"


def _outcome(response_dict: Mapping[str, Any] | None, parsed: Mapping[str, Any] | None) -> str:
    if response_dict is None or parsed is None:
        return "unreachable"
    status = response_dict["status_code"]
    if status < 300:
        return "ok"
    error = parsed.get("Error")
    code = str(error.get("Code", "")) if isinstance(error, dict) else ""
    if is_throttled(code):
        return "throttled"
    if code in _CONDITIONS:
        return "condition"
    return "error" if status >= 500 else "refused"


def _units(operation: str, answer: Mapping[str, Any]) -> tuple[Units, ...]:
    """Read what an answer tells of units; whatever has another form tells of none."""
    told = answer.get("ConsumedCapacity")
    kind = "read" if operation in _READS else "write"
    parts: Iterable[Any] = told if isinstance(told, list) else [told]
    numbers: dict[str, float] = {}
    for part in parts:
        if isinstance(part, dict):
            table, number = part.get("TableName"), part.get("CapacityUnits")
            if isinstance(table, str) and isinstance(number, int | float):
                numbers[table] = numbers.get(table, 0.0) + number
    return tuple(Units(table, kind, number) for table, number in numbers.items())


CALLS = Calls()
"""Of this process."""
