"""In which country an address is registered."""

from __future__ import annotations

from typing import Protocol


class Countries(Protocol):
    """What the five registries say of addresses; called by any number of threads."""

    def country_of(self, key: str) -> str | None:
        """Name the country in which an address key or network is registered, of a network its first address.

        Returns:
            Two letters of ISO 3166-1, `RU`; None if it is registered in none: it is private, reserved or free.
        """
        ...
