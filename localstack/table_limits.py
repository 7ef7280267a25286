"""DynamoDB's limits: units a second of each partition key and of the whole table, writes and reads apart.

AWS limits each partition to 1,000 write units and 3,000 read units a second, and says that burst capacity does not
help there. So here each key has these, without any burst, and what a local index costs counts for the key (the
canned AWS counts it, the strict edge does not know it). A call is let in while anything is left of its second.

No key is ever split for heat. Adaptive capacity does not split the items of one partition key where the table has
a local index, however long they stay hot: for such a table this is AWS's own rule. Without one, AWS may split them
after a while, by sort key, but not where each write goes to the end; so a design must not need it.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/throttling-key-range-limit-exceeded-mitigation.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/burst-adaptive-capacity.html
https://repost.aws/knowledge-center/dynamodb-spiky-workloads-short-intervals
"""

import hashlib
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Kind = Literal["Write", "Read"]

MESSAGE = "Throughput exceeds the current capacity of your table or index."


@dataclass(frozen=True, slots=True)
class Rates:
    """Units a second, by default those of a table that has grown for its traffic.

    Attributes:
        key_writes: Write units of a partition.
        key_reads: Read units of a partition.
        table_writes: Write units of a table; 40,000 is AWS's quota until somebody asks for more.
        table_reads: Read units of a table, likewise.
        partitions: How many partitions the keys share; 0 gives each key a partition of its own.
    """

    key_writes: float = 1_000.0
    key_reads: float = 3_000.0
    table_writes: float = 40_000.0
    table_reads: float = 40_000.0
    partitions: int = 0


ANY = float("inf")
NO_LIMITS = Rates(ANY, ANY, ANY, ANY)

NEW_TABLE = Rates(table_writes=4_000.0, table_reads=12_000.0, partitions=4)
"""An on-demand table that was just made: 4,000 write and 12,000 read units, which is what four partitions have.

AWS adds partitions with the traffic, but promises no more than twice the last peak within 30 minutes. A test is
shorter, so here the table stays as it is.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/warm-throughput-scenarios.html
https://repost.aws/knowledge-center/on-demand-table-throttling-dynamodb
"""


class Peak(NamedTuple):
    """The most that one key had in any second."""

    units: float = 0.0
    key: str = ""


@dataclass(slots=True)
class _Second:
    """What was used in the running second."""

    number: int = -1
    by_key: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    by_partition: defaultdict[int, float] = field(default_factory=lambda: defaultdict(float))
    table: float = 0.0


class Limits:
    """Counts units of each key and of the table, second by second, and refuses what is above.

    Args:
        rates: What is allowed.
        clock: In seconds; tests set their own.

    Attributes:
        throttled: How often it refused, by AWS's name of the reason.
    """

    def __init__(self, rates: Rates = NO_LIMITS, clock: Callable[[], float] = time.monotonic) -> None:
        self._allowed: dict[Kind, tuple[float, float]] = {
            "Write": (rates.key_writes, rates.table_writes),
            "Read": (rates.key_reads, rates.table_reads),
        }
        self._partitions = rates.partitions
        self._clock = clock
        self._running: dict[Kind, _Second] = {"Write": _Second(), "Read": _Second()}
        self._peaks: dict[Kind, Peak] = {"Write": Peak(), "Read": Peak()}
        self.throttled: Counter[str] = Counter()

    def refusal(self, kind: Kind, key: str) -> str:
        """Tell AWS's reason to refuse a call: nothing is left for its key, or the table; "" lets it in."""
        second = self._second(kind)
        most_of_partition, most_of_table = self._allowed[kind]
        used = second.by_partition[self._hashed(key)] if self._partitions else second.by_key.get(key, 0.0)
        if used >= most_of_partition:
            return self._refused(f"Table{kind}KeyRangeThroughputExceeded")
        if second.table >= most_of_table:
            # What so few partitions have in all is no quota of the account.
            limit = "KeyRangeThroughput" if self._partitions else "AccountLimit"
            return self._refused(f"Table{kind}{limit}Exceeded")
        return ""

    def count(self, kind: Kind, key: str, units: float) -> None:
        """Note what a call that was let in has used."""
        second = self._second(kind)
        second.by_key[key] += units
        if self._partitions:
            second.by_partition[self._hashed(key)] += units
        second.table += units

    def figures(self) -> dict[str, Any]:
        """Answer the peaks and refusals as JSON can hold them."""
        peaks = {kind: max(peak, _peak_of(self._running[kind])) for kind, peak in self._peaks.items()}
        return {
            "peak_key_writes": list(peaks["Write"]),
            "peak_key_reads": list(peaks["Read"]),
            "throttled": dict(self.throttled),
        }

    def _second(self, kind: Kind) -> _Second:
        number = int(self._clock())
        running = self._running[kind]
        if number != running.number:
            self._peaks[kind] = max(self._peaks[kind], _peak_of(running))
            running = self._running[kind] = _Second(number)
        return running

    def partition_of(self, key: str) -> int | str:
        """Name the partition that a key is on: one of its own, unless the keys share some."""
        return self._hashed(key) if self._partitions else key

    def _hashed(self, key: str) -> int:
        """Place a key by its hash; which one AWS takes is not known."""
        return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4]) * self._partitions >> 32

    def _refused(self, reason: str) -> str:
        self.throttled[reason] += 1
        return reason


class Tables:
    """The limits of all tables of all accounts and regions, each table its own.

    Args:
        rates: What each table, and each key of it, is allowed.
        clock: In seconds; tests set their own.
    """

    def __init__(self, rates: Rates, clock: Callable[[], float] = time.monotonic) -> None:
        self.rates = rates
        self._tables: defaultdict[tuple[str, ...], Limits] = defaultdict(lambda: Limits(rates, clock))

    def of(self, *name: str) -> Limits:
        """Find one table's limits by account, region and name."""
        return self._tables[name]

    def figures(self) -> dict[str, Any]:
        """Answer the peaks over all tables, and all refusals, as JSON can hold them."""
        all_figures = [Limits().figures(), *(each.figures() for each in self._tables.values())]
        throttled: Counter[str] = sum((Counter(each["throttled"]) for each in all_figures), Counter())
        peaks = {name: max(each[name] for each in all_figures) for name in ("peak_key_writes", "peak_key_reads")}
        return {**peaks, "throttled": dict(throttled)}


def _peak_of(second: _Second) -> Peak:
    return max((Peak(units, key) for key, units in second.by_key.items()), default=Peak())
