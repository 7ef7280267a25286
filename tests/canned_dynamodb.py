"""Clients of a canned DynamoDB in this process, whose calls fare as a test wants."""

from __future__ import annotations

from collections import deque
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError, ConnectionClosedError

from benchmarks.canned.client import client_error, client_of
from benchmarks.canned.dynamodb import CannedDynamoDB
from benchmarks.canned.tally import CannedError, Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.canned.table import Table

TABLE: Final = "f2b"
_READS = {"GetItem", "BatchGetItem", "Query", "Scan"}


class Fate(Enum):
    """How a call to DynamoDB ends; what loses a write's answer leaves a read without one."""

    DONE = auto()
    LOST = auto()  # it took effect, and nobody hears of it
    LATE = auto()  # nobody hears of it, and it takes effect when the test lets it
    UNHEARD = auto()  # it never took effect
    THROTTLED = auto()
    HALF = auto()  # of a batch that is read, half the keys are left
    UNREAD = auto()  # of a batch that is read, all keys are left
    DIES_BEFORE = auto()
    DIES_AFTER = auto()


class DeathError(BaseException):
    """The process that called is gone: no handler of its own may run."""


class CannedTable:
    """A table, and what is on its way to it.

    Attributes:
        late: Calls that may still take effect.
        watch: Told of each call that took effect.
    """

    def __init__(self) -> None:
        self.dynamodb = CannedDynamoDB(Tally(), [TABLE])
        self.late: deque[Callable[[], object]] = deque()
        self.watch: Callable[[str, dict[str, Any]], None] = lambda _operation, _request: None
        self._past: deque[dict[str, dict[str, Any]]] = deque(maxlen=5)

    @property
    def table(self) -> Table:
        """What is stored."""
        return self.dynamodb.tables.find(TABLE)

    def land(self) -> None:
        """Let the oldest late call take effect."""
        if self.late:
            self.late.popleft()()

    def remember(self) -> None:
        """Keep what is stored now, for reads that are eventually consistent: for a moment they may answer it."""
        self._past.append({pk: dict(partition) for pk, partition in self.table.partitions.items()})

    def forget(self) -> None:
        """Take it that so much time has passed that every read answers what is stored."""
        self._past.clear()

    def answer(self, operation: str, request: dict[str, Any], fate: Fate) -> dict[str, Any]:
        """Answer one call.

        Raises:
            BotoCoreError: Or ClientError, as botocore does.
            DeathError: If the caller does not live to hear it.
        """
        if fate is Fate.DIES_BEFORE:
            raise DeathError
        if fate is Fate.THROTTLED:
            raise client_error(CannedError("ThrottlingException", "slow down"), operation)
        if fate is Fate.LATE and operation not in _READS:
            self.late.append(lambda: self._unheard(operation, request))
        if fate in {Fate.LATE, Fate.UNHEARD} or (fate is Fate.LOST and operation in _READS):
            raise ConnectionClosedError(endpoint_url="canned")
        if fate is Fate.UNREAD and operation == "BatchGetItem":
            return {"Responses": {}, "UnprocessedKeys": request["RequestItems"]}
        is_half = fate is Fate.HALF and operation == "BatchGetItem"
        answer = self._half(request) if is_half else self._do(operation, request)
        if fate is Fate.DIES_AFTER:
            raise DeathError
        if fate is Fate.LOST:
            raise ConnectionClosedError(endpoint_url="canned")
        return answer

    def _half(self, request: dict[str, Any]) -> dict[str, Any]:
        ((name, wanted),) = request["RequestItems"].items()
        middle = (len(wanted["Keys"]) + 1) // 2
        first = {"RequestItems": {name: wanted | {"Keys": wanted["Keys"][:middle]}}}
        left = {name: wanted | {"Keys": wanted["Keys"][middle:]}}
        return self._do("BatchGetItem", first) | {"UnprocessedKeys": left}

    def _unheard(self, operation: str, request: dict[str, Any]) -> None:
        try:
            self._do(operation, request)
        except ClientError:
            return

    def _do(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        table = self.table
        now = table.partitions
        if operation in _READS and self._past and not _is_consistent(request):
            table.partitions = self._past[0]
        try:
            answer = self.dynamodb.operations[operation](request)
        except CannedError as error:
            raise client_error(error, operation) from error
        finally:
            table.partitions = now
        self.watch(operation, request)
        return answer


class Caller:
    """Who calls a table.

    Attributes:
        client: Has the methods of boto3's client; each call is tried once.
        fates: How its next calls fare; once there are no more, all is well.
        before: Is run before each call: whatever others do meanwhile.
    """

    def __init__(self, table: CannedTable) -> None:
        self._table = table
        self.client = client_of(self.call)
        self.fare()

    def fare(self, fates: Sequence[Fate] = (), before: Callable[[], None] | None = None) -> None:
        """Say how its next calls fare."""
        self.fates, self.before = list(fates), before or _nothing

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """Make one call."""
        fate = self.fates.pop(0) if self.fates else Fate.DONE
        self.before()
        return self._table.answer(operation, request, fate)


def _nothing() -> None:
    """Let nothing happen meanwhile."""


def _is_consistent(request: dict[str, Any]) -> bool:
    asked = request.get("RequestItems", {}).get(TABLE, request)
    return bool(asked.get("ConsistentRead"))
