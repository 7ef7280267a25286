"""What the bans of other jails mean to a jail: they may lengthen its own (overalljails), or feed it (recidive)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.domain.judge.verdicts import Hit, OffenderId

if TYPE_CHECKING:
    from collections.abc import Iterable

    from f2b_worker.domain.jails import Jail, Policy
    from f2b_worker.domain.judge.verdicts import Ban


def counting_for(who: OffenderId, jail: Jail, standing: Iterable[tuple[OffenderId, Ban]]) -> tuple[Ban, ...]:
    """Choose the last bans of the same key in other jails that `bantime.overalljails` counts, too."""
    if not jail.overalljails:
        return ()
    return tuple(ban for other, ban in standing if other.jail != who.jail and _means_anything(ban, jail))


def feeds_any(who: OffenderId, policy: Policy) -> bool:
    """Tell whether a ban of *who* counts in a jail that is fed by the bans of the others."""
    return not policy.jail(who.jail).recidive and any(jail.recidive for jail in policy.jails.values())


def fed_by(who: OffenderId, bans: Iterable[Ban], policy: Policy) -> dict[OffenderId, list[Hit]]:
    """Turn bans of one offender into infractions in each jail that is fed by bans.

    The infraction is identified by jail and key and stands at the ban's start, so a ban that is fed again
    changes nothing. A jail that is fed feeds no other.
    """
    if not feeds_any(who, policy):
        return {}
    fed: dict[OffenderId, list[Hit]] = {}
    for jail in policy.jails.values():
        if jail.recidive:
            key = jail.key_over(who.key)
            hits = [Hit(ban.start_ms, f"{who.jail} {who.key}") for ban in bans if _means_anything(ban, jail)]
            if hits and not policy.ignores_key(jail, key):
                fed[OffenderId(jail.name, key)] = hits
    return fed


def _means_anything(ban: Ban, jail: Jail) -> bool:
    """A ban that was only observed must not bring about one that is enforced."""
    return jail.observed or not ban.observed
