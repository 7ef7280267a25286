"""A lease in the ledger's table: relative durations and a version, never an absolute clock.

The item `lease#enforcer/<Region>`, or `lease#scribe`, says who holds it, its version, and what the holder
enforces. One that cannot be read has a holder whom nobody knows: it is taken over like any other, if it stands
still for as long, and only as exactly that item. Its new version is one that no holder counted up to, so none
who held it before can move it.

Who first sees that the version stands still writes its name beside it, as `heir`, and makes ready to take over.
The others wait a while longer, so that not a whole fleet loads all bans at once. A holder that lives wipes that
name out by its next version.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from f2b_worker.adapters.answers import aws_errors, odd_answers
from f2b_worker.adapters.dynamodb.items import as_count, unreadable
from f2b_worker.adapters.remedies import MISSHAPEN
from f2b_worker.errors import F2bError
from f2b_worker.observe.unreadable import set_aside
from f2b_worker.ports.fleet import Holder

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.adapters.dynamodb.items import Item
    from f2b_worker.ports import Clock

TAKEOVER_S = 8.0
"""A version that nobody moved for so long, by the observer's own clock, has no living holder."""

AHEAD_S = 3.0
"""A version that nobody moved for so long may have no living holder: its heir makes ready."""

AFTER_HEIR_S = 3.0
"""How much longer all others wait, in case that the heir dies as well."""

RENEW_S = 2.0
LOOK_S = 1.0
"""How often a version is looked at that stood still at the last look."""

_FREE = "free"
_UNKNOWN = "unknown"
_ATTRIBUTES = ("owner", "version", "enforces")


@dataclass(frozen=True, slots=True)
class _Seen:
    """The lease's item as it was read.

    Attributes:
        owner: Who holds it; `_UNKNOWN` if that, or the version, cannot be read.
        item: All of it, where something in it cannot be read.
        heir: Who is to succeed that version's owner; empty if nobody said so.
    """

    owner: str
    version: int
    enforces: str
    item: Item = field(default_factory=dict)
    heir: str = field(default="", compare=False)

    @property
    def is_readable(self) -> bool:
        return self.owner != _UNKNOWN


class DynamoLease:
    """The right to enforce, held by whoever keeps moving the version of one item.

    Args:
        client: A DynamoDB client.
        table: The ledger's table.
        name: What the lease is for: to enforce in one Region, or to be the scribe.
        owner: Unique among all processes.
        clock: Measures how long a version has stood still.
        enforces: What this process enforces when it holds the lease, for people.
        slower: How many times as long everything takes, for what is never urgent: calls cost money.
    """

    def __init__(  # noqa: PLR0913
        self,
        client: DynamoDBClient,
        table: str,
        *,
        name: str,
        owner: str,
        clock: Clock,
        enforces: str = "",
        slower: int = 1,
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
        self._seen: _Seen | None = None
        self._asked_s = float("-inf")
        self._otherwise = ""
        self._is_next = False
        self._name = name
        self._slower = slower
        self._every_s = RENEW_S * slower

    @property
    def is_next(self) -> bool:
        """Whether the holder has given no sign of life for three seconds, and this process is its heir."""
        return self._is_next

    @property
    def otherwise(self) -> str:
        """What the holder enforces, if that is another process and something else than here; empty if not."""
        return self._otherwise

    def hold(self) -> bool:
        """Take or keep the lease; tell whether this process holds it now."""
        with self._lock:
            now_s = self._clock.monotonic_s()
            if now_s - self._asked_s < self._every_s:
                return self._held is not None
            held = self._held
            holds = self._try_to_take(now_s) if held is None else self._move(self._owner, held + 1, now_s)
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
                self._move(_FREE, self._held + 1, self._clock.monotonic_s())
                self._held = None

    def _try_to_take(self, now_s: float) -> bool:
        found = self._read()
        owner = found.owner
        is_other = owner not in (_FREE, self._owner)
        self._otherwise = found.enforces if is_other and found.enforces != self._enforces else ""
        if self._seen != found:
            self._seen = found
            self._moved_s = now_s
        still_s = (now_s - self._moved_s) / self._slower
        self._every_s = self._slower * (LOOK_S if is_other and still_s >= LOOK_S else RENEW_S)
        # Our own name stands there when the answer to an earlier write of ours was lost.
        if is_other and still_s < TAKEOVER_S + (0 if found.heir in {"", self._owner} else AFTER_HEIR_S):
            self._is_next = still_s >= AHEAD_S and self._inherits(found)
            return False
        if found.is_readable:
            return self._move(self._owner, found.version + 1, now_s)
        return self._move(self._owner, self._clock.now_ms(), now_s, instead_of=found.item)

    def _inherits(self, found: _Seen) -> bool:
        """Tell whether this process is the heir; it becomes so if nobody is."""
        if found.heir or not found.is_readable:
            return found.heir == self._owner
        with suppress(F2bError), aws_errors(f"becoming the heir of lease {self._name}"):
            try:
                self._client.update_item(
                    TableName=self._table,
                    Key=self._key,
                    UpdateExpression="SET #heir = :heir",
                    ConditionExpression="#version = :version AND attribute_not_exists(#heir)",
                    ExpressionAttributeNames={"#heir": "heir", "#version": "version"},
                    ExpressionAttributeValues={
                        ":heir": {"S": self._owner},
                        ":version": {"N": str(found.version)},
                    },
                )
            except self._client.exceptions.ConditionalCheckFailedException:
                return False
            return True
        return False  # if it took effect all the same, the next look shows it

    def _read(self) -> _Seen:
        doing = f"reading lease {self._name}"
        with aws_errors(doing):
            answer = self._client.get_item(TableName=self._table, Key=self._key, ConsistentRead=True)
        item: Item = answer.get("Item", {})
        if not item:
            return _Seen(_FREE, 0, "")
        with odd_answers(doing):
            wrong = next((name for name in _ATTRIBUTES[:2] if not _is_sound(name, item)), None)
            if wrong:
                set_aside(unreadable("lease", item, wrong))
                return _Seen(_UNKNOWN, 0, "", item)
            # For people only: what cannot be read of it is nothing, and it is written anew within seconds.
            enforces = item["enforces"]["S"] if _is_sound("enforces", item) else ""
            heir = item["heir"]["S"] if _is_sound("heir", item) else ""
            return _Seen(item["owner"]["S"], as_count(item["version"]), enforces, heir=heir)

    def _move(self, owner: str, version: int, now_s: float, *, instead_of: Item | None = None) -> bool:
        """Write *version* if the one before still stands; tell whether this process then holds the lease.

        Args:
            owner: Who holds it then.
            version: The new one.
            now_s: When.
            instead_of: The item that must still be there, if it has no version to go by.
        """
        self._is_next = False
        self._every_s = RENEW_S * self._slower
        condition, names, values = _is_still(instead_of) if instead_of else _has_version(version - 1)
        with aws_errors(f"keeping lease {self._name}"):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=self._key
                    | {
                        "owner": {"S": owner},
                        "version": {"N": str(version)},
                        "enforces": {"S": self._enforces},
                    },
                    ConditionExpression=condition,
                    ExpressionAttributeNames=names,
                    ExpressionAttributeValues=values,
                )
            except self._client.exceptions.ConditionalCheckFailedException:
                self._held = None
                return False
        self._held = version
        self._moved_s = now_s
        self._otherwise = ""
        return True


def holder_of(client: DynamoDBClient, table: str, name: str) -> Holder:
    """Read who holds a lease, as it is written: who died stands there until another process takes it."""
    with aws_errors(f"reading the lease {name}"):
        key = {"pk": {"S": f"lease#{name}"}, "sk": {"S": "lease"}}
        item: Item = client.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item", {})
    owner = item["owner"]["S"] if _is_sound("owner", item) else ""
    enforces = item["enforces"]["S"] if _is_sound("enforces", item) else ""
    return Holder() if owner in {_FREE, _UNKNOWN} else Holder(owner, enforces)


def _is_sound(name: str, item: Item) -> bool:
    try:
        return as_count(item[name]) >= 0 if name == "version" else isinstance(item[name]["S"], str)
    except MISSHAPEN:
        return False


def _has_version(version: int) -> tuple[str, dict[str, str], dict[str, Any]]:
    values = {":version": {"N": str(version)}}
    return "attribute_not_exists(pk) OR #version = :version", {"#version": "version"}, values


def _is_still(item: Item) -> tuple[str, dict[str, str], dict[str, Any]]:
    """Make the condition that an item is there as it was read, in all that a lease has."""
    names = ("pk", *_ATTRIBUTES)
    conditions = [f"#{each} = :{each}" if each in item else f"attribute_not_exists(#{each})" for each in names]
    values = {f":{each}": item[each] for each in names if each in item}
    return " AND ".join(conditions), {f"#{each}": each for each in names}, values
