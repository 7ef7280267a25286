"""One address, and its whole story."""

from __future__ import annotations

import shlex
from itertools import accumulate, takewhile
from typing import TYPE_CHECKING, Any, NamedTuple

from f2b_worker.dashboard.asked import Page
from f2b_worker.dashboard.pages.countries import knows_countries
from f2b_worker.dashboard.pages.table import Caption, Standing, columns, lines, standing_of
from f2b_worker.dashboard.pages.timeline import Timeline, hits_of, last_ban, timeline_of
from f2b_worker.dashboard.pages.verdict import verdict_of
from f2b_worker.dashboard.rendering import link
from f2b_worker.domain.acts.hand_bans import MANUAL_JAIL
from f2b_worker.domain.addresses import display, is_one_customer, network_of
from f2b_worker.domain.jails import DEFAULT_BLOCKLIST, DEFAULT_JAIL, OWN_RANGE
from f2b_worker.domain.judge.explanations import Status
from f2b_worker.domain.judge.infractions import note_of, split_id
from f2b_worker.domain.judge.verdicts import OffenderId, weight_of
from f2b_worker.query.lookup import asked_in
from f2b_worker.query.reasons import because, filled
from f2b_worker.query.wording import extended_by, infractions, is_elsewhere, ordinal, origin_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from f2b_worker.config.jails_file import Jails
    from f2b_worker.config.operator import OperatorSettings
    from f2b_worker.dashboard.asked import Asked
    from f2b_worker.domain.acts.act import Act
    from f2b_worker.domain.jails import Policy
    from f2b_worker.domain.judge.explanations import Explanation
    from f2b_worker.domain.judge.verdicts import Ban, Hit
    from f2b_worker.query.explanation import Answer
    from f2b_worker.query.pages import BanRow
    from f2b_worker.query.places import Holder
    from f2b_worker.query.sources import Sources

HITS_SHOWN = 100
"""So many infractions stand on a page: of 200 jails with as many each, a page would have 9 MB."""

JAILS_SHOWN = 5
"""So many jails are told in full at most; the others are named."""

_AROUND = 10


class HitLine(NamedTuple):
    """One infraction: when, what, who reported it, for how many it counts, and what became of it."""

    at_ms: int
    note: str
    reporter: str
    name: str
    weight: int
    is_used: bool


class BanLine(NamedTuple):
    """One ban of this address in this jail."""

    number: str
    since_ms: int
    until_ms: int
    extended: str
    by: str
    evidence: str
    is_running: bool
    where: str


class JailStory(NamedTuple):
    """What is known of the address in one jail."""

    jail: str
    key: str
    is_of_network: bool
    is_configured: bool
    standing: Standing
    because: str
    running: BanLine | None
    windows: Sequence[str]
    timeline: Timeline | None
    hits: Sequence[HitLine]
    hits_left_out: int
    bans: Sequence[BanLine]
    holders: Sequence[Holder] | None
    unreadable: Sequence[str]


class JailName(NamedTuple):
    """A jail that is only named, and what leads to its story."""

    name: str
    href: str
    standing: Standing
    told: str


def address(asked: Asked, sources: Sources) -> Page:
    """Answer the page of an address or a network."""
    text = asked.path.removeprefix("/address").strip("/")
    try:
        found = sources.story(text)
    except ValueError as error:
        told = f"{error}. Search for an address, a network or a jail above."
        return Page(404, "refused.html", {"title": "No address", "text": told})
    network, answers = found.network, found.answers
    own = own_keys(text, sources.jails.policy)
    own |= {each.found.who for each in answers if each.found.who.key == network}
    banned = [each.found.who for each in answers if each.found.ban]
    in_full, named = told_in_full(answers, asked.query.get("jail", ""))
    near = network_of(network, ipv4_prefix=24, ipv6_prefix=48) or network
    has_countries = knows_countries()
    context: dict[str, Any] = {
        "title": display(network),
        "streams": True,
        "verdict": verdict_of(sources.snapshot()),
        "network": network,
        "is_network": not is_one_customer(network),
        "country": next((each.country for each in answers if each.country), None),
        "stories": [_story(each, is_own=each.found.who in own) for each in in_full],
        "named": [_jail_name(each) for each in named],
        "banned_in": [who.jail for who in banned if who in own],
        "banned_around": [who.key for who in banned if who not in own],
        "acts": acts_of(answers),
        "near": near,
        "near_href": link("/bans", q=display(near)),
        "is_allowed": any(exempt.rule != OWN_RANGE for each in answers if (exempt := each.found.exemption)),
        "unban": unban_command(sources.settings, network),
        "neighbours": lines(_neighbours(sources, network)),
        "neighbours_caption": Caption("Banned neighbours", columns(country=has_countries), is_seen=False),
        "has_countries": has_countries,
        "jails": sorted({MANUAL_JAIL, *sources.jails.policy.jails}),
        "manual": MANUAL_JAIL,
        "blocklists": blocklists_in(sources.jails),
    }
    return Page(200, "address.html", context)


def told_in_full(answers: Sequence[Answer], jail: str) -> tuple[list[Answer], list[Answer]]:
    """Choose what is told in full, and what is only named.

    Args:
        answers: What is known in each jail.
        jail: The jail that somebody wants to see; after it come those where bans run, and where most is known.
    """
    ranked = sorted(
        answers, key=lambda each: (each.found.who.jail != jail, not each.found.ban, -len(hits_of(each.found)))
    )
    numbers = accumulate(len(hits_of(each.found)) for each in ranked[:JAILS_SHOWN])
    full = max(1, len(list(takewhile(lambda number: number <= HITS_SHOWN, numbers))))
    return ranked[:full], ranked[full:]


def _jail_name(answer: Answer) -> JailName:
    found = answer.found
    bans = len(found.earlier) + bool(found.ban)
    told = f"{infractions(weight_of(hits_of(found)))}, {bans} {'ban' if bans == 1 else 'bans'}"
    return JailName(found.who.jail, link("", jail=found.who.jail), _standing(answer), told)


def unban_command(settings: OperatorSettings, network: str) -> str:
    """Write the command that lifts the bans of an address in this ledger."""
    ledger = ["--state", str(settings.state_file)] if settings.state_file else ["--table", settings.table]
    return shlex.join(["f2b", "unban", display(network), *ledger])


def blocklists_in(jails: Jails) -> list[str]:
    """Name where a ban may be enforced: the usual blocklist first."""
    others = {each.name for each in jails.blocklists} - {DEFAULT_BLOCKLIST}
    return [DEFAULT_BLOCKLIST, *sorted(others)]


def _neighbours(sources: Sources, network: str) -> list[BanRow]:
    found = sources.around(network, _AROUND + 1).rows
    return [each for each in found if each.who and each.who.key != network][:_AROUND]


def acts_of(answers: Sequence[Answer]) -> list[Act]:
    """Gather what people did to it, each once, the newest first."""
    acts = {act.id: act for each in answers for act in each.acts}
    return sorted(acts.values(), key=lambda act: (-act.at_ms, act.id))


def own_keys(text: str, policy: Policy) -> set[OffenderId]:
    """Name what an address is judged as in each jail, of IPv6 its /64: a ban of that is its own."""
    address, _, is_judged_as_one = asked_in(text, policy)
    if not is_judged_as_one:
        return set()
    return {OffenderId(name, policy.jail(name).key(address)) for name in (DEFAULT_JAIL, *policy.jails)}


def _story(answer: Answer, *, is_own: bool) -> JailStory:
    found = answer.found
    hits = hits_of(found)
    last = last_ban(found)
    used = set(last.evidence) if last else set()
    lately = hits[-HITS_SHOWN:]
    earlier = [_ban_line(each, is_running=False) for each in reversed(found.earlier)]
    running = _ban_line(found.ban, is_running=True) if found.ban else None
    return JailStory(
        jail=found.who.jail,
        key=found.who.key,
        is_of_network=not is_own,
        is_configured=answer.configured,
        standing=_standing(answer),
        because=because(found, answer.now_ms),
        running=running,
        windows=_windows(found) if found.status != Status.UNREADABLE else [],
        timeline=timeline_of(answer),
        hits=[_hit_line(each, is_used=each in used) for each in reversed(lately)],
        hits_left_out=len(hits) - len(lately),
        bans=[running, *earlier] if running else earlier,
        holders=answer.holders,
        unreadable=[str(each) for each in answer.unreadable],
    )


def _standing(answer: Answer) -> Standing:
    """Say how it stands in one word: of a running ban, how far that is enforced."""
    if answer.found.ban and answer.state is not None:
        word, tone = standing_of(answer.state)
        return Standing(f"banned, {word}", tone)
    return Standing(answer.found.status.replace("_", " "))


def _hit_line(hit: Hit, *, is_used: bool) -> HitLine:
    name, reporter = split_id(hit.id)
    return HitLine(hit.at_ms, note_of(hit.id), reporter, name, hit.weight, is_used)


def _ban_line(ban: Ban, *, is_running: bool) -> BanLine:
    backed = infractions(weight_of(ban.evidence)) if ban.evidence else ""
    where = f"in {', '.join(ban.blocklists)}" if is_elsewhere(ban) else "observed only" if ban.observed else ""
    return BanLine(
        ordinal(ban.count),
        ban.start_ms,
        ban.until_ms,
        extended_by(ban),
        origin_of(ban),
        backed,
        is_running,
        where,
    )


def _windows(found: Explanation) -> list[str]:
    """Write how full each window is, if it counts; what a running ban has used is not in it, and does not miss."""
    if found.exemption:
        return []
    if found.ban:
        return [f"{filled(each)}, counted since the ban" for each in found.counts]
    return [
        f"{filled(each)}, {each.missing} missing" if each.missing > 0 else filled(each) for each in found.counts
    ]
