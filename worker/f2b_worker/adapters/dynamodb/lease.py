"""A lease in the ledger's table: relative durations and a version, never an absolute clock.

The item `lease#enforcer/<Region>` says who holds it, its version, and what the holder enforces.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from f2b_worker.adapters.aws import aws_errors
from f2b_worker.errors import F2bError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.ports import Clock

TAKEOVER_S = 8.0
"""A version that nobody moved for so long, by the observer's own clock, has no living holder."""

RENEW_S = 2.0
_FREE = "free"


class DynamoLease:
    """The right to enforce, held by whoever keeps moving the version of one item.

    Args:
        client: A DynamoDB client.
        table: The ledger's table.
        name: What the lease is for: enforcing in one Region.
        owner: Unique among all processes.
        clock: Measures how long a version has stood still.
        enforces: What this process enforces when it holds the lease, for people.
    """

    def __init__(  # noqa: PLR0913
        self, client: DynamoDBClient, table: str, *, name: str, owner: str, clock: Clock, enforces: str = ""
    ) -> None:
        self._client = client
        self._table = table
        self._key = {"pk": {"S": f"lease#{name}"}, "sk": {"S": "lease"}}
        self._owner = owner
        self._enforces = enforces
        self._clock = clock
        self._lock = threading.RLock()
        self._held: int | None = None
        self._moved_s = 0.0
        self._seen: tuple[str, int] | None = None
        self._asked_s = float("-inf")
        self._otherwise = ""

    @property
    def otherwise(self) -> str:
        """What the holder enforces, if that is another process and something else than here; empty if not."""
        return self._otherwise

    def hold(self) -> bool:
        """Take or keep the lease; tell whether this process holds it now."""
        with self._lock:
            now_s = self._clock.monotonic_s()
            if now_s - self._asked_s < RENEW_S:
                return self._held is not None
            held = self._held
            holds = self._try_to_take(now_s) if held is None else self._move(self._owner, held, now_s)
            # Only an answer counts: who cannot ask must not believe that the lease is still held.
            self._asked_s = now_s
            return holds

    def renew(self) -> None:
        """Keep the lease, if it is held, in the middle of something long; a failure is left to the next `hold`."""
        with self._lock:
            if self._held is not None:
                with suppress(F2bError):
                    self.hold()

    def release(self) -> None:
        """Give the lease back, so that another process takes it at once."""
        with self._lock:
            if self._held is not None:
                self._move(_FREE, self._held, self._clock.monotonic_s())
                self._held = None

    def _try_to_take(self, now_s: float) -> bool:
        owner, version, enforces = self._read()
        self._otherwise = "" if owner in (_FREE, self._owner) or enforces == self._enforces else enforces
        if self._seen != (owner, version):
            self._seen = (owner, version)
            self._moved_s = now_s
        # Our own name stands there when the answer to an earlier write of ours was lost.
        if owner not in (_FREE, self._owner) and now_s - self._moved_s < TAKEOVER_S:
            return False
        return self._move(self._owner, version, now_s)

    def _read(self) -> tuple[str, int, str]:
        with aws_errors("reading the enforcer's lease"):
            item = self._client.get_item(TableName=self._table, Key=self._key, ConsistentRead=True).get("Item")
        if not item:
            return _FREE, 0, ""
        return item["owner"]["S"], int(item["version"]["N"]), item["enforces"]["S"]

    def _move(self, owner: str, version: int, now_s: float) -> bool:
        """Write the next version if *version* still stands; tell whether this process then holds the lease."""
        with aws_errors("keeping the enforcer's lease"):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=self._key
                    | {
                        "owner": {"S": owner},
                        "version": {"N": str(version + 1)},
                        "enforces": {"S": self._enforces},
                    },
                    ConditionExpression="attribute_not_exists(pk) OR #version = :version",
                    ExpressionAttributeNames={"#version": "version"},
                    ExpressionAttributeValues={":version": {"N": str(version)}},
                )
            except self._client.exceptions.ConditionalCheckFailedException:
                self._held = None
                return False
        self._held = version + 1
        self._moved_s = now_s
        self._otherwise = ""
        return True
