"""Addresses and networks as people write them, in whatever spelling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.domain.addresses import (
    canonical,
    family_of,
    key_of,
    networks_between,
    parse_address,
    span_of_network,
)

if TYPE_CHECKING:
    from f2b_worker.domain.addresses import Address


def network_in(text: str) -> str:
    """Read an address or a network, in any spelling, into its canonical form.

    A network of addresses that are another way to write IPv4, `::ffff:203.0.113.0/120`, is that of IPv4.

    Raises:
        ValueError: If it is neither.
    """
    found = address_in(text)
    if found:
        return key_of(found, ipv6_prefix=128)
    network = canonical(text.strip())
    span = span_of_network(network)
    return network if span.family == family_of(network) else next(networks_between(span))


def address_in(text: str) -> Address | None:
    """Read an address, in any spelling; None where the text is a network.

    Raises:
        ValueError: If it is neither.
    """
    text = text.strip()
    _, slash, prefix = text.partition("/")
    if slash and prefix:
        canonical(text)
        return None
    return parse_address(text)
