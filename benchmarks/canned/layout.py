"""What a table of the ledger holds from the beginning, written as `f2b provision` writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.canned.client import client_to
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.dynamodb.ban_log.items import BanLogItems
from f2b_worker.adapters.dynamodb.schema import DynamoSchema

if TYPE_CHECKING:
    from benchmarks.canned.dynamodb import CannedDynamoDB


def lay_out(dynamodb: CannedDynamoDB, table: str) -> None:
    """Begin the ban log of a table, and mark its format."""
    client = client_to(dynamodb)
    BanLogItems(client, table, SystemClock()).begin("canned")
    DynamoSchema(client, table).mark(DynamoSchema.known.written)
