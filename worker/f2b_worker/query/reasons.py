"""Why an address is banned, or is not, in one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.domain.addresses import is_key, is_one_customer, is_within, span_of_network
from f2b_worker.domain.jails import FOREVER_MS, OWN_RANGE
from f2b_worker.domain.judge.explanations import Status
from f2b_worker.domain.judge.verdicts import BY_HAND, IMPORTED, weight_of
from f2b_worker.query.wording import duration, infractions, moment, plain_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from f2b_worker.domain.jails import Window
    from f2b_worker.domain.judge.explanations import Exemption, Explanation, WindowCount
    from f2b_worker.domain.judge.verdicts import Ban, Hit

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


def because(found: Explanation, now_ms: int) -> str:
    """Say in one sentence why the address is banned, or is not."""
    sentences: Mapping[Status, str] = {
        Status.UNREADABLE: "cannot be judged: what is remembered of it cannot be read; its infractions go to the"
        " dead-letter queue",
        Status.BANNED: _banned("banned", found, found.ban),
        Status.NEVER_BANNED: "never banned",
        Status.DUE: f"{_banned('about to be banned', found, found.due)}; no worker has stored it yet",
        Status.WATCHED: f"not banned: {' and '.join(filled(count) for count in found.counts if count.hits)}",
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
    return f"{infractions(weight_of(hits))} within {duration(within_ms)}, the last at {moment(hits[-1].at_ms)}"


def filled(count: WindowCount) -> str:
    """Say how far a window is filled."""
    window = count.window
    return f"{count.counted} of {infractions(window.maxretry)} within {duration(window.findtime_ms)}"


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
