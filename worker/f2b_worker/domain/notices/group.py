"""Many events become one message: how many there were, the first of them, and where most came from."""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_network
from typing import TYPE_CHECKING

from f2b_worker.domain.addresses import is_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from f2b_worker.domain.notices.news import News

TOP = 5
"""So many networks and jails are named."""

COUNTED_MAX = 20_000
"""So many networks are counted apart: who comes from more of them is counted without a name."""

_AROUND = {4: 16, 6: 32}


class Group:
    """The events of one kind that wait to be told together.

    Args:
        most: So many are listed; of more the number is told, and where most came from.

    Attributes:
        count: How many there are.
        first: The first of them.
        jails: How many there are in each jail.
    """

    def __init__(self, most: int) -> None:
        self.count = 0
        self.first: list[News] = []
        self.jails: Counter[str] = Counter()
        self._networks: Counter[str] = Counter()
        self._most = most

    @property
    def is_listed(self) -> bool:
        """Whether each of them is told."""
        return self.count <= self._most

    def add(self, news: Iterable[News]) -> None:
        """Take in more."""
        for each in news:
            self.count += 1
            if len(self.first) < self._most:
                self.first.append(each)
            self.jails[each.who.jail] += 1
            network = network_around(each.who.key)
            if network in self._networks or len(self._networks) < COUNTED_MAX:
                self._networks[network] += 1

    def top_networks(self) -> Sequence[tuple[str, int]]:
        """Name the networks that most came from, if several came from one."""
        return [(name, number) for name, number in self._networks.most_common(TOP) if number > 1]

    def top_jails(self) -> Sequence[tuple[str, int]]:
        """Name the jails with the most."""
        return self.jails.most_common(TOP)


def network_around(key: str) -> str:
    """Name the network that addresses are counted by: a /16 of IPv4, a /32 of IPv6, as providers have them.

    A key that is none, as another writer may have stored it, is counted by itself.
    """
    if not is_key(key):
        return key
    network = ip_network(key)
    length = _AROUND[network.version]
    return str(network if network.prefixlen <= length else network.supernet(new_prefix=length))
