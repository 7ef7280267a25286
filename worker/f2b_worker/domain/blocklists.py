"""Blocklists: named groups of IP sets that one WAF rule uses, and what is done with entries that are not ours."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

SET_CAPACITY = 10_000
"""How many entries WAF lets one IP set have; not raisable."""

_NUMBER = "-([2-9]|[1-9][0-9]+)"


class Scope(StrEnum):
    """What a web ACL of these IP sets protects; CLOUDFRONT is always reached in us-east-1."""

    REGIONAL = "REGIONAL"
    CLOUDFRONT = "CLOUDFRONT"


class Foreign(StrEnum):
    """What becomes of entries that somebody else put into our IP sets.

    They stay (keep), are given a normal ban and go when it ends (adopt), or are taken out (remove).
    """

    KEEP = "keep"
    ADOPT = "adopt"
    REMOVE = "remove"


class Action(StrEnum):
    """What a rule does with the requests of a blocklist's addresses."""

    BLOCK = "block"
    CAPTCHA = "captcha"
    CHALLENGE = "challenge"
    COUNT = "count"


def usual_action(name: str) -> Action:
    """Find the action of a blocklist that does not say: a name that is an action's means it, others block."""
    return Action(name) if name in set(Action) else Action.BLOCK


@dataclass(frozen=True, slots=True)
class Collapse:
    """Banned neighbours, at least *at_least* of them, are written as the one network around them.

    Attributes:
        ipv4_prefix: How long the prefix of that network is.
        ipv6_prefix: The same for IPv6.
    """

    at_least: int
    ipv4_prefix: int = 24
    ipv6_prefix: int = 48


@dataclass(frozen=True, slots=True)
class Blocklist:
    """One named group of IP sets.

    Attributes:
        name: The name by which jails refer to it.
        ip_sets: Names of IP sets; each stands for all sets that are numbered after it.
        action: What the rule does that `provision --rule-group` makes; a rule of the user's own does what it does.
    """

    name: str
    ip_sets: tuple[str, ...]
    scope: Scope = Scope.REGIONAL
    foreign: Foreign = Foreign.KEEP
    collapse: Collapse | None = None
    action: Action = Action.BLOCK


def family_names(name: str) -> list[str]:
    """Name the two sets, IPv4 first, that *name* stands for where no set has that very name."""
    return [f"{name}-ipv4", f"{name}-ipv6"]


def numbered(base: str, number: int) -> str:
    """Name the *number*-th set of *base*: the first has no number."""
    return base if number == 1 else f"{base}-{number}"


def bases_named(name: str, existing: Collection[str]) -> list[str]:
    """Find what is numbered for *name*: a set of that very name, or else NAME-ipv4 and NAME-ipv6."""
    numbers = _numbers_of(name, existing)
    families = family_names(name)
    if name in numbers:
        return [name]
    # NAME-2 without NAME: somebody deleted the first.
    return families if any(_numbers_of(each, existing) for each in families) or not numbers else [name]


def ip_sets_named(name: str, existing: Collection[str]) -> list[str]:
    """Find the IP sets among *existing* that *name* stands for, in the order of their numbers.

    Each base is followed by BASE-2, BASE-3 …, of which some may be missing.
    """
    return [each for base in bases_named(name, existing) for each in _numbers_of(base, existing)]


def ip_sets_of(blocklist: Blocklist, existing: Collection[str]) -> list[str]:
    """Find the IP sets among *existing* that belong to a blocklist, each once."""
    return list(dict.fromkeys(each for name in blocklist.ip_sets for each in ip_sets_named(name, existing)))


def sets_after(names: Sequence[str]) -> list[int]:
    """Tell of each IP set how many of its base come after it; the names are in the order of their numbers."""
    left = Counter(map(_base_of, names))
    after = []
    for base in map(_base_of, names):
        left[base] -= 1
        after.append(left[base])
    return after


def ip_sets_needed(base: str, existing: Collection[str], number: int) -> list[str]:
    """Name the sets of *base* that make *number* of them: all that exist, and the lowest numbers that are free."""
    there = _numbers_of(base, existing)
    free = (each for each in (numbered(base, n) for n in range(1, number + 1)) if each not in there)
    added = [each for each, _ in zip(free, range(number - len(there)), strict=False)]
    return _numbers_of(base, [*there, *added])


def _base_of(name: str) -> str:
    return re.sub(f"{_NUMBER}$", "", name)


def _numbers_of(base: str, existing: Collection[str]) -> list[str]:
    form = re.compile(rf"{re.escape(base)}(?:{_NUMBER})?")
    matches = [match for each in existing if (match := form.fullmatch(each))]
    return [match.string for match in sorted(matches, key=lambda match: int(match[1] or 1))]
