"""Transactions that change items and tell of it in the ban log, all of it or nothing."""

from __future__ import annotations

import json
import secrets
import threading
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from f2b_worker.adapters.answers import aws_errors, error_of, odd_answers
from f2b_worker.adapters.dynamodb.ban_log.counter import EpochChanged
from f2b_worker.adapters.dynamodb.ban_log.items import Entry
from f2b_worker.adapters.dynamodb.ban_log.writer import NUMBER_S
from f2b_worker.adapters.dynamodb.patience import patiently
from f2b_worker.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.adapters.dynamodb.ban_log.items import BanLogItems
    from f2b_worker.adapters.dynamodb.items import Item
    from f2b_worker.ports import Clock

T = TypeVar("T")

PAUSES_S = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Between the tries of one transaction: others may be changing the same items."""

_NUMBERS_MAX = 20  # one is refused where the scribe was quicker; so many in a row are somebody's mistake
_TOKEN_BYTES = 18  # 36 hex digits, as many as a token may have
_HOLDS = {"None", ""}
_REFUSED = "ConditionalCheckFailed"  # some emulators append Exception to it


class _Number(NamedTuple):
    epoch: str
    place: int
    asked_s: float


class Transactions:
    """Writes several items of one table at once; one thread at a time.

    Args:
        client: A DynamoDB client.
        items: The ban log in the same table.
        clock: Tells how old a number of the log is, and paces what is tried again.
        stop: Ends a pause between two tries.
    """

    def __init__(
        self, client: DynamoDBClient, items: BanLogItems, clock: Clock, stop: threading.Event | None = None
    ) -> None:
        self._client = client
        self._items = items
        self._clock = clock
        self._stop = stop or threading.Event()
        self._epoch = ""
        self._unused: _Number | None = None

    def write(self, writes: Sequence[Item], content: bytes | None, doing: str) -> bool:
        """Do all writes, and log *content*, or nothing of it.

        Args:
            writes: Members of TransactItems. The first of them must not hold any more once it is done: then a
                write of which the answer was lost is never done twice.
            content: What the ban log is told; None: nothing.
            doing: Begins the line of an error.

        Returns:
            Whether they are done; if not, a condition does not hold: read again.

        Raises:
            F2bError: If DynamoDB did not do them; they may be done nevertheless.
        """
        if content is None:
            return self._done(writes, doing) is not None
        entry = Entry(secrets.token_hex(8), content)
        for _ in range(_NUMBERS_MAX):
            number = self._number()
            put = self._items.entry_put(number.epoch, number.place, entry)
            done = self._done([*writes, put], doing, entry.id, number.asked_s)
            if done:
                self._unused = None
                return True
            if done is None:
                return False  # the number is still free
            self._unused = None
        raise Unavailable(f"{doing}: the ban log refused {_NUMBERS_MAX} numbers in a row")

    def _number(self) -> _Number:
        """Take a number of the log, or that which the last refused transaction left."""
        now_s = self._clock.monotonic_s()
        if self._unused is None or now_s - self._unused.asked_s > NUMBER_S / 2:
            place = self._retried(self._reserve)
            self._unused = _Number(self._epoch, place, now_s)
        return self._unused

    def _reserve(self) -> int:
        self._epoch = self._epoch or self._items.top().epoch
        try:
            return self._items.reserve(self._epoch)
        except EpochChanged as changed:
            self._epoch = changed.epoch
            raise Unavailable("logging an act: the ban log was begun anew") from changed

    def _done(
        self, writes: Sequence[Item], doing: str, entry_id: str = "", asked_s: float = float("inf")
    ) -> bool | None:
        """Do the writes; None if one of them is refused, False if it is the log's number alone, or that is old."""
        token = blake2b(_as_bytes(writes), digest_size=_TOKEN_BYTES).hexdigest()

        def transact() -> bool | None:
            # An entry must not come after the void of its number has expired.
            is_old = self._clock.monotonic_s() - asked_s > NUMBER_S
            return False if is_old else self._transact(writes, doing, entry_id, token)

        return self._retried(transact)

    def _transact(self, writes: Sequence[Item], doing: str, entry_id: str, token: str) -> bool | None:
        with aws_errors(doing):
            try:
                self._client.transact_write_items(
                    TransactItems=writes,  # type: ignore[arg-type]
                    ClientRequestToken=token,
                )
            except self._client.exceptions.TransactionCanceledException as error:
                reasons: Any = error.response.get("CancellationReasons", [])
                with odd_answers(doing):
                    return _refusal(reasons, entry_id, doing)
        return True

    def _retried(self, call: Callable[[], T]) -> T:
        return patiently(call, self._clock, self._stop, PAUSES_S)


def _refusal(reasons: Sequence[Item], entry_id: str, doing: str) -> bool | None:
    """Read why a transaction was refused: None for a condition of a write, False for the log's number alone.

    Raises:
        F2bError: If no condition is the reason.
    """
    codes = [str(each.get("Code", "")) for each in reasons]
    refused = [place for place, code in enumerate(codes) if code.startswith(_REFUSED)]
    if not refused:
        code, reason = next(
            ((code, each) for code, each in zip(codes, reasons, strict=True) if code not in _HOLDS),
            ("TransactionCanceledException", {}),
        )
        raise error_of(code, f"{doing}: {reason.get('Message') or code}")
    there = reasons[-1].get("Item", {}) if entry_id else {}
    if entry_id and there.get("id") == {"S": entry_id}:
        return True  # its answer was lost: what refuses it is itself
    return False if entry_id and refused == [len(reasons) - 1] else None


def _as_bytes(writes: Sequence[Item]) -> bytes:
    return json.dumps(writes, sort_keys=True, default=repr).encode()
