"""What happened to one address in one jail, drawn over time: infractions, the window of findtime, bans, lifts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.domain.acts.act import Verb
from f2b_worker.domain.jails import DAY_MS, MINUTE_MS, SECOND_MS
from f2b_worker.domain.judge.verdicts import weight_of
from f2b_worker.query.wording import infractions, moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from f2b_worker.domain.judge.explanations import Explanation
    from f2b_worker.domain.judge.verdicts import Ban, Hit
    from f2b_worker.query.explanation import Answer

_MARGIN = 0.04
_BAN_PART = 4
"""A ban that ends far ahead takes at most so many times the room of what led to it."""

_TICKS = 4
_LEAST_MS = 20 * SECOND_MS
_HITS_DRAWN = 500


class Bar(NamedTuple):
    """A span of time: from where to where, in parts of the whole width, and what it is."""

    at: float
    width: float
    kind: str
    told: str


class Mark(NamedTuple):
    """A moment."""

    at: float
    kind: str
    told: str


class Timeline(NamedTuple):
    """What is drawn.

    Attributes:
        told: The same in one sentence, for who does not see it.
        bars: Windows and bans.
        marks: Infractions, lifts, and now.
        ticks: Where the axis says the time.
        more: What the drawing leaves out.
    """

    told: str
    bars: tuple[Bar, ...]
    marks: tuple[Mark, ...]
    ticks: tuple[Mark, ...]
    more: str = ""


class _Axis(NamedTuple):
    from_ms: int
    to_ms: int

    def at(self, at_ms: int) -> float:
        """Place a time between 0 and 1; what lies beyond is at the edge."""
        return min(1.0, max(0.0, (at_ms - self.from_ms) / (self.to_ms - self.from_ms)))

    def shows(self, at_ms: int) -> bool:
        return self.from_ms <= at_ms <= self.to_ms


def timeline_of(answer: Answer) -> Timeline | None:
    """Draw the last ban and what led to it, or what might lead to one; None where nothing is remembered."""
    found = answer.found
    hits = hits_of(found)
    ban = last_ban(found)
    if not hits and not ban:
        return None
    axis = _axis(hits, ban, answer.now_ms)
    bans = [each for each in (*found.earlier, found.ban, found.due) if each]
    drawn = [each for each in bans if each.until_ms >= axis.from_ms]
    bars = [*_windows(found, answer.now_ms, axis), *(_ban_bar(each, axis) for each in drawn)]
    used = set(ban.evidence) if ban else set()
    lately = hits[-_HITS_DRAWN:]
    marks = [_hit_mark(each, axis, is_used=each in used) for each in lately if axis.shows(each.at_ms)]
    acts = [each for each in answer.acts if each.verb == Verb.UNBAN and axis.shows(each.at_ms)]
    marks += [Mark(axis.at(each.at_ms), "lift", f"lifted at {moment(each.at_ms)}") for each in acts]
    if axis.shows(answer.now_ms):
        marks.append(Mark(axis.at(answer.now_ms), "now", "now"))
    counted = f"{infractions(weight_of(hits))} and {len(bans):,} {'ban' if len(bans) == 1 else 'bans'}"
    told = f"{counted} from {moment(axis.from_ms)} to {moment(axis.to_ms)}"
    more = " ".join(_left_out(len(hits) - len(lately), len(bans) - len(drawn)))
    return Timeline(told, tuple(bars), tuple(marks), tuple(_ticks(axis)), more)


def _left_out(hits: int, bans: int) -> Iterator[str]:
    if hits:
        yield f"{hits:,} older {'infraction is' if hits == 1 else 'infractions are'} not drawn."
    if bans:
        yield f"{bans:,} earlier {'ban is' if bans == 1 else 'bans are'} in the table only."


def last_ban(found: Explanation) -> Ban | None:
    """Return the ban that runs, is due, or ran last."""
    return found.ban or found.due or (found.earlier[-1] if found.earlier else None)


def hits_of(found: Explanation) -> list[Hit]:
    """Return the infractions of the last ban, and those that none has used, in time order."""
    ban = last_ban(found)
    unused = max((count.hits for count in found.counts), key=len, default=())
    return sorted({*(ban.evidence if ban else ()), *unused})


def _axis(hits: Sequence[Hit], ban: Ban | None, now_ms: int) -> _Axis:
    times = [each.at_ms for each in hits] + ([ban.start_ms] if ban else [])
    first, last = min(times), max(times)
    led = max(last - first, _LEAST_MS)
    end = last if not ban else max(last, min(ban.until_ms, first + _BAN_PART * max(led, now_ms - first)))
    end = max(end, min(now_ms, first + 2 * _BAN_PART * led), first + _LEAST_MS)
    margin = round((end - first) * _MARGIN) + 1
    return _Axis(first - margin, end + margin)


def _windows(found: Explanation, now_ms: int, axis: _Axis) -> Iterator[Bar]:
    """Draw the window that was full, or those that fill: each ends with the last infraction in it."""
    ban = found.ban or found.due
    if ban and found.window and ban.evidence:
        yield _window_bar(ban.evidence[-1].at_ms, found.window.findtime_ms, axis)
        return
    for count in found.counts:
        if count.hits:
            yield _window_bar(max(now_ms, count.hits[-1].at_ms), count.window.findtime_ms, axis)


def _window_bar(end_ms: int, findtime_ms: int, axis: _Axis) -> Bar:
    return _bar(end_ms - findtime_ms, end_ms, "window", "findtime", axis)


def _ban_bar(ban: Ban, axis: _Axis) -> Bar:
    told = f"banned from {moment(ban.start_ms)} until {moment(ban.until_ms)}"
    return _bar(ban.start_ms, ban.until_ms, "observed" if ban.observed else "ban", told, axis)


def _bar(from_ms: int, to_ms: int, kind: str, told: str, axis: _Axis) -> Bar:
    at = axis.at(from_ms)
    return Bar(at, max(0.003, axis.at(to_ms) - at), kind, told)


def _hit_mark(hit: Hit, axis: _Axis, *, is_used: bool) -> Mark:
    return Mark(axis.at(hit.at_ms), "hit used" if is_used else "hit", moment(hit.at_ms))


def _ticks(axis: _Axis) -> Iterable[Mark]:
    span_ms = axis.to_ms - axis.from_ms
    for number in range(_TICKS):
        at = number / _TICKS
        text = moment(axis.from_ms + round(at * span_ms))
        yield Mark(
            at, "", text[5:16] if span_ms > DAY_MS else text[11:16] if span_ms > 9 * MINUTE_MS else text[11:19]
        )
