"""An independent reading of the "Verdicts" of docs/design.md with weights and several windows, as a check.

It is `demo.checker` once more, for what that leaves out, and as slow and plain: it shares no code with the judge.
All bans and deeds that a function is given are of one offender, and no ban is ever forgotten.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple

from f2b_worker.domain.jails import Jail, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from f2b_worker.domain.judge.verdicts import Ban


class Deed(NamedTuple):
    """One distinct infraction that counts."""

    at_ms: int
    id: str
    weight: int = 1


@dataclass(frozen=True)
class Law:
    """What a jail's policy comes down to; windows are pairs of maxretry and findtime in milliseconds."""

    windows: tuple[tuple[int, int], ...]
    bantime_ms: int
    increment: bool = False
    maxtime_ms: int | None = None

    @property
    def is_honest(self) -> bool:
        """Whether every ban lasts at least findtime: only then is completeness promised."""
        return min(self.length_ms(1), self.length_ms(2)) >= self.longest_findtime_ms

    @property
    def longest_findtime_ms(self) -> int:
        """The findtime of the slowest window."""
        return max(findtime_ms for _, findtime_ms in self.windows)

    def length_ms(self, count: int) -> int:
        """Return how long the count-th ban lasts (rule 3)."""
        if not self.increment:
            return self.bantime_ms
        doubled_ms: int = self.bantime_ms * 2 ** (count - 1)
        return doubled_ms if self.maxtime_ms is None else min(doubled_ms, self.maxtime_ms)


def jail_of(law: Law, name: str = "default", **more: Any) -> Jail:
    """Return the jail that should judge by *law*."""
    windows = tuple(Window(maxretry, findtime_ms) for maxretry, findtime_ms in law.windows)
    return Jail(
        name,
        windows,
        bantime_ms=law.bantime_ms,
        increment=law.increment,
        maxtime_ms=law.maxtime_ms,
        forget_ms=None,
        **more,
    )


@dataclass(frozen=True)
class Term:
    """One ban as in-order judging gives it."""

    start_ms: int
    until_ms: int
    count: int
    length_ms: int
    extended: int = 0


def term_of(ban: Ban) -> Term:
    """Return a judge's ban in the form in which both are compared."""
    return Term(ban.start_ms, ban.until_ms, ban.count, ban.length_ms, ban.extended)


def in_order(deeds: Iterable[Deed], law: Law) -> list[Term]:
    """Return the bans of judging in time order (rules 1 to 5)."""
    return _in_order(deeds, law, _extended)


def _in_order(deeds: Iterable[Deed], law: Law, extended: Callable[[Term, int], Term]) -> list[Term]:
    terms: list[Term] = []
    since: list[Deed] = []
    for deed in sorted(deeds):
        if terms and deed.at_ms <= terms[-1].until_ms:
            terms[-1] = extended(terms[-1], deed.at_ms)
            continue
        since.append(deed)
        if any(is_broken(since, deed.at_ms, window) for window in law.windows):
            since = []
            length_ms = law.length_ms(len(terms) + 1)
            terms.append(Term(deed.at_ms, deed.at_ms + length_ms, len(terms) + 1, length_ms))
    return terms


def is_broken(since: Sequence[Deed], at_ms: int, window: tuple[int, int]) -> bool:
    """Tell whether those of *since* that count at a time make up a ban (rule 2)."""
    maxretry, findtime_ms = window
    return sum(deed.weight for deed in since if at_ms - findtime_ms < deed.at_ms <= at_ms) >= maxretry


def _extended(term: Term, at_ms: int) -> Term:
    """Move the end by whole steps, counted from the ban's first end (rule 1)."""
    step_ms = max(1, min(term.length_ms // 10, 600_000))
    steps = max(term.extended, ceil(Fraction(at_ms - term.start_ms, step_ms)))
    return replace(term, until_ms=term.start_ms + term.length_ms + steps * step_ms, extended=steps)


def _extended_exactly(term: Term, at_ms: int) -> Term:
    """Move the end without rounding it up: what judging in any order owes, from wherever a ban starts (rule 6)."""
    return replace(term, until_ms=max(term.until_ms, at_ms + term.length_ms))


def unsound(bans: Sequence[Ban], deeds: Iterable[Deed], law: Law) -> list[str]:
    """Return a sentence for each fault of bans that were found in any order, oldest first.

    A deed is known by its time and weight alone: its name in another jail is nobody's promise.
    """
    done = sorted(deeds)
    known = Counter((deed.at_ms, deed.weight) for deed in done)
    cited = [hit for ban in bans for hit in ban.evidence]
    faults = []
    if len(set(cited)) < len(cited):
        faults.append("an infraction backs two bans, or one ban twice")
    if Counter((hit.at_ms, hit.weight) for hit in cited) - known:
        faults.append("an infraction that nobody reported backs a ban")
    for place, ban in enumerate(bans):
        before_ms = bans[place - 1].until_ms if place else None
        count = place + 1
        found = [*_evidence_faults(ban, before_ms, law), *_sentence_faults(ban, count, before_ms, done, law)]
        faults += [f"ban {count} at {ban.start_ms}: {fault}" for fault in found]
    return faults


def _evidence_faults(ban: Ban, before_ms: int | None, law: Law) -> Iterator[str]:
    if not ban.evidence or ban.evidence[-1].at_ms != ban.start_ms:
        yield "its last evidence is not at its start"
    elif not any(_backs(ban, window) for window in law.windows):
        yield f"{ban.evidence} is not what any of {law.windows} needs"
    if before_ms is not None and any(hit.at_ms <= before_ms for hit in ban.evidence):
        yield "evidence from before the end of the ban before it"


def _backs(ban: Ban, window: tuple[int, int]) -> bool:
    maxretry, findtime_ms = window
    weights = [hit.weight for hit in ban.evidence]
    in_window = all(ban.start_ms - findtime_ms < hit.at_ms <= ban.start_ms for hit in ban.evidence)
    return in_window and sum(weights) >= maxretry > sum(weights[1:])


def _sentence_faults(ban: Ban, count: int, before_ms: int | None, done: Sequence[Deed], law: Law) -> Iterator[str]:
    if before_ms is not None and ban.start_ms <= before_ms:
        yield "starts before the one before it has ended"
    if (ban.count, ban.length_ms) != (count, law.length_ms(count)):
        yield f"number {ban.count}, {ban.length_ms} ms, instead of {count}, {law.length_ms(count)} ms"
    if (ban.until_ms, ban.extended) not in _ends(ban.start_ms, ban.length_ms, done):
        yield f"no infraction makes it end at {ban.until_ms}, by {ban.extended} steps"


def _ends(start_ms: int, length_ms: int, done: Sequence[Deed]) -> list[tuple[int, int]]:
    """Return every end that a ban takes as rule 1 extends it, and by how many steps; the last one at the end."""
    grown = Term(start_ms, start_ms + length_ms, 1, length_ms)
    terms = [grown, *_growing(grown, done, _extended)]
    return [(term.until_ms, term.extended) for term in terms]


def _growing(term: Term, done: Sequence[Deed], extended: Callable[[Term, int], Term]) -> Iterator[Term]:
    for deed in done:
        if term.start_ms < deed.at_ms <= term.until_ms:
            term = extended(term, deed.at_ms)
            yield term


def incomplete(bans: Sequence[Ban], deeds: Iterable[Deed], law: Law, now_ms: int) -> list[str]:
    """Return what should run now and *bans*, oldest first, lack or cut short.

    That is what judging in order has running now by ends that are not rounded up, and the last of *bans* as far
    as the deeds extend it.

    Raises:
        ValueError: A deed is later than now: a later ban may have made that moment the past already.
    """
    done = sorted(deeds)
    if done and done[-1].at_ms > now_ms:
        raise ValueError("completeness cannot be asked of a past moment")
    wanted = [term for term in _in_order(done, law, _extended_exactly)[-1:] if term.until_ms >= now_ms]
    if not bans:
        return [f"not banned, but should be until {term.until_ms}" for term in wanted]
    last = bans[-1]
    owed_ms = [until_ms for until_ms, _ in _ends(last.start_ms, last.length_ms, done)[-1:] if until_ms >= now_ms]
    owed_ms += [_owed_ms(term, law.length_ms(min(last.count, term.count)), done) for term in wanted]
    return [
        f"banned until {last.until_ms}, but should be until {each}" for each in owed_ms if last.until_ms < each
    ]


def _owed_ms(wanted: Term, length_ms: int, done: Sequence[Deed]) -> int:
    """Return the end that a ban of this length and this start has without rounding."""
    first = replace(wanted, length_ms=length_ms, until_ms=wanted.start_ms + length_ms)
    return [first, *_growing(first, done, _extended_exactly)][-1].until_ms


def split(deed: Deed) -> list[Deed]:
    """Return as many infractions of weight 1 at the same time as *deed* counts for."""
    return [Deed(deed.at_ms, f"{deed.id}.{part}") for part in range(deed.weight)]
