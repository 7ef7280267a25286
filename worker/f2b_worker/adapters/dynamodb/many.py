"""Hits of many offenders, and longer bans of many, with few calls.

Every change of an offender's item raises its version `v`. Whoever knows the item writes the whole of it, on the
condition that its version is still that; a stranger is inserted. A refused statement brings the item as it is, and
is tried again with what it holds. So no hit is lost, whoever else writes, and a batch needs no read before it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING

from f2b_worker.adapters.answers import aws_errors, odd_answers, part_of
from f2b_worker.adapters.batches import batches
from f2b_worker.adapters.dynamodb.ban_book import partition_of
from f2b_worker.adapters.dynamodb.items import (
    as_offender,
    ban_item,
    hits_value,
    number,
    offender_pk,
    standing_key,
    state_key,
    ttl,
    version_of,
)
from f2b_worker.adapters.dynamodb.statements import Statement, insert, run, update
from f2b_worker.domain.judge.verdicts import Offender
from f2b_worker.errors import F2bError, Invalid, Throttled, Unreadable
from f2b_worker.observe.unreadable import set_aside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from concurrent.futures import Executor

    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.adapters.dynamodb.items import Item
    from f2b_worker.domain.judge.decisions import Decision
    from f2b_worker.domain.judge.retention import Retention
    from f2b_worker.domain.judge.verdicts import Ban, Hit, OffenderId
    from f2b_worker.ports import Answers, Clock

KNOWN_MAX = 50_000
"""Offenders whose items are remembered, about 1 KB each: who comes again soon is updated, not inserted."""

KNOWN_FOR_S = 86_400.0
"""An item that was collected and made anew counts its versions anew: long before that it is forgotten here."""

_READING = "reading the ledger"
_READ_MAX = 100  # items in one BatchGetItem
_READS = 5
_ROUNDS = 3  # who is still contended then gets an UpdateItem of its own, which nobody can refuse


class SeenItems:
    """Items as they were last seen, the least recently seen ones forgotten; for any number of threads."""

    def __init__(self, clock: Clock, most: int = KNOWN_MAX) -> None:
        self._clock = clock
        self._most = most
        self._lock = threading.Lock()
        self._seen: OrderedDict[OffenderId, tuple[int, Offender, float]] = OrderedDict()

    def get(self, who: OffenderId) -> tuple[int, Offender] | None:
        """Answer version and content; None for a stranger."""
        found = self._seen.get(who)
        if found is None or self._clock.monotonic_s() - found[2] > KNOWN_FOR_S:
            return None
        return found[:2]

    def learn(self, who: OffenderId, item: Item) -> Offender:
        """Remember an item, and read it."""
        offender = as_offender(item)
        self.keep(who, version_of(item), offender)
        return offender

    def keep(self, who: OffenderId, version: int, offender: Offender) -> None:
        """Remember an offender; an item without a version was written by an older worker, and has to be read."""
        with self._lock:
            self._seen.pop(who, None)
            if version:
                self._seen[who] = version, offender, self._clock.monotonic_s()
            while len(self._seen) > self._most:
                self._seen.popitem(last=False)

    def forget(self, who: OffenderId) -> None:
        """Take *who* for a stranger."""
        with self._lock:
            self._seen.pop(who, None)


class ManyOffenders:
    """Writes to many offenders at once.

    Args:
        client: A DynamoDB client for any number of threads.
        table: The ledger's table.
        threads: Where batches run side by side.
        known: Shared with whoever else writes to offenders.
        clock: Stamps changes.
        retention: Until when an offender is kept.
        aside: Told of each item that cannot be read.
    """

    def __init__(  # noqa: PLR0913
        self,
        client: DynamoDBClient,
        table: str,
        threads: Executor,
        known: SeenItems,
        *,
        clock: Clock,
        retention: Retention,
        aside: Callable[[Unreadable], None] = set_aside,
    ) -> None:
        self._client = client
        self._table = table
        self._threads = threads
        self._known = known
        self._clock = clock
        self._retention = retention
        self._aside = aside

    def record(self, hits: Mapping[OffenderId, Sequence[Hit]]) -> Answers:
        """Add hits; who is left out of the answer was contended and has to be written alone."""
        answers: Answers = {}
        left = list(hits)
        for _ in range(_ROUNDS):
            if not left:
                break
            self._record_round({who: hits[who] for who in left}, answers)
            left = [who for who in left if who not in answers]
        return answers

    def _record_round(self, hits: Mapping[OffenderId, Sequence[Hit]], answers: Answers) -> None:
        after = {who: self._after(who, new) for who, new in hits.items()}
        statements = [self._record_statement(who, *written) for who, written in after.items()]
        unknown: list[OffenderId] = []
        for who, outcome in zip(after, run(self._client, self._threads, statements), strict=True):
            if outcome is None:
                self._known.keep(who, *after[who])
                answers[who] = after[who][1]
            elif isinstance(outcome, Invalid):
                continue  # perhaps another's of the same batch: written alone, it is found out whose
            elif isinstance(outcome, F2bError):
                answers[who] = outcome
            elif outcome.item:
                learned = self._learn(who, outcome.item)
                if isinstance(learned, F2bError):
                    answers[who] = learned
            else:
                unknown.append(who)
        answers.update((who, each) for who, each in self.read(unknown).items() if isinstance(each, F2bError))

    def _learn(self, who: OffenderId, item: Item) -> Offender | F2bError:
        """Remember an item, and read it; one that cannot be read costs nobody else's."""
        try:
            with odd_answers(_READING):
                return self._known.learn(who, item)
        except Unreadable as error:
            self._aside(error)
            return error
        except F2bError as error:
            return error

    def _after(self, who: OffenderId, new: Sequence[Hit]) -> tuple[int, Offender]:
        version, seen = self._known.get(who) or (0, Offender())
        return version + 1, replace(seen, hits=seen.hits.union(new))

    def _record_statement(self, who: OffenderId, version: int, offender: Offender) -> Statement:
        written = {"hits": hits_value(offender.hits), "v": number(version), "ttl": self._ttl(offender.ban)}
        if version == 1:
            return insert(self._table, state_key(who) | written)
        return update(self._table, state_key(who), written, unless_changed={"v": number(version - 1)})

    def read(self, offenders: Iterable[OffenderId]) -> Answers:
        """Read offenders, and remember them; a stranger is an offender without a past."""
        answers: Answers = {}
        for batch in batches(offenders, _READ_MAX):
            answers |= self._read_or_error(batch)
        return answers

    def _read_or_error(self, batch: Sequence[OffenderId]) -> Answers:
        try:
            return {**self._read_batch(batch)}
        except F2bError as error:
            if isinstance(error, Invalid) and len(batch) > 1:
                return {who: self._read_or_error([who])[who] for who in batch}
            return dict.fromkeys(batch, error)

    def _read_batch(self, batch: Sequence[OffenderId]) -> Answers:
        found: dict[str, Item] = {}
        asked = {self._table: {"Keys": [state_key(who) for who in batch], "ConsistentRead": True}}
        for _ in range(_READS):
            if not asked:
                break
            with aws_errors(_READING):
                answer = self._client.batch_get_item(RequestItems=asked)  # type: ignore[arg-type]
            with odd_answers(_READING):
                responses = part_of(answer, "Responses", _READING)
                found.update((item["pk"]["S"], item) for item in responses.get(self._table, []))
            asked = answer.get("UnprocessedKeys", {})  # type: ignore[assignment]
        if asked:
            raise Throttled(f"{_READING}: DynamoDB leaves keys unread")
        return {who: self._learn(who, found.get(offender_pk(who), {})) for who in batch}

    def extend(self, decisions: Mapping[OffenderId, Decision]) -> Answers:
        """Store longer bans; who is left out of the answer is not known here and has to be written alone.

        Their history is left as it is: whoever reads it puts the last ban's end beside it, and the next ban's
        transaction writes it for good. Hits that fell into the ban are forgotten, all but one if no other is left,
        since a set is never empty.

        The offender itself is written last: whoever dies before that is made good for, since its messages are
        judged again, find the ban as short as it was, and write all of it again.
        """
        seen = {
            who: known
            for who, decision in decisions.items()
            if (known := self._known.get(who)) and known[1].revision == decision.seen.revision
        }
        followers = [self._standing_statement(who, decisions[who].last) for who in seen]
        failed = [each for each in run(self._client, self._threads, followers) if isinstance(each, F2bError)]
        if any(isinstance(each, Invalid) for each in failed):
            return {}  # one offender's own fault: written alone, it is found out whose
        if failed:
            return dict.fromkeys(seen, failed[0])
        # The item is known as it is: whatever hits it holds beside those that were seen are spent, too.
        after = {who: _applied(replace(decisions[who], seen=known[1])) for who, known in seen.items()}
        return self._extend_offenders(seen, after)

    def _extend_offenders(
        self, seen: Mapping[OffenderId, tuple[int, Offender]], after: Mapping[OffenderId, Offender]
    ) -> Answers:
        answers: Answers = {}
        statements = [self._state_statement(who, *seen[who], extended) for who, extended in after.items()]
        for who, outcome in zip(after, run(self._client, self._threads, statements), strict=True):
            if outcome is None:
                answers[who] = after[who]
                self._known.keep(who, seen[who][0] + 1, after[who])
            elif isinstance(outcome, F2bError):
                answers[who] = outcome
            elif outcome.item:
                answers[who] = self._learn(who, outcome.item)
            else:
                self._known.forget(who)
        return answers

    def _standing_statement(self, who: OffenderId, ban: Ban) -> Statement:
        until_ms = number(ban.until_ms)
        return update(
            self._table,
            standing_key(partition_of(who.key), who),
            {
                "until_ms": until_ms,
                "extended": number(ban.extended),
                "changed_ms": number(self._clock.now_ms()),
                "ttl": self._ttl(ban),
            },
            unless_changed={"start_ms": number(ban.start_ms)},
            below={"until_ms": until_ms},
        )

    def _state_statement(self, who: OffenderId, version: int, seen: Offender, after: Offender) -> Statement:
        assert after.ban
        written = {
            "last_ban": {"M": ban_item(after.ban)},
            "revision": number(after.revision),
            "v": number(version + 1),
            "ttl": self._ttl(after.ban),
        }
        if after.hits != seen.hits:
            written["hits"] = hits_value(after.hits)
        unchanged = {"v": number(version), "revision": number(seen.revision)}
        return update(self._table, state_key(who), written, unless_changed=unchanged)

    def _ttl(self, ban: Ban | None) -> dict[str, str]:
        return ttl(self._retention.until_ms(ban, now_ms=self._clock.now_ms()))


def _applied(decision: Decision) -> Offender:
    """Say what is remembered once this is stored: one spent hit stays if no other is left, for no set is empty."""
    after = decision.applied(decision.seen)
    return after if after.hits else replace(after, hits=frozenset(sorted(decision.seen.hits)[-1:]))
