"""An explanation of one address in one jail, and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from f2b_worker.domain.addresses import display
from f2b_worker.domain.judge.infractions import note_of, split_id
from f2b_worker.query.objects import act_object, ban_object
from f2b_worker.query.reasons import because
from f2b_worker.query.wording import seconds, time_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from f2b_worker.domain.acts.act import Act
    from f2b_worker.domain.jails import Window
    from f2b_worker.domain.judge.enforcement import State
    from f2b_worker.domain.judge.explanations import Explanation, WindowCount
    from f2b_worker.domain.judge.verdicts import Ban, Hit
    from f2b_worker.errors import Unreadable
    from f2b_worker.query.places import Holder


@dataclass(frozen=True, slots=True)
class Answer:
    """One explanation, and what is added to it.

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
    return {
        **time_object("time", hit.at_ms),
        "id": name,
        "reporter": reporter or None,
        "note": note_of(hit.id) or None,
        "weight": hit.weight,
    }


def _window_object(window: Window) -> dict[str, Any]:
    return {"maxretry": window.maxretry, "findtime": seconds(window.findtime_ms)}


def _count_object(count: WindowCount) -> dict[str, Any]:
    return {
        **_window_object(count.window),
        "hits": _hit_objects(count.hits),
        "missing": count.missing,
        **time_object("oldest_drops", count.oldest_drops_ms),
    }
