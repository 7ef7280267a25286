"""Bans, notes and acts as JSON objects: what commands print with --json, and pages serve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from f2b_worker.domain.addresses import display
from f2b_worker.query.wording import origin_of, seconds, time_object

if TYPE_CHECKING:
    from f2b_worker.domain.acts.act import Act
    from f2b_worker.domain.judge.verdicts import Ban, OffenderId
    from f2b_worker.ports import Notes

BAN_KEYS = (
    "jail",
    "ip",
    "start",
    "start_at",
    "until",
    "until_at",
    "count",
    "length",
    "extended",
    "observed",
    "blocklists",
    "by",
)
"""What a ban has as a JSON object."""


def ban_object(who: OffenderId, ban: Ban) -> dict[str, Any]:
    """Return a ban as a JSON object: each time in epoch seconds and as RFC 3339, None for an end that never comes.

    `extended` is the number of steps by which infractions moved the end; `by` is `judge`, `cli`, `import` or
    `adopted`.
    """
    return {
        "jail": who.jail,
        "ip": display(who.key),
        **time_object("start", ban.start_ms),
        **time_object("until", ban.until_ms),
        "count": ban.count,
        "length": seconds(ban.length_ms),
        "extended": ban.extended,
        "observed": ban.observed,
        "blocklists": list(ban.blocklists),
        "by": origin_of(ban),
    }


def unreadable_object(who: OffenderId | None) -> dict[str, Any]:
    """Return a ban that cannot be read as a JSON object: None for all that nobody knows."""
    known = {"jail": who.jail, "ip": display(who.key)} if who else {}
    return {**dict.fromkeys(BAN_KEYS), **known}


NOTE_KEYS = (
    "region",
    "held_back_from",
    "held_back_from_at",
    "released",
    "released_at",
    "foreign",
    "networks",
    "swept",
    "unreadable",
)
"""What was noted in a Region, as a JSON object."""


def notes_object(region: str, notes: Notes) -> dict[str, Any]:
    """Return what was noted in a Region as a JSON object."""
    return {
        "region": region,
        **time_object("held_back_from", notes.held_back_from_ms),
        **time_object("released", notes.released_ms),
        "foreign": {set_id: sorted(entries) for set_id, entries in notes.foreign.items()},
        "networks": {set_id: sorted(entries) for set_id, entries in notes.networks.items()},
        "swept": {set_id: seconds(at_ms) for set_id, at_ms in notes.swept_ms.items()},
        "unreadable": sorted(notes.lost),
    }


ACT_KEYS = ("time", "time_at", "by", "verb", "what", "count", "jail", "reason", "how", "id")
"""What an act has as a JSON object."""


def act_object(act: Act) -> dict[str, Any]:
    """Return an act as a JSON object."""
    return {
        **time_object("time", act.at_ms),
        "by": act.by,
        "verb": act.verb.value,
        "what": [display(each) for each in act.what],
        "count": act.count or len(act.what),
        "jail": act.jail or None,
        "reason": act.reason,
        "how": act.how,
        "id": act.id,
    }
