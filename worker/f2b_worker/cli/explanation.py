"""An explanation of one address in one jail, written as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.domain.addresses import display
from f2b_worker.domain.jails import DEFAULT_BLOCKLIST, FOREVER_MS
from f2b_worker.domain.judge.enforcement import State
from f2b_worker.domain.judge.explanations import Status
from f2b_worker.domain.judge.infractions import note_of, split_id
from f2b_worker.domain.judge.verdicts import weight_of
from f2b_worker.query.reasons import because, filled
from f2b_worker.query.wording import (
    did,
    duration,
    extended_by,
    infractions,
    is_elsewhere,
    moment,
    ordinal,
    plain_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from f2b_worker.domain.acts.act import Act
    from f2b_worker.domain.judge.explanations import WindowCount
    from f2b_worker.domain.judge.verdicts import Ban, Hit
    from f2b_worker.query.explanation import Answer
    from f2b_worker.query.places import Holder

_SHOWN_MAX = 10
"""Infractions and earlier bans that the text shows of each; JSON has them all."""


def as_lines(answer: Answer) -> list[str]:
    """Write an answer for people: a title, the reason in one sentence, and what there is to show."""
    found = answer.found
    judged = "" if answer.configured else " (not in the jails file: judged by the defaults)"
    lines = [f"{display(found.who.key)} in jail {found.who.jail}{judged}", f"  {because(found, answer.now_ms)}"]
    for label, texts in _details(answer):
        for place, text in enumerate(texts):
            lines.append(f"    {'' if place else label:10} {text}")
    return lines


def _details(answer: Answer) -> Iterator[tuple[str, Sequence[str]]]:
    found, now_ms = answer.found, answer.now_ms
    if answer.country:
        yield "country", [f"registered in {answer.country}"]
    if found.ban:
        yield "ban", [_running(found.ban, now_ms)]
    ban = found.ban or found.due
    if ban and ban.evidence:
        yield "evidence", _shown(_hit(hit) for hit in ban.evidence)
    if answer.holders is not None:
        yield "IP set", _held(answer)
    yield "unreadable", [str(error) for error in answer.unreadable]
    if found.status in {Status.WATCHED, Status.BAN_ENDED, Status.QUIET}:
        yield "window", [_window(count, now_ms) for count in found.counts]
        yield "unused", _shown(_hit(hit) for hit in max((count.hits for count in found.counts), key=len))
    yield "history", _shown(_past(ban) for ban in found.earlier)
    yield "by hand", _shown(_did(act) for act in reversed(answer.acts))


def _did(act: Act) -> str:
    reason = f": {plain_text(act.reason)}" if act.reason else ""
    return f"{moment(act.at_ms)}  {did(act)} by {plain_text(act.by)}{reason}"


def _shown(texts: Iterable[str]) -> list[str]:
    """Show the newest, which stand last."""
    every = list(texts)
    left_out = len(every) - _SHOWN_MAX
    return [f"{left_out} older ones (--json shows all)", *every[-_SHOWN_MAX:]] if left_out > 0 else every


def _running(ban: Ban, now_ms: int) -> str:
    ends = "for ever"
    if ban.until_ms < FOREVER_MS:
        ends = f"until {moment(ban.until_ms)} ({duration(ban.until_ms - now_ms)} left)"
    where = f", in {', '.join(ban.blocklists)}" if is_elsewhere(ban) else ""
    return f"{ordinal(ban.count)}, since {moment(ban.start_ms)}, {ends}, {_extended(ban)}{where}"


def _past(ban: Ban) -> str:
    backed = f", {infractions(weight_of(ban.evidence))}" if ban.evidence else ""
    return f"{ordinal(ban.count)}, {moment(ban.start_ms)} to {moment(ban.until_ms)}, {_extended(ban)}{backed}"


def _extended(ban: Ban) -> str:
    return f"extended by {extended_by(ban)}" if ban.extended else "never extended"


_OF_ALL = {
    State.UNREADABLE: "what the enforcer goes by cannot be read: it puts nothing in, and takes nothing out",
    State.ALLOWLISTED: "the ban is not enforced: the allowlist, or ignoreip of all jails, has this address",
}
_OF_ONE = {
    State.WAITING: "not yet in an IP set",
    State.HELD_BACK: "held back by the surge guard; `f2b release` lets it in",
    State.LEFT_OUT: "left out, the IP sets are full; `f2b provision --capacity` makes more",
    State.NO_IP_SET: "no IP set of its family is there",
}


def _held(answer: Answer) -> list[str]:
    lines = [_holder(one) for one in answer.holders or ()]
    if answer.state in _OF_ALL:
        lines.append(_OF_ALL[answer.state])
    elif answer.found.status == Status.BANNED and answer.state != State.OBSERVED:
        each = answer.states.items()
        lines += [f"{_OF_ONE[state]}{_of_blocklist(name)}" for name, state in each if state in _OF_ONE]
    return lines or ["in none"]


def _holder(one: Holder) -> str:
    whose = ", noted as somebody else's" if one.foreign else ""
    return f"{one.name}, as {one.entry}{_of_blocklist(one.blocklist)}{whose}"


def _of_blocklist(name: str) -> str:
    return "" if name == DEFAULT_BLOCKLIST else f" (blocklist {name})"


def _window(count: WindowCount, now_ms: int) -> str:
    text = f"{filled(count)}, {count.missing} missing"
    drops_ms = count.oldest_drops_ms
    if drops_ms is None or drops_ms >= FOREVER_MS:
        return text
    return f"{text}; the oldest drops out at {moment(drops_ms)} (in {duration(drops_ms - now_ms)})"


def _hit(hit: Hit) -> str:
    counts = f", counts for {hit.weight}" if hit.weight > 1 else ""
    name, reporter = split_id(hit.id)
    whose = f", from {plain_text(reporter)}" if reporter else ""
    note = note_of(hit.id)
    noted = f": {plain_text(note)}" if note else ""
    return f"{moment(hit.at_ms)}  {plain_text(name)}{whose}{counts}{noted}"
