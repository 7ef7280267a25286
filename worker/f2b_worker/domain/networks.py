"""Sets of networks that answer quickly whom they cover, and the one of those who are never banned."""

from __future__ import annotations

from bisect import bisect_right
from socket import AF_INET, inet_pton
from typing import TYPE_CHECKING

from f2b_worker.domain.addresses import (
    Address,
    Span,
    family_of,
    is_one_customer,
    networks_between,
    span_of_network,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_NAT64 = 0x0064_FF9B << 96
_6TO4 = 0x2002 << 112
_6TO4_SITE_BITS = 80  # what follows the IPv4 address


class Networks:
    """A set of networks that answers quickly whether it covers an address or touches a network.

    An IPv4 network stands also for what is the same customer in IPv6: its addresses behind NAT64, its 6to4 sites.

    Args:
        entries: Addresses or CIDRs as text; host bits are forgiven, as fail2ban forgives them.

    Raises:
        ValueError: If an entry is neither.
    """

    def __init__(self, entries: Iterable[str] = ()) -> None:
        self.entries = tuple(entries)
        spans: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
        for entry in self.entries:
            family, low, high = span_of_network(entry)
            spans[family].append((low, high))
            if family == 4:
                spans[6] += _in_ipv6(low, high)
        merged = {family: _merged(found) for family, found in spans.items()}
        self._lows = {family: [low for low, _ in found] for family, found in merged.items()}
        self._highs = {family: [high for _, high in found] for family, found in merged.items()}

    def covers(self, address: Address) -> bool:
        """Tell whether *address* lies in one of the networks."""
        return self.meets(Span(address.family, address.value, address.value))

    def touches(self, key: str) -> bool:
        """Tell whether any address of the network *key* lies in one of the networks."""
        # What nearly all keys are, in a third of the time.
        if key.endswith("/32") and ":" not in key:
            try:
                value = int.from_bytes(inet_pton(AF_INET, key[:-3]))
            except (OSError, ValueError):
                return self.meets(span_of_network(key))
            place = bisect_right(self._lows[4], value)
            return place > 0 and self._highs[4][place - 1] >= value
        return self.meets(span_of_network(key))

    def meets(self, span: Span) -> bool:
        """Tell whether any address of *span* lies in one of the networks."""
        place = bisect_right(self._lows[span.family], span.high)
        return place > 0 and self._highs[span.family][place - 1] >= span.low

    def rest_of(self, key: str) -> tuple[str, ...]:
        """Name what is left of the network *key* without these: the fewest networks, in canonical form, in order.

        Of what one customer has nothing is left, however little of it lies in these.
        """
        if not self.touches(key):
            return (key,)
        span = span_of_network(key)
        # Another way to write IPv4 is no entry of either family that could be parted.
        if is_one_customer(key) or span.family != family_of(key):
            return ()
        return tuple(each for gap in self._gaps(span) for each in networks_between(gap))

    def _gaps(self, span: Span) -> Iterator[Span]:
        """Find the spans of addresses in *span* that lie in none of the networks."""
        family, low, high = span
        lows, highs = self._lows[family], self._highs[family]
        for place in range(bisect_right(highs, low - 1), bisect_right(lows, high)):
            if low < lows[place]:
                yield Span(family, low, lows[place] - 1)
            low = highs[place] + 1
        if low <= high:
            yield Span(family, low, high)


def _in_ipv6(low: int, high: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Find the NAT64 addresses (RFC 6052, 2.1) and the 6to4 sites (RFC 3056, 2) of a span of IPv4 addresses."""
    sites = _6TO4 | low << _6TO4_SITE_BITS, _6TO4 | (high + 1 << _6TO4_SITE_BITS) - 1
    return (_NAT64 | low, _NAT64 | high), sites


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(spans):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return merged


# Addresses that no packet from the internet carries, or that many of our own hosts share. The documentation
# ranges (192.0.2.0/24, 2001:db8::/32 …) are left out: nobody is hurt by their ban, and whoever tries the software
# uses them and would see nothing. docs/verdicts.md has the list.
NEVER_BANNED = Networks(
    [
        "0.0.0.0/8",  # unspecified
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # IETF protocol assignments (RFC 6890)
        "192.88.99.0/24",  # the 6to4 relays, which all share it (RFC 7526)
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks (RFC 2544)
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved and broadcast
        "::/127",  # unspecified and loopback
        "100::/64",  # discarded (RFC 6666)
        "2001:2::/48",  # benchmarks (RFC 5180)
        "fc00::/7",  # private
        "fe80::/10",  # link-local
        "fec0::/10",  # site-local, private before fc00::/7 was (RFC 3879)
        "ff00::/8",  # multicast
    ]
)
