"""Registries in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.domain.addresses import span_of_network

if TYPE_CHECKING:
    from collections.abc import Mapping


class MemoryCountries:
    """The twin of `adapters.countries`.

    Args:
        registered: The country of each network.
    """

    def __init__(self, registered: Mapping[str, str]) -> None:
        self._registered = [(span_of_network(network), country) for network, country in registered.items()]

    def country_of(self, key: str) -> str | None:
        """Name the country in which an address key or network is registered, of a network its first address."""
        asked = span_of_network(key)
        for span, country in self._registered:
            if span.family == asked.family and span.low <= asked.low <= span.high:
                return country
        return None
