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
        self._allowed = Networks(each.network for each in counting(entries, now_ms))
        self._yes = yes

    def refusal(self, network: str) -> str | None:
        """Say in one line why a network is not banned; None if it may be."""
        prefix = int(network.rpartition("/")[2])
        if prefix == 0:
            return "that is everybody: WAF has no entry for it"
        if self._jail.own_ranges and NEVER_BANNED.touches(network):
            return f"{_hit(NEVER_BANNED, network)} is never banned"
        for found, whose in ((self._jail.ignore, "ignoreip of the file"), (self._allowed, "the allowlist")):
            if found.touches(network):
                return f"{whose} has {display(_hit(found, network))}"
        return None if self._yes else too_wide(network)


def too_wide(network: str) -> str | None:
    """Say that a network holds so many that somebody has to say yes; None if it does not."""
    widest = WIDEST[span_of_network(network).family]
    return f"wider than /{widest}: say --yes" if int(network.rpartition("/")[2]) < widest else None


def _hit(networks: Networks, network: str) -> str:
    return next(each for each in networks.entries if Networks([each]).touches(network))
