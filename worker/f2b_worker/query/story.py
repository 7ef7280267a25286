"""Why an address is banned, or is not, in each jail: its whole story."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.domain.acts.allowlist import counting, with_entries
from f2b_worker.domain.addresses import family_of
from f2b_worker.domain.judge.enforcement import NotNoted, in_each, state_of
from f2b_worker.domain.judge.explanations import explain as explained
from f2b_worker.domain.judge.verdicts import UNREADABLE
from f2b_worker.domain.networks import Networks
from f2b_worker.process.opening import (
    chosen_blocklists,
    open_acts,
    open_ban_book,
    open_notebooks,
)
from f2b_worker.query.countries import countries_if_known
from f2b_worker.query.explanation import Answer, as_object
from f2b_worker.query.lookup import look_up
from f2b_worker.query.places import look_into, open_ip_sets, read_notes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from f2b_worker.config.jails_file import Jails
    from f2b_worker.config.operator import OperatorSettings
    from f2b_worker.domain.acts.act import Act
    from f2b_worker.domain.judge.enforcement import NotedPlace, Place, State
    from f2b_worker.errors import Unreadable
    from f2b_worker.ports import Countries
    from f2b_worker.query.following import Snapshot
    from f2b_worker.query.lookup import Asked, Known
    from f2b_worker.query.places import Places


@dataclass(frozen=True, slots=True)
class Story:
    """What is known of one address or network.

    Attributes:
        network: It, in canonical form.
        now_ms: The time that it speaks of.
        answers: One for each jail that knows it, and each ban around it; where nobody knows it, for every jail.
    """

    network: str
    now_ms: int
    answers: Sequence[Answer] = field(default_factory=list)


def story(
    settings: OperatorSettings,
    jails: Jails,
    asked: Asked,
    *,
    jail: str | None = None,
    seen: Snapshot | None = None,
) -> Story:
    """Tell why an address is banned, or is not.

    Args:
        settings: They say where ledger and IP sets are.
        jails: By which it is judged.
        asked: The address, or a network, as `asked_in` read it.
        jail: The one jail, if it is one.
        seen: What is known of IP sets, allowlist, and networks around it; None: WAF and ledger are asked.
    """
    unreadable: list[Unreadable] = []
    book = open_ban_book(settings, aside=unreadable.append)
    now_ms = SystemClock().now_ms()
    standing = seen.standing if seen else None
    known = look_up(book, jails.policy, asked, jail, unreadable, now_ms=now_ms, standing=standing)
    sight = _Sight(seen.places, seen.read) if seen else _look(settings, jails, unreadable)
    acts = open_acts(settings, aside=unreadable.append)
    entries = counting(seen.entries if seen else acts.allowlist(), now_ms)
    listed = Networks(each.network for each in entries)
    allowed = with_entries(jails.allowed, entries, now_ms)
    done = {key: tuple(acts.acts_on(key)) for key in {each.remembered.who.key for each in known}}
    answer = partial(_answer, jails, asked, sight, listed, allowed, countries_if_known(), now_ms)
    return Story(asked.network, now_ms, [answer(each, done[each.remembered.who.key]) for each in known])


class _Sight(NamedTuple):
    """What is known of the IP sets: by blocklist, and what each holds; None if there is none to look into."""

    by_blocklist: Mapping[str, Place] | Mapping[str, NotedPlace]
    read: Places | None


def _look(settings: OperatorSettings, jails: Jails, unreadable: list[Unreadable]) -> _Sight:
    """Ask WAF."""
    blocklists = chosen_blocklists(jails, settings)
    if not blocklists:
        return _Sight({}, None)
    notes = read_notes(open_notebooks(settings, aside=unreadable.append, writing=False))
    places = look_into(open_ip_sets(blocklists), blocklists, notes)
    return _Sight(places.by_blocklist, places)


def story_object(text: str, found: Story) -> dict[str, Any]:
    """Return a story as a JSON object; *text* is the address as somebody wrote it."""
    return {"ip": text, "jails": [as_object(each) for each in found.answers]}


def _answer(  # noqa: PLR0913, PLR0917
    jails: Jails,
    asked: Asked,
    sight: _Sight,
    listed: Networks,
    allowed: Networks,
    countries: Countries | None,
    now_ms: int,
    known: Known,
    acts: tuple[Act, ...],
) -> Answer:
    who = known.remembered.who
    found = explained(
        known.remembered,
        jails.policy.jail(who.jail),
        asked.address,
        allowed=jails.allowed,
        now_ms=now_ms,
        listed=listed,
    )
    ban = UNREADABLE if known.is_ban_unreadable else found.ban
    state: State | None = None
    states: Mapping[str, State] = {}
    with suppress(NotNoted):  # then nobody knows it just now
        state = state_of(who.key, ban, sight.by_blocklist, allowed) if ban else None
        states = in_each(who.key, ban, sight.by_blocklist, allowed) if ban and sight.by_blocklist else {}
    return Answer(
        found,
        jails.policy.knows(who.jail),
        sight.read.holders(who.key, family_of(who.key)) if sight.read else None,
        now_ms,
        state,
        states,
        known.unreadable,
        acts,
        countries.country_of(who.key) if countries else None,
    )
