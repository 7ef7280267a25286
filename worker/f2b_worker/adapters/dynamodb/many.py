"""Hits of many offenders, and bans of many, with few calls.

Every change of an offender's item raises its version `v`. Whoever knows the item writes the whole of it, on the
condition that its version is still that; a stranger is inserted. A refused statement brings the item as it is, and
is tried again with what it holds. So no hit is lost, whoever else writes, and a batch needs no read before it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from f2b_worker.adapters.answers import odd_answers
from f2b_worker.adapters.batches import batches
from f2b_worker.adapters.dynamodb.batch_reading import READ_MAX, read_items
from f2b_worker.adapters.dynamodb.items import (
    ban_item,
    evidence_item,
    hits_value,
    number,
    state_key,
    ttl,
)
from f2b_worker.adapters.dynamodb.seen_items import Seen
from f2b_worker.adapters.dynamodb.statements import Statement, insert, run, update
from f2b_worker.domain.judge.verdicts import Offender
from f2b_worker.errors import F2bError, Invalid, Unreadable
from f2b_worker.observe.unreadable import set_aside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from concurrent.futures import Executor

    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.adapters.dynamodb.items import Item
    from f2b_worker.adapters.dynamodb.seen_items import SeenItems
    from f2b_worker.domain.judge.decisions import Decision
    from f2b_worker.domain.judge.retention import Retention
    from f2b_worker.domain.judge.verdicts import Ban, Hit, OffenderId
    from f2b_worker.ports import Answers, Clock

MANY = 5
"""From so many offenders on, batches cost less than single calls, which answer sooner."""

_READING = "reading the ledger"
_ROUNDS = 3  # who is still contended then gets an UpdateItem of its own, which nobody can refuse


class ManyOffenders:
    """Writes to many offenders at once.

    Args:
        client: A DynamoDB client for any number of threads.
        table: The ledger's table.
        threads: Where batches run side by side.
        known: Shared with whoever else writes to offenders.
        clock: Tells when an item was asked for.
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
        asked_s = self._clock.monotonic_s()
        after = {who: self._after(who, new, asked_s) for who, new in hits.items()}
        statements = [self._record_statement(who, written) for who, written in after.items()]
        unknown: list[OffenderId] = []
        for who, outcome in zip(after, run(self._client, self._threads, statements), strict=True):
            if outcome is None:
                self._known.keep(who, after[who])
                answers[who] = after[who].offender
            elif isinstance(outcome, Invalid):
                continue  # perhaps another's of the same batch: written alone, it is found out whose
            elif isinstance(outcome, F2bError):
                answers[who] = outcome
            elif outcome.item:
                learned = self._learn(who, outcome.item, asked_s)
                if isinstance(learned, F2bError):
                    answers[who] = learned
            else:
                unknown.append(who)
        answers.update((who, each) for who, each in self.read(unknown).items() if isinstance(each, F2bError))

    def _learn(self, who: OffenderId, item: Item, asked_s: float) -> Offender | F2bError:
        """Remember an item, and read it; one that cannot be read costs nobody else's."""
        try:
            with odd_answers(_READING):
                return self._known.learn(who, item, asked_s)
        except Unreadable as error:
            self._aside(error)
            return error
        except F2bError as error:
            return error

    def _after(self, who: OffenderId, new: Sequence[Hit], asked_s: float) -> Seen:
        seen = self._known.get(who)
        if seen is None:
            return Seen(1, Offender(frozenset(new)), asked_s)
        return Seen(seen.version + 1, replace(seen.offender, hits=seen.offender.hits.union(new)), asked_s)

    def _record_statement(self, who: OffenderId, after: Seen) -> Statement:
        version, offender, _ = after
        written = {"hits": hits_value(offender.hits), "v": number(version), "ttl": self._ttl(offender.ban)}
        if version == 1:
            return insert(self._table, state_key(who) | written)
        return update(self._table, state_key(who), written, unless_changed={"v": number(version - 1)})

    def read(self, offenders: Iterable[OffenderId]) -> Answers:
        """Read offenders, and remember them; a stranger is an offender without a past."""
        answers: Answers = {}
        for batch in batches(offenders, READ_MAX):
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
        asked_s = self._clock.monotonic_s()
        keys = {who: state_key(who) for who in batch}
        found = read_items(self._client, self._table, keys.values(), _READING)
        items = {who: found.get((key["pk"]["S"], key["sk"]["S"]), {}) for who, key in keys.items()}
        return {who: self._learn(who, item, asked_s) for who, item in items.items()}

    def store(self, decisions: Mapping[OffenderId, Decision]) -> Answers:
        """Store bans; who is left out of the answer is not known here and has to be written alone."""
        answers = self._lost(decisions)
        left = {who: each for who, each in decisions.items() if who not in answers}
        seen = {who: known for who, each in left.items() if (known := self._seen_for(who, each))}
        after = {who: decisions[who].applied(known.offender) for who, known in seen.items()}
        asked_s = self._clock.monotonic_s()
        statements = [self._ban_statement(who, seen[who], after[who], decisions[who]) for who in seen]
        for who, outcome in zip(after, run(self._client, self._threads, statements), strict=True):
            if outcome is None:
                answers[who] = after[who]
                self._known.keep(who, Seen(seen[who].version + 1, after[who], asked_s))
            elif isinstance(outcome, Invalid):
                continue  # perhaps another's of the same batch: written alone, it is found out whose
            elif isinstance(outcome, F2bError):
                answers[who] = outcome
            elif outcome.item:
                answers[who] = self._learn(who, outcome.item, asked_s)
            else:
                self._known.forget(who)
        return answers

    def _lost(self, decisions: Mapping[OffenderId, Decision]) -> Answers:
        """Read those of whom only the ban was known; answer who has changed meanwhile, or cannot be read."""
        unknown = [who for who, each in decisions.items() if not self._seen_for(who, each)]
        found = self.read(unknown) if len(unknown) >= MANY else {}
        return {
            who: each
            for who, each in found.items()
            if isinstance(each, F2bError) or each.revision != decisions[who].seen.revision
        }

    def _seen_for(self, who: OffenderId, decision: Decision) -> Seen | None:
        """Answer what a statement that stores *decision* would replace; None if none can."""
        if decision.is_another and not decision.last.evidence:
            return None  # that of the ban before must go
        known = self._known.get(who)
        return known if known and known.offender.revision == decision.seen.revision else None

    def _ban_statement(self, who: OffenderId, seen: Seen, after: Offender, decision: Decision) -> Statement:
        written = {
            "ban": {"M": ban_item(decision.last)},
            "rev": number(after.revision),
            "v": number(seen.version + 1),
            "ttl": self._ttl(after.ban),
        }
        if decision.last.evidence:
            written["evidence"] = evidence_item(decision.last)
        if after.hits and after.hits != seen.offender.hits:
            written["hits"] = hits_value(after.hits)
        unchanged = {"v": number(seen.version)}
        if seen.offender.revision:
            unchanged["rev"] = number(seen.offender.revision)
        removed = () if after.hits else ("hits",)  # no set is empty
        return update(self._table, state_key(who), written, unless_changed=unchanged, removed=removed)

    def _ttl(self, ban: Ban | None) -> dict[str, str]:
        return ttl(self._retention.until_ms(ban, now_ms=self._clock.now_ms()))
