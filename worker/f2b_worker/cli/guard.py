"""Whom an operator may not ban by hand, and what is asked for before many are hit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.domain.acts.allowlist import counting
from f2b_worker.domain.addresses import display, span_of_network
from f2b_worker.domain.networks import NEVER_BANNED, Networks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from f2b_worker.config.jails_file import Jails
    from f2b_worker.domain.acts.allowlist import AllowEntry

WIDEST = {4: 16, 6: 32}
"""A network with a shorter prefix hits so many that somebody has to say yes."""


class Guard:
    """Says why a network is not banned.

    Args:
        jails: Their allowlist, and those whom the jail ignores.
        jail: The jail of the ban.
        entries: The allowlist of the ledger.
        yes: Whether somebody said that many may be hit.
        now_ms: When.
    """

    def __init__(self, jails: Jails, jail: str, entries: Iterable[AllowEntry], *, yes: bool, now_ms: int) -> None:
        self._jail = jails.policy.jail(jail)
        self._ignored = {each: Networks([each]) for each in self._jail.ignore.entries}
        self._allowed = {each.network: Networks([each.network]) for each in counting(entries, now_ms)}
        self._yes = yes

    def refusal(self, network: str) -> str | None:
        """Say in one line why a network is not banned; None if it may be."""
        prefix = int(network.rpartition("/")[2])
        if prefix == 0:
            return "that is everybody: WAF has no entry for it"
        own = next((each for each in NEVER_BANNED.entries if Networks([each]).touches(network)), None)
        if own and self._jail.own_ranges:
            return f"{own} is never banned"
        for found, whose in ((self._ignored, "ignoreip of the file"), (self._allowed, "the allowlist")):
            hit = next((each for each, networks in found.items() if networks.touches(network)), None)
            if hit:
                return f"{whose} has {display(hit)}"
        if prefix < WIDEST[span_of_network(network).family] and not self._yes:
            return f"wider than /{WIDEST[span_of_network(network).family]}: say --yes"
        return None
