"""What the contract tests of the ledger write and read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from f2b_worker.domain.jails import DAY_MS, FOREVER_MS, MINUTE_MS, SECOND_MS, Jail, Window
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.verdicts import Ban, Hit, Offender, OffenderId, judge
from f2b_worker.errors import Retryable
from f2b_worker.ports import BanBook, Ledger
from f2b_worker.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from f2b_worker.errors import F2bError
    from f2b_worker.ports import Answers


NOW_MS = FakeClock().now_ms()
TABLE = "f2b"
KEPT_MS = 2 * DAY_MS
WHO = OffenderId("login", "203.0.113.7/32")
JAIL = Jail(windows=(Window(3, 10 * MINUTE_MS),))


class Book(Ledger, BanBook, Protocol):
    """Both ports of a ledger."""


def hit(second: float) -> Hit:
    return Hit(NOW_MS + round(second * SECOND_MS), f"id-{second}")


def hits(*seconds: float) -> tuple[Hit, ...]:
    return tuple(map(hit, seconds))


def ban(start_s: float, count: int = 1, *, length_ms: int = 10 * MINUTE_MS, evidence: Sequence[Hit] = ()) -> Ban:
    start_ms = hit(start_s).at_ms
    return Ban(start_ms, min(FOREVER_MS, start_ms + length_ms), count, length_ms, evidence=tuple(evidence))


def plain(stored: Ban) -> Ban:
    """The ban as everybody but its history shows it: without its evidence."""
    return Ban(stored.start_ms, stored.until_ms, stored.count, stored.length_ms, stored.extended)


def remembered(answer: Offender | F2bError) -> Offender:
    assert isinstance(answer, Offender), answer
    return answer


def record(ledger: Ledger, *new: Hit, who: OffenderId = WHO) -> Offender:
    return remembered(ledger.record({who: new})[who])


def prolonged(ban: Ban, during: Hit) -> Ban:
    """Return *ban* as it stands after an infraction during it."""
    changed = judge(Offender(ban=ban), [during], JAIL, key=WHO.key).changed
    return changed[-1] if changed else ban


def commit(ledger: Ledger, seen: Offender, ban: Ban, who: OffenderId = WHO) -> Offender:
    """Store a ban, and let everybody know."""
    return remembered(commit_all(ledger, {who: Decision(seen, ban)})[who])


def commit_all(ledger: Ledger, decisions: Mapping[OffenderId, Decision]) -> Answers:
    """Store bans of many, and let everybody know."""
    answers = ledger.commit(decisions)
    known = {who: answer for who, answer in answers.items() if isinstance(answer, Offender)}
    assert ledger.publish(known) == {}
    return answers


def settle(ledger: Ledger, new: Sequence[Hit], jail: Jail = JAIL) -> Offender:
    """Record, judge and commit as the intake does, until there is nothing to store."""
    offender = record(ledger, *new)
    while changed := judge(offender, new, jail, key=WHO.key).changed:
        offender = commit(ledger, offender, changed[0])
    return offender


def settle_at_last(ledger: Ledger, new: Sequence[Hit]) -> Offender:
    """Settle, again after every failure that is worth another try."""
    for _ in range(5):
        try:
            answer = ledger.record({WHO: new})[WHO]
            while changed := judge(remembered(answer), new, JAIL, key=WHO.key).changed:
                answer = ledger.commit({WHO: Decision.on(remembered(answer), changed)})[WHO]
            return remembered(answer)
        except AssertionError:
            assert isinstance(answer, Retryable)
    raise AssertionError("it did not settle")
