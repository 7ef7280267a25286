"""The tables of the canned DynamoDB by name, and what AWS tells about one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.canned.table import Table
from benchmarks.canned.tally import CannedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Request = dict[str, Any]
Answer = dict[str, Any]


class Tables:
    """Tables by name; each has the ledger's key, and no index.

    Attributes:
        operations: What AWS answers about tables, by operation.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._tables = {name: Table() for name in names}
        self.operations: dict[str, Callable[[Request], Answer]] = {
            "CreateTable": self._create_table,
            "DescribeTable": self._describe_table,
            "DescribeTimeToLive": self._describe_time_to_live,
            "DescribeContinuousBackups": self._describe_continuous_backups,
        }

    def find(self, name: str) -> Table:
        """Look a table up.

        Raises:
            CannedError: If there is none of this name.
        """
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
        self.find(name)
        keys = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
        return {"Table": {"TableName": name, "TableStatus": "ACTIVE", "KeySchema": keys}}

    def _describe_time_to_live(self, request: Request) -> Answer:
        self.find(request["TableName"])
        return {"TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}}

    def _describe_continuous_backups(self, request: Request) -> Answer:
        self.find(request["TableName"])
        recovery = {"PointInTimeRecoveryStatus": "ENABLED"}
        return {"ContinuousBackupsDescription": {"PointInTimeRecoveryDescription": recovery}}
