"""Bans as other programs read them: web servers, firewalls, routers."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from f2b_worker.domain.addresses import display, family_of, span_of_network
from f2b_worker.domain.jails import FOREVER_MS, SECOND_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from f2b_worker.domain.addresses import Span

IPSET_TIMEOUT_MAX_S = 2_147_483
"""Linux counts the timeout of an ipset in milliseconds of 32 bits (ipset(8))."""

NAME = "f2b"


@dataclass(frozen=True, slots=True)
class Entry:
    """A banned network.

    Attributes:
        network: In canonical form.
        left_ms: How long its ban lasts; `FOREVER_MS` for ever.
    """

    network: str
    left_ms: int

    @property
    def left_s(self) -> int | None:
        """In whole seconds, one at least; None for ever."""
        return None if self.left_ms >= FOREVER_MS else max(1, self.left_ms // SECOND_MS)


def aggregated(entries: Iterable[Entry]) -> list[Entry]:
    """Name the fewest networks that hold the same addresses; their ends are lost."""
    networks = [ipaddress.ip_network(each.network) for each in entries]
    merged: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
    merged += ipaddress.collapse_addresses(each for each in networks if isinstance(each, ipaddress.IPv4Network))
    merged += ipaddress.collapse_addresses(each for each in networks if isinstance(each, ipaddress.IPv6Network))
    return [Entry(str(each), FOREVER_MS) for each in merged]


def disjoint(entries: Iterable[Entry]) -> list[Entry]:
    """Leave out what lies inside another entry: interval sets take no overlaps. The larger network stands."""
    found: list[Entry] = []
    last: Span | None = None
    for entry in sorted(entries, key=lambda each: _wide_first(span_of_network(each.network))):
        span = span_of_network(entry.network)
        if last is None or span.family != last.family or span.low > last.high:
            found.append(entry)
            last = span
    return found


def _wide_first(span: Span) -> tuple[int, int, int]:
    return span.family, span.low, -span.high


def _plain(entries: Sequence[Entry]) -> Iterator[str]:
    return (display(each.network) for each in entries)


def _cidr(entries: Sequence[Entry]) -> Iterator[str]:
    return (each.network for each in entries)


def _nginx(entries: Sequence[Entry]) -> Iterator[str]:
    return (f"deny {each.network};" for each in entries)


def _nft(entries: Sequence[Entry]) -> Iterator[str]:
    """Write what `nft -f` takes: two interval sets with timeouts, replaced at once."""
    yield f"add table inet {NAME}"
    whole = disjoint(entries)
    for family, kind in ((4, "ipv4_addr"), (6, "ipv6_addr")):
        banned = f"inet {NAME} banned{family}"
        yield f"add set {banned} {{ type {kind}; flags interval, timeout; }}"
        yield f"flush set {banned}"
        elements = [_element(each) for each in whole if family_of(each.network) == family]
        if elements:
            yield f"add element {banned} {{ {', '.join(elements)} }}"


def _element(entry: Entry) -> str:
    return entry.network if entry.left_s is None else f"{entry.network} timeout {entry.left_s}s"


def _ipset(entries: Sequence[Entry]) -> Iterator[str]:
    """Write what `ipset restore` takes."""
    for family, kind in ((4, "inet"), (6, "inet6")):
        name = f"{NAME}{family}"
        yield f"create {name} hash:net family {kind} timeout 0 maxelem 1048576 -exist"
        yield f"flush {name}"
        for each in entries:
            if family_of(each.network) == family:
                left_s = 0 if each.left_s is None else min(each.left_s, IPSET_TIMEOUT_MAX_S)
                yield f"add {name} {each.network} timeout {left_s} -exist"


def _mikrotik(entries: Sequence[Entry]) -> Iterator[str]:
    """Write what RouterOS imports."""
    for each in entries:
        road = "ip" if family_of(each.network) == 4 else "ipv6"
        timeout = "" if each.left_s is None else f" timeout={each.left_s}s"
        yield f"/{road} firewall address-list add list={NAME} address={each.network}{timeout}"


WRITERS: Mapping[str, Callable[[Sequence[Entry]], Iterator[str]]] = {
    "plain": _plain,
    "cidr": _cidr,
    "nginx": _nginx,
    "haproxy": _cidr,
    "nft": _nft,
    "ipset": _ipset,
    "mikrotik": _mikrotik,
}
"""How each format is written; haproxy's is a file for `-f` of an ACL."""

WITH_ENDS = frozenset({"nft", "ipset", "mikrotik"})
"""The formats that say when a ban ends."""
