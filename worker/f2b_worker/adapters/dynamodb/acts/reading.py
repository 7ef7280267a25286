"""Reading items of the ledger's table by their keys, strongly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.answers import aws_errors, odd_answers, part_of
from f2b_worker.adapters.batches import batches
from f2b_worker.adapters.dynamodb.ban_log.items import READ_MAX
from f2b_worker.adapters.dynamodb.items import name_of
from f2b_worker.adapters.dynamodb.patience import patiently
from f2b_worker.errors import Throttled

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable

    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.adapters.dynamodb.items import Item
    from f2b_worker.ports import Clock

PAUSES_S = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Between the tries of one reading."""

_READING = "reading what an act is about"


class Reading:
    """Reads items of one table; for any number of threads.

    Args:
        client: A DynamoDB client.
        table: The ledger's table.
        clock: Paces what is tried again.
        stop: Ends a pause between two tries.
    """

    def __init__(self, client: DynamoDBClient, table: str, clock: Clock, stop: threading.Event) -> None:
        self._client = client
        self._table = table
        self._clock = clock
        self._stop = stop

    def items(self, keys: Iterable[Item]) -> dict[str, Item]:
        """Read items by their keys; answer those that are there, by both parts of the key with a space between.

        Raises:
            F2bError: If DynamoDB does not answer for all of them.
        """
        found: dict[str, Item] = {}
        for batch in batches(keys, READ_MAX):
            left = list(batch)

            def read_on() -> None:
                self._read(left, found)  # noqa: B023 - called before the loop goes on

            patiently(read_on, self._clock, self._stop, PAUSES_S)
        return found

    def _read(self, left: list[Item], found: dict[str, Item]) -> None:
        asked: dict[str, Any] = {self._table: {"Keys": left, "ConsistentRead": True}}
        with aws_errors(_READING):
            answer = self._client.batch_get_item(RequestItems=asked)
        with odd_answers(_READING):
            items = part_of(answer, "Responses", _READING).get(self._table, [])
            found.update((name_of(item), item) for item in items)
            unprocessed: Any = answer.get("UnprocessedKeys", {})
            left[:] = unprocessed.get(self._table, {}).get("Keys", [])
        if left:
            raise Throttled(f"{_READING}: some keys were left")
