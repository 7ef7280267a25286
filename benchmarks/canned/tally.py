"""What the canned AWS was asked for, in AWS's own billing units, and its list prices."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from localstack.table_limits import MESSAGE
from localstack.units import read_units

SQS_CHUNK_BYTES = 64 * 1024

# List prices in us-east-1, on demand, in dollars for a million.
DOLLARS_PER_MILLION_SQS_REQUESTS = 0.40
DOLLARS_PER_MILLION_WRITE_UNITS = 0.625
DOLLARS_PER_MILLION_READ_UNITS = 0.125


class CannedError(Exception):
    """An error as AWS answers it.

    Attributes:
        code: AWS's name of it.
        more: Further members of the answer.
    """

    def __init__(self, code: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.code = code
        self.more = more


class Throttled(CannedError):
    """DynamoDB refuses the call, or this part of it, for now; its reason is AWS's own."""

    def __init__(self, reason: str) -> None:
        resource = "arn:aws:dynamodb:us-east-1:000000000001:table/f2b"
        more = {"throttlingReasons": [{"reason": reason, "resource": resource}]}
        super().__init__("ThrottlingException", MESSAGE, **more)


@dataclass(slots=True)
class Tally:
    """Calls by operation, and what they would cost.

    Attributes:
        calls: How often each operation was called, refused calls included.
        sqs_requests: Billed SQS requests: one for each 64 KiB of a call's payload.
        write_units: DynamoDB's write request units.
        units_by_kind: The same by what they were for, see kinds.py; refused conditions are under the kind that
            they wanted to be.
        writes: How many writes took effect, by kind.
        refused: How many were refused by their condition, by kind.
        read_units: DynamoDB's read request units; an eventually consistent read of 4 KB is half of one.
    """

    calls: Counter[str] = field(default_factory=Counter)
    sqs_requests: int = 0
    write_units: int = 0
    read_units: float = 0.0
    units_by_kind: Counter[str] = field(default_factory=Counter)
    writes: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    def bill_sqs(self, payload_bytes: int) -> None:
        """Charge one SQS call."""
        self.sqs_requests += max(1, -(-payload_bytes // SQS_CHUNK_BYTES))

    def bill_write(self, kind: str, units: int, *, is_done: bool) -> None:
        """Charge one write; one whose condition fails is charged, too."""
        self.write_units += units
        self.units_by_kind[kind] += units
        (self.writes if is_done else self.refused)[kind] += 1

    def bill_read(self, size_bytes: int, *, consistent: bool) -> float:
        """Charge one read, and answer how much; what is not there is charged as the smallest item."""
        units = read_units(size_bytes) / (1 if consistent else 2)
        self.read_units += units
        return units

    def as_dict(self) -> dict[str, Any]:
        """Answer all figures as JSON can hold them."""
        return {
            "calls": dict(self.calls),
            "sqs_requests": self.sqs_requests,
            "write_units": self.write_units,
            "read_units": self.read_units,
            "units_by_kind": dict(self.units_by_kind),
            "writes": dict(self.writes),
            "refused": dict(self.refused),
        }


def dollars(sqs_requests: float, write_units: float, read_units: float) -> float:
    """Price calls at AWS's list prices."""
    return (
        sqs_requests * DOLLARS_PER_MILLION_SQS_REQUESTS
        + write_units * DOLLARS_PER_MILLION_WRITE_UNITS
        + read_units * DOLLARS_PER_MILLION_READ_UNITS
    ) / 1e6
