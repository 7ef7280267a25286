"""The registries' own statistics, as the package of the extra [geo] has them: offline, for IPv4 and IPv6.

The data are the delegated statistics of the five registries, published by the NRO under CC BY 4.0. They say where
an address is registered, not where it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Callable

INSTALL = "f2b does not know countries here: install f2b-worker with its extra [geo]"


class RegisteredCountries:
    """What the registries say.

    Raises:
        StartError: If the extra is not installed.
    """

    def __init__(self) -> None:
        try:
            from iptocc import country_code  # noqa: PLC0415 - the extra may be missing
        except ImportError as error:
            raise StartError(INSTALL) from error
        self._country_code: Callable[[str], str | None] = country_code

    def country_of(self, key: str) -> str | None:
        """Name the country in which an address key or network is registered, of a network its first address."""
        return self._country_code(key.partition("/")[0])
