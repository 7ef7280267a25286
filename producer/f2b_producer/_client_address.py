"""Tells whose request it is, behind proxies that are trusted and others that are not.

Every proxy appends the address of its peer to X-Forwarded-For. So only the right end of that list was written by
who is trusted; what is left of it was sent by the client, who may write what it likes. The list is read from the
right, exactly as far as trust goes, and what stands further left never changes the answer.
"""

from __future__ import annotations

from f2b_producer._address import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from ipaddress import IPv4Network, IPv6Network

    Network = str | IPv4Network | IPv6Network

HOPS_MAX = 32  # also how many trusted proxies are passed over before the request is nobody's

HOW_TO_SET = (
    "say which proxies to trust: trusted_hops=0 if clients connect to this server itself, 1 behind one load"
    " balancer (an ALB), 2 behind two proxies (CloudFront, then an ALB); or trusted_proxies=[their networks]"
)


class ClientAddress:
    """Finds the client of a request.

    Args:
        trusted_hops: How many proxies of yours every request passes; 0 means that the peer is the client.
        trusted_proxies: Instead of that, the networks in which your proxies are.

    Raises:
        ValueError: If not exactly one of them is given, or it makes no sense.
    """

    def __init__(self, trusted_hops: int | None, trusted_proxies: Iterable[Network] | None) -> None:
        if (trusted_hops is None) == (trusted_proxies is None):
            raise ValueError(
                HOW_TO_SET if trusted_hops is None else "give trusted_hops or trusted_proxies, not both"
            )
        self.find: Callable[[str | None, str], str | None]
        if trusted_proxies is not None:
            self._is_trusted = _membership(trusted_proxies)
            self.find = self._beyond_trusted
            return
        if type(trusted_hops) is not int or not 0 <= trusted_hops <= HOPS_MAX:
            raise ValueError(f"trusted_hops must be a whole number from 0 to {HOPS_MAX}")
        self._hops = trusted_hops
        self.find = self._beyond_hops if trusted_hops else _peer

    def _beyond_hops(self, _peer: str | None, forwarded: str) -> str | None:
        entries = forwarded.rsplit(",", self._hops)
        if len(entries) < self._hops:
            return None  # it did not come by the way that was promised
        return plain(entries[-self._hops])

    def _beyond_trusted(self, peer: str | None, forwarded: str) -> str | None:
        entries = [*forwarded.rsplit(",", HOPS_MAX)[-HOPS_MAX:], peer or ""]
        while entries:
            address = plain(entries.pop())
            if address is None:
                return None  # a trusted proxy does not know either
            if not self._is_trusted(address):
                return address
        return None  # from one of the proxies itself: a health check, say


def _peer(peer: str | None, _forwarded: str) -> str | None:
    return plain(peer) if peer else None


def _membership(proxies: Iterable[Network]) -> Callable[[str], bool]:
    from functools import lru_cache  # noqa: PLC0415 - for those who name networks only
    from ipaddress import ip_address, ip_network  # noqa: PLC0415 - as above

    if isinstance(proxies, str):
        raise ValueError('trusted_proxies must be a list of networks, such as ["10.0.0.0/8"]')  # noqa: TRY004 - a setting
    try:
        networks = [ip_network(network.strip() if isinstance(network, str) else network) for network in proxies]
    except ValueError as error:
        raise ValueError(f"trusted_proxies: {error}") from None
    if not networks:
        raise ValueError("trusted_proxies is empty: set trusted_hops=0 if there is no proxy")
    if any(network.prefixlen == 0 for network in networks):
        raise ValueError("trusted_proxies holds the whole Internet: then everybody could write what they like")

    @lru_cache(maxsize=4_096)  # bounded: most of those that are asked for are clients, and attackers
    def is_trusted(address: str) -> bool:
        ip = ip_address(address)
        return any(ip in network for network in networks)

    return is_trusted
