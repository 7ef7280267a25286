"""Lifts and bans by hand: what they change of many offenders, in transactions of some."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar

from f2b_worker.adapters.batches import batches
from f2b_worker.adapters.dynamodb.acts.items import audit_item, ended_by, mark_item, mark_key
from f2b_worker.adapters.dynamodb.ban_log.packing import pack
from f2b_worker.adapters.dynamodb.history import History
from f2b_worker.adapters.dynamodb.items import (
    as_count,
    as_offender,
    ban_item,
    name_of,
    number,
    state_key,
)
from f2b_worker.adapters.dynamodb.state_update import state_update
from f2b_worker.adapters.threads import Threads
from f2b_worker.domain.acts.hand_bans import banned_by_hand
from f2b_worker.domain.acts.lifting import is_running, lifted
from f2b_worker.domain.ban_log.changes import Change
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.retention import KEPT_MS, Retention
from f2b_worker.errors import F2bError, Invalid, Retryable, Unavailable, Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.adapters.dynamodb.acts.reading import Reading
    from f2b_worker.adapters.dynamodb.acts.transactions import Transactions
    from f2b_worker.adapters.dynamodb.items import Item
    from f2b_worker.domain.acts.act import Act
    from f2b_worker.domain.acts.hand_bans import Order
    from f2b_worker.domain.judge.verdicts import Ban, Offender, OffenderId
    from f2b_worker.ports import Clock

AnswerT = TypeVar("AnswerT")

OFFENDERS_AT_ONCE = 48
"""So many offenders one transaction changes: a state and a mark each, of 100 items, beside log and audit."""

AT_ONCE = 4
"""So many transactions are under way at once, after the first one."""

_ROUNDS = 20  # so often others may change an offender while a person changes it
_DOING = "changing bans by hand"
_NOT_THERE = "attribute_not_exists(pk)"


@dataclass(frozen=True, slots=True)
class Changed(Generic[AnswerT]):
    """What an act makes of one offender.

    Attributes:
        answer: What is answered once it is stored.
        after: What is remembered then; None: there is nothing to change.
        decision: The ban by hand that it is, if it is one: what ends with it goes into the history.
        ended: The running ban that it ended.
        is_noted: Whether the act is remembered beside the address.
    """

    answer: AnswerT
    after: Offender | None = None
    decision: Decision | None = None
    ended: Ban | None = None
    is_noted: bool = True


class Changing(Protocol[AnswerT]):
    """One kind of act on offenders."""

    def change(self, who: OffenderId, seen: Offender) -> Changed[AnswerT]:
        """Say what becomes of an offender."""
        ...

    def again(self, seen: Offender, mark: Item) -> AnswerT:
        """Answer once more what was done before."""
        ...


class Lifting:
    """Lifts; see `lifting.lifted`."""

    def __init__(self, act: Act, *, forget: bool) -> None:
        self._act = act
        self._forget = forget

    def change(self, who: OffenderId, seen: Offender) -> Changed[Ban | F2bError | None]:
        """End the ban."""
        del who
        ended = seen.ban if is_running(seen.ban, self._act.at_ms) else None
        after = lifted(seen, self._act.at_ms, forget=self._forget)
        return Changed(ended, after, ended=ended, is_noted=after is not None)

    def again(self, seen: Offender, mark: Item) -> Ban | F2bError | None:
        """Answer which ban was ended."""
        del seen
        return ended_by(mark)


class Banning:
    """Bans by hand; see `hand_bans.banned_by_hand`."""

    def __init__(self, act: Act, orders: Mapping[OffenderId, Order]) -> None:
        self._act = act
        self._orders = orders

    def change(self, who: OffenderId, seen: Offender) -> Changed[Offender | F2bError]:
        """Ban, or have the running ban go on."""
        ban = banned_by_hand(seen, self._orders[who], self._act.at_ms)
        if ban is None:
            return Changed(seen)
        decision = Decision(seen, ban)
        after = decision.applied(seen)
        return Changed(after, after, decision)

    def again(self, seen: Offender, mark: Item) -> Offender | F2bError:
        """Answer what stands now."""
        del mark
        return seen


class OffenderActs:
    """Applies acts to offenders of one table.

    Args:
        client: A DynamoDB client for a few threads.
        table: The ledger's table.
        clock: Tells until when what is stored is kept.
        reading: Reads states, and what was done to them.
        transactions: Makes who writes, one for each thread.
        kept_ms: For how long an act is remembered.
        aside: Told of each item that cannot be read.
    """

    def __init__(  # noqa: PLR0913
        self,
        client: DynamoDBClient,
        table: str,
        clock: Clock,
        *,
        reading: Reading,
        transactions: Callable[[], Transactions],
        kept_ms: int,
        aside: Callable[[Unreadable], None],
    ) -> None:
        self._table = table
        self._clock = clock
        self._reading = reading
        self._transactions = transactions
        self._kept_ms = kept_ms
        self._aside = aside
        self._retention = Retention(KEPT_MS)
        self._io = Threads(AT_ONCE, "history")
        self._history = History(client, table, self._io, retention=self._retention, clock=clock)

    def close(self) -> None:
        """Let the threads end."""
        self._io.shutdown()

    def apply(
        self, act: Act, whom: Iterable[OffenderId], changing: Changing[AnswerT]
    ) -> dict[OffenderId, AnswerT | F2bError]:
        """Apply an act; answer of each what became of it. The first of its transactions has the audit.

        If that one may have failed nothing else is done: so a command that dies has done nothing that is not told.
        """
        first, *rest = list(batches(whom, OFFENDERS_AT_ONCE)) or [[]]
        answers = self._apply(act, first, changing, with_audit=True)
        if rest:
            failures = [each for each in answers.values() if isinstance(each, Retryable)]
            # What cannot be read of one offender says nothing of the audit: only what was done does.
            if failures and all(isinstance(each, Retryable | Invalid) for each in answers.values()):
                return answers | dict.fromkeys((who for some in rest for who in some), failures[0])
            threads = Threads(AT_ONCE, "acts")
            try:
                for more in threads.map(lambda some: self._apply(act, some, changing), rest):
                    answers |= more
            finally:
                threads.shutdown(wait=False)
        return answers

    def _apply(
        self, act: Act, whom: Sequence[OffenderId], changing: Changing[AnswerT], *, with_audit: bool = False
    ) -> dict[OffenderId, AnswerT | F2bError]:
        transactions = self._transactions()
        answers: dict[OffenderId, AnswerT | F2bError] = {}
        for _ in range(_ROUNDS):
            left = [who for who in whom if who not in answers]
            try:
                changes, states = self._changes(act, left, changing, answers)
                writes = [
                    each for who, change in changes.items() for each in self._writes(act, who, change, states)
                ]
                audit = [{"Put": {"TableName": self._table, "Item": audit_item(act, self._kept_ms)}}]
                told = _told(changes)
                content = pack(told) if told else None
                everything = [*writes, *(audit if with_audit else [])]
                if not everything or transactions.write(everything, content, _DOING):
                    return answers | {who: change.answer for who, change in changes.items()}
            except Invalid as error:
                if len(left) <= 1:
                    return answers | dict.fromkeys(left, error)
                return answers | self._apart(act, left, changing, with_audit=with_audit)
            except F2bError as error:
                return answers | dict.fromkeys(left, error)
        late = Unavailable(f"{_DOING}: others changed them in each of {_ROUNDS} rounds")
        return answers | {who: late for who in whom if who not in answers}

    def _apart(
        self, act: Act, whom: Sequence[OffenderId], changing: Changing[AnswerT], *, with_audit: bool
    ) -> dict[OffenderId, AnswerT | F2bError]:
        """Apply an act to two halves, since all at once are too large, or one of them is wrong in itself."""
        middle = len(whom) // 2
        first = self._apply(act, whom[:middle], changing, with_audit=with_audit)
        return first | self._apply(act, whom[middle:], changing, with_audit=with_audit)

    def _changes(
        self,
        act: Act,
        whom: Sequence[OffenderId],
        changing: Changing[AnswerT],
        answers: dict[OffenderId, AnswerT | F2bError],
    ) -> tuple[dict[OffenderId, Changed[AnswerT]], dict[OffenderId, _Stored]]:
        """Find what is to be changed; what is done already, or cannot be, is answered."""
        keys = [key for who in whom for key in (state_key(who), mark_key(act, who.key, who.jail))]
        items = self._reading.items(keys)
        changes: dict[OffenderId, Changed[AnswerT]] = {}
        states: dict[OffenderId, _Stored] = {}
        for who in whom:
            try:
                item = items.get(name_of(state_key(who)), {})
                seen = as_offender(item)
                mark = items.get(name_of(mark_key(act, who.key, who.jail)))
                if mark:
                    answers[who] = changing.again(seen, mark)
                else:
                    changes[who] = changing.change(who, seen)
                    states[who] = _Stored(seen, as_count(item["ttl"]) if "ttl" in item else 0)
            except Unreadable as error:
                self._aside(error)
                answers[who] = error
        decisions = {who: each.decision for who, each in changes.items() if each.decision}
        for who, failed in self._history.write(decisions).items():
            answers[who] = failed
            del changes[who]
        return changes, states

    def _writes(
        self, act: Act, who: OffenderId, change: Changed[Any], states: Mapping[OffenderId, _Stored]
    ) -> list[Item]:
        if not change.is_noted:
            return []
        mark = mark_item(act, who.key, self._kept_ms, jail=who.jail, ended=change.ended)
        put: Item = {"TableName": self._table, "Item": mark, "ConditionExpression": _NOT_THERE}
        if change.after is None:
            return [{"Put": put}]
        return [{"Put": put}, {"Update": self._update(who, states[who], change, change.after)}]

    def _update(self, who: OffenderId, stored: _Stored, change: Changed[Any], after: Offender) -> Item:
        """Make the member of a transaction that stores what is remembered then, if nobody changed it meanwhile."""
        kept_until_ms = self._retention.until_ms(after.ban, now_ms=self._clock.now_ms())
        sets: Item = {"ttl": number(max(stored.ttl_s, kept_until_ms // 1000))}
        if after.ban:
            sets["ban"] = {"M": ban_item(after.ban)}
        if after.lifted_ms:
            sets["lifted_ms"] = number(after.lifted_ms)
        forgets_evidence = bool(change.decision and change.decision.is_another)
        return state_update(self._table, who, stored.offender, after, sets=sets, forgets_evidence=forgets_evidence)


class _Stored(NamedTuple):
    """An offender as the table has it, and until when it is kept, in epoch seconds."""

    offender: Offender
    ttl_s: int


def _told(changes: Mapping[OffenderId, Changed[Any]]) -> list[Change]:
    """Say what the ban log is to tell: a lift of somebody without a ban is nobody's news."""
    after = {who: change.after for who, change in changes.items() if change.after}
    return [Change(who, each.ban, each.revision, each.lifted_ms) for who, each in after.items() if each.ban]
