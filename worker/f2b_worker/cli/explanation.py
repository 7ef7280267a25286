"""An explanation of one address in one jail, written as text or as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from f2b_worker.cli.acts_shown import act_object
from f2b_worker.cli.show import (
    ban_object,
    duration,
    extended_by,
    is_elsewhere,
    moment,
    plain_text,
    seconds,
    time_object,
)
from f2b_worker.domain.addresses import display, is_key, is_one_customer, is_within, span_of_network
from f2b_worker.domain.jails import DEFAULT_BLOCKLIST, FOREVER_MS, OWN_RANGE
from f2b_worker.domain.judge.enforcement import State
from f2b_worker.domain.judge.explanations import Explanation, Status
from f2b_worker.domain.judge.infractions import split_id
from f2b_worker.domain.judge.verdicts import BY_HAND, IMPORTED, weight_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from f2b_worker.cli.places import Holder
    from f2b_worker.domain.acts.act import Act
    from f2b_worker.domain.jails import Window
    from f2b_worker.domain.judge.explanations import Exemption, WindowCount
    from f2b_worker.domain.judge.verdicts import Ban, Hit
    from f2b_worker.errors import Unreadable

_SHOWN_MAX = 10
"""Infractions and earlier bans that the text shows of each; JSON has them all."""

_OWN_RANGES = {  # what is not plainly private
    "0.0.0.0/8": "unspecified",
    "100.64.0.0/10": "carrier-grade NAT",
    "127.0.0.0/8": "loopback",
    "192.0.0.0/24": "IETF protocol",
    "192.88.99.0/24": "6to4 relay",
    "198.18.0.0/15": "benchmark",
    "169.254.0.0/16": "link-local",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved",
    "::/127": "unspecified or loopback",
    "100::/64": "discard",
    "2001:2::/48": "benchmark",
    "fe80::/10": "link-local",
    "fec0::/10": "site-local",
    "ff00::/8": "multicast",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """One explanation, and what the command adds to it.

    Attributes:
        configured: Whether the jails file has this jail; others are judged by the defaults.
        holders: The IP sets that hold the key; None if there is no blocklist to look into.
        now_ms: The time that it speaks of.
        state: How far the running ban is enforced; None without one, or if nobody can tell.
        states: The same in each of its blocklists.
        unreadable: The errors that name the stored items which cannot be read.
        acts: What people did to this key, the newest first.
        country: Where the key is registered; None if nowhere, or if nobody can tell.
    """

    found: Explanation
    configured: bool
    holders: tuple[Holder, ...] | None
    now_ms: int
    state: State | None = None
    states: Mapping[str, State] = field(default_factory=dict)
    unreadable: tuple[Unreadable, ...] = ()
    acts: tuple[Act, ...] = ()
    country: str | None = None


def as_object(answer: Answer) -> dict[str, Any]:
    """Return an answer as a JSON object: None for what is not there or never comes."""
    found, exemption, holders = answer.found, answer.found.exemption, answer.holders
    return {
        "jail": found.who.jail,
        "configured": answer.configured,
        "ip": display(found.who.key),
        "country": answer.country,
        "status": found.status,
        "because": because(found, answer.now_ms),
        "state": answer.state,
        "unreadable": [str(error) for error in answer.unreadable],
        "ban": _ban_object(found, found.ban),
        "due": _ban_object(found, found.due),
        "window": _window_object(found.window) if found.window else None,
        "windows": [_count_object(count) for count in found.counts],
        "exemption": {"rule": exemption.rule, "network": exemption.network, "lifts": exemption.lifts}
        if exemption
        else None,
        "history": [_ban_object(found, ban) for ban in found.earlier],
        "acts": [act_object(each) for each in answer.acts],
        "ip_sets": None if holders is None else [asdict(one) for one in holders],
    }


def _ban_object(found: Explanation, ban: Ban | None) -> dict[str, Any] | None:
    return ban_object(found.who, ban) | {"evidence": _hit_objects(ban.evidence)} if ban else None


def _hit_objects(hits: Iterable[Hit]) -> list[dict[str, Any]]:
    return [_hit_object(hit) for hit in hits]


def _hit_object(hit: Hit) -> dict[str, Any]:
    name, reporter = split_id(hit.id)
    return {**time_object("time", hit.at_ms), "id": name, "reporter": reporter or None, "weight": hit.weight}


def _window_object(window: Window) -> dict[str, Any]:
    return {"maxretry": window.maxretry, "findtime": seconds(window.findtime_ms)}


def _count_object(count: WindowCount) -> dict[str, Any]:
    return {
        **_window_object(count.window),
        "hits": _hit_objects(count.hits),
        "missing": count.missing,
        **time_object("oldest_drops", count.oldest_drops_ms),
    }


def as_lines(answer: Answer) -> list[str]:
    """Write an answer for people: a title, the reason in one sentence, and what there is to show."""
    found = answer.found
    judged = "" if answer.configured else " (not in the jails file: judged by the defaults)"
    lines = [f"{display(found.who.key)} in jail {found.who.jail}{judged}", f"  {because(found, answer.now_ms)}"]
    for label, texts in _details(answer):
        for place, text in enumerate(texts):
            lines.append(f"    {'' if place else label:10} {text}")
    return lines


def because(found: Explanation, now_ms: int) -> str:
    """Say in one sentence why the address is banned, or is not."""
    sentences: Mapping[Status, str] = {
        Status.UNREADABLE: "cannot be judged: what is remembered of it cannot be read; its infractions go to the"
        " dead-letter queue",
        Status.BANNED: _banned("banned", found, found.ban),
        Status.NEVER_BANNED: "never banned",
        Status.DUE: f"{_banned('about to be banned', found, found.due)}; no worker has stored it yet",
        Status.WATCHED: f"not banned: {' and '.join(_fill(count) for count in found.counts if count.hits)}",
        Status.BAN_ENDED: "not banned",
        Status.QUIET: f"not banned: {_quiet(found)}",
        Status.UNKNOWN: "unknown: no infraction is remembered",
    }
    return sentences[found.status] + "".join(_qualified(found, now_ms))


_ORIGINS = {BY_HAND: "by hand", IMPORTED: "by f2b import", "adopted": "as found in an IP set"}


def _qualified(found: Explanation, now_ms: int) -> Iterator[str]:
    if found.exemption:
        why = _exempt(found.exemption, found.who.jail)
        if found.status == Status.BANNED:
            yield f"; new infractions do not count: {why}"
        else:
            yield f": {why}" + (f"; {_without_effect(found.who.key, found.exemption)}" if found.ban else "")
    elif found.earlier and found.status in {Status.BAN_ENDED, Status.WATCHED, Status.QUIET}:
        ended_ms = found.earlier[-1].until_ms
        colon = ":" if found.status == Status.BAN_ENDED else ";"
        yield f"{colon} last ban ended {moment(ended_ms)}, {duration(now_ms - ended_ms)} ago"


def _banned(how: str, found: Explanation, ban: Ban | None) -> str:
    if not ban:
        return ""
    until = "for ever" if ban.until_ms >= FOREVER_MS else f"until {moment(ban.until_ms)}"
    if ban.observed:
        how = f"{how} in observe mode, which enforces nothing,"
    if ban.origin and not ban.evidence:
        return f"{how} {_ORIGINS.get(ban.origin, plain_text(ban.origin))} in jail {found.who.jail} {until}"
    return f"{how} by jail {found.who.jail} {until}: {_evidence(ban.evidence, found.window)}"


def _evidence(hits: Sequence[Hit], window: Window | None) -> str:
    if not hits:
        return "its infractions are no longer remembered"
    within_ms = window.findtime_ms if window else hits[-1].at_ms - hits[0].at_ms
    return f"{_infractions(weight_of(hits))} within {duration(within_ms)}, the last at {moment(hits[-1].at_ms)}"


def _fill(count: WindowCount) -> str:
    window = count.window
    return f"{count.counted} of {_infractions(window.maxretry)} within {duration(window.findtime_ms)}"


def _quiet(found: Explanation) -> str:
    longest_ms = max(count.window.findtime_ms for count in found.counts)
    last = f", the last at {moment(found.newest.at_ms)}" if found.newest else ""
    return f"no infraction within {duration(longest_ms)}{last}"


def _without_effect(key: str, exemption: Exemption) -> str:
    is_part = is_key(key) and not is_one_customer(key)
    if is_part and not is_within(span_of_network(key), span_of_network(exemption.network)):
        return f"the ban of the rest of {key} does not reach it"
    return "its ban is not enforced"


def _exempt(exemption: Exemption, jail: str) -> str:
    if exemption.rule == OWN_RANGE:
        return f"{_OWN_RANGES.get(exemption.network, 'private')} address ({exemption.network})"
    if exemption.rule == "allowlist":
        return f"on the allowlist ({exemption.network})"
    whose = "all jails" if exemption.lifts else f"jail {jail}"
    return f"in ignoreip of {whose} ({exemption.network})"


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
    return f"{moment(act.at_ms)}  {act.verb.value} by {plain_text(act.by)}{reason}"


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
    return f"{_ordinal(ban.count)}, since {moment(ban.start_ms)}, {ends}, {_extended(ban)}{where}"


def _past(ban: Ban) -> str:
    backed = f", {_infractions(len(ban.evidence))}" if ban.evidence else ""
    return f"{_ordinal(ban.count)}, {moment(ban.start_ms)} to {moment(ban.until_ms)}, {_extended(ban)}{backed}"


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
    text = f"{_fill(count)}, {count.missing} missing"
    drops_ms = count.oldest_drops_ms
    if drops_ms is None or drops_ms >= FOREVER_MS:
        return text
    return f"{text}; the oldest drops out at {moment(drops_ms)} (in {duration(drops_ms - now_ms)})"


def _hit(hit: Hit) -> str:
    counts = f", counts for {hit.weight}" if hit.weight > 1 else ""
    name, reporter = split_id(hit.id)
    whose = f", from {plain_text(reporter)}" if reporter else ""
    return f"{moment(hit.at_ms)}  {plain_text(name)}{whose}{counts}"


def _infractions(number: int) -> str:
    return f"{number} infraction" + ("" if number == 1 else "s")


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
