"""Blocklists: named groups of IP sets that one WAF rule uses, and what is done with entries that are not ours."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
    """

    name: str
    ip_sets: tuple[str, ...]
    scope: Scope = Scope.REGIONAL
    foreign: Foreign = Foreign.KEEP
    collapse: Collapse | None = None
