"""Jails: what is forgiven, and for how long somebody is banned."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING

from f2b_worker.domain.addresses import (
    Address,
    ipv6_prefix_of,
    judged_network_of,
    key_of,
    span_of,
    span_of_network,
)
from f2b_worker.domain.networks import NEVER_BANNED, Networks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from f2b_worker.domain.addresses import Span

SECOND_MS = 1000
MINUTE_MS = 60 * SECOND_MS
DAY_MS = 24 * 60 * MINUTE_MS

FOREVER_MS = 253_402_300_800_000
"""The year 10000: the end of a ban that has none, and a length that reaches it."""

JAIL_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""What names a jail; nothing that means something in a URL, a log line or a key of the ledger."""

JAIL_NAME_RULE = "1-64 of A-Z a-z 0-9 . _ -"

OWN_RANGE = "own_range"
"""Why infractions of private, loopback and similar addresses do not count."""

ALLOWLISTED = "allowlist"
"""Why infractions of those do not count whom somebody put onto the allowlist while workers run."""

NOTED_RETRIES_MAX = 20
"""Of a jail that bans for more, no notes are kept: a write of an item with hundreds would cost several units."""

UNUSED_MAX = 1000
"""So many unused infractions of one address are kept at most, and so many of one batch are stored.

A ban's evidence may be 1,000 more. So an item of the ledger stays under 100 KB, at 31 to 35 bytes each, and 12
more with who reported it. To write a large one costs as many units as it has KB, however little changes.
"""

DEFAULT_JAIL = "default"
DEFAULT_BLOCKLIST = "block"


@dataclass(frozen=True, slots=True)
class Window:
    """So many infractions (*maxretry*) within so long (*findtime_ms*) are too many."""

    maxretry: int = 5
    findtime_ms: int = 10 * MINUTE_MS


@dataclass(frozen=True)
class Jail:
    """A named policy, in fail2ban's words and with its defaults; all times in milliseconds.

    Attributes:
        windows: Any of them bans, so one jail catches the fast and the slow attacker.
        bantime_ms: The first ban's length; `FOREVER_MS` for a ban without an end.
        increment: Whether a repeat offender is banned for longer each time; the fields below need it.
        multipliers: The n-th ban is the n-th multiple of bantime; empty for doubling.
        maxtime_ms: The longest ban before *rndtime_ms* is added; None for no cap.
        rndtime_ms: Up to so much is added to each ban, so that nobody can wait for its end to the second.
        forget_ms: How long after its end a ban still counts (fail2ban's dbpurgeage); None for ever.
        overalljails: Whether the bans of other jails count, too: the next ban is one more than the most of any.
        ignore: Who is never banned in this jail.
        observed: Whether its bans are judged and recorded, and never enforced.
        own_ranges: Whether private, loopback and similar addresses may never be banned.
        blocklists: Where its bans are enforced: names of groups of IP sets.
        escalation: From the n-th ban on other blocklists, in the order of n.
        recidive: Whether each ban of another jail counts here as an infraction.
    """

    name: str = DEFAULT_JAIL
    windows: tuple[Window, ...] = (Window(),)
    bantime_ms: int = 10 * MINUTE_MS
    increment: bool = False
    factor: float = 1.0
    multipliers: tuple[float, ...] = ()
    maxtime_ms: int | None = None
    rndtime_ms: int = 0
    forget_ms: int | None = DAY_MS
    overalljails: bool = False
    ignore: Networks = field(default_factory=Networks)
    observed: bool = False
    own_ranges: bool = True
    ipv4_prefix: int = 32
    ipv6_prefix: int = 64
    blocklists: tuple[str, ...] = (DEFAULT_BLOCKLIST,)
    escalation: tuple[tuple[int, tuple[str, ...]], ...] = ()
    recidive: bool = False

    @cached_property
    def hits_kept(self) -> int:
        """How many unused infractions of one address the ledger keeps in any case.

        Twice the largest maxretry, so that a late infraction still finds those around it, and at least
        32, which a DynamoDB item holds within the 1 KB of one write unit. Never more than `UNUSED_MAX`.
        """
        return max(32, min(UNUSED_MAX, 2 * max(window.maxretry for window in self.windows)))

    @cached_property
    def keeps_notes(self) -> bool:
        """Whether the ledger keeps the notes of infractions: where so few make a ban that people read them."""
        return max(window.maxretry for window in self.windows) <= NOTED_RETRIES_MAX

    @cached_property
    def maxretry_least(self) -> int:
        """So many infractions, each of which counts once, are a ban at least."""
        return min(window.maxretry for window in self.windows)

    def prefix_of(self, address: Address) -> int:
        """Tell how many bits of *address* name what this jail judges as one."""
        return self.ipv4_prefix if address.family == 4 else ipv6_prefix_of(address.value, self.ipv6_prefix)

    def key(self, address: Address) -> str:
        """Name the network that this jail judges as one."""
        return key_of(address, ipv4_prefix=self.ipv4_prefix, ipv6_prefix=self.ipv6_prefix)

    def key_over(self, key: str) -> str:
        """Name the network that this jail judges as one around *key*, which another jail may have judged wider."""
        return judged_network_of(key, ipv4_prefix=self.ipv4_prefix, ipv6_prefix=self.ipv6_prefix) or key

    def ignores(self, address: Address) -> str | None:
        """Say why *address* is never banned here, or None if it may be.

        All that is judged as one counts: a ban of an IPv6 /64 would hit an allowlisted address inside it.
        """
        return self._ignores(span_of(address, self.prefix_of(address)))

    def ignores_key(self, key: str) -> str | None:
        """Say the same of a whole network."""
        return self._ignores(span_of_network(key))

    def _ignores(self, span: Span) -> str | None:
        if self.own_ranges and NEVER_BANNED.meets(span):
            return OWN_RANGE
        if self.ignore.meets(span):
            return "ignoreip"
        return None

    def blocklists_of(self, count: int) -> tuple[str, ...]:
        """Say where the *count*-th ban is enforced."""
        reached = [blocklists for from_count, blocklists in self.escalation if count >= from_count]
        return reached[-1] if reached else self.blocklists

    def ban_length_ms(self, count: int, *, seed: str) -> int:
        """Work out how long the *count*-th ban lasts.

        The random part follows from *seed* alone: every worker that judges the same ban finds the same
        length, and a repeated infraction cannot change it.
        """
        if self.bantime_ms >= FOREVER_MS or not self.increment:
            return self.bantime_ms
        length = self.bantime_ms
        if count > 1:
            length = round(min(FOREVER_MS, self.bantime_ms * self.factor * self._multiple(count)))
        if self.maxtime_ms is not None:
            length = min(length, self.maxtime_ms)
        return min(FOREVER_MS, length + self._random_ms(seed))

    def _multiple(self, count: int) -> float:
        if self.multipliers:
            return self.multipliers[min(count, len(self.multipliers)) - 1]
        return float(2 ** min(count - 1, 40))  # past 2^40 every bantime is for ever

    def _random_ms(self, seed: str) -> int:
        if not self.rndtime_ms:
            return 0
        digest = blake2b(f"{self.name}|{seed}".encode(), digest_size=8).digest()
        return int.from_bytes(digest) % (self.rndtime_ms + 1)


@dataclass(frozen=True, slots=True)
class Policy:
    """All jails; a jail that nobody configured is judged by the defaults.

    Attributes:
        allowed: Who is never banned in any of them, beside those of each jail.
    """

    defaults: Jail = field(default_factory=Jail)
    jails: Mapping[str, Jail] = field(default_factory=dict)
    allowed: Networks = field(default_factory=Networks)

    def knows(self, name: str) -> bool:
        """Tell whether *name* was configured; the default jail always is."""
        return name == DEFAULT_JAIL or name in self.jails

    @property
    def jails_touch_each_other(self) -> bool:
        """Whether a ban in one jail may mean anything in another."""
        return any(jail.overalljails or jail.recidive for jail in (self.defaults, *self.jails.values()))

    def jail(self, name: str) -> Jail:
        """Find the jail to judge *name* by."""
        return self.jails.get(name, self.defaults)

    def ignores(self, jail: Jail, address: Address) -> str | None:
        """Say why *address* is never banned in one of the jails, or None if it may be; see `Jail.ignores`."""
        reason = jail.ignores(address)
        if reason or not self.allowed.entries:
            return reason
        return self._spares(span_of(address, jail.prefix_of(address)))

    def ignores_key(self, jail: Jail, key: str) -> str | None:
        """Say the same of a whole network."""
        return jail.ignores_key(key) or self._spares(span_of_network(key))

    def _spares(self, span: Span) -> str | None:
        return ALLOWLISTED if self.allowed.meets(span) else None
