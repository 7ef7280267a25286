"""Which bans somebody looks for on a page: what he typed, and what he chose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from f2b_worker.domain.addresses import is_within, span_of_network
from f2b_worker.query.reading import network_in
from f2b_worker.query.selection import Selection, span_of_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from f2b_worker.ports import StandingBan


@dataclass(frozen=True, slots=True)
class Search:
    """Words as they were typed; an empty one asks for nothing.

    Attributes:
        q: An address or a network: bans inside it and around it; else a part of a jail's name, or the beginning of
            an address.
        note: A part of the note of one of the ban's infractions.
        jail: Of this jail only.
        by: Only those that this origin has; see `ORIGINS`.
        country: Only those that are registered there, in two letters.
        state: Only those that are enforced so far; see `State`.
    """

    q: str = ""
    note: str = ""
    jail: str = ""
    by: str = ""
    country: str = ""
    state: str = ""

    @property
    def selection(self) -> Selection:
        """What of it a command could ask for, too."""
        country = (self.country.strip().upper(),) if self.country.strip() else ()
        return Selection(jail=self.jail.strip() or None, by=self.by.strip() or None, country=country)

    @property
    def is_of_a_network(self) -> bool:
        """Whether `q` is an address or a network."""
        return _network(self.q) is not None

    @property
    def remark(self) -> str:
        """Say what was typed that can be nothing; empty if all is well."""
        q = self.q.strip()
        return f"{q!r} is no network: write 203.0.113.0/24" if "/" in q and not self.is_of_a_network else ""

    def is_asked_for(self) -> Callable[[StandingBan], bool]:
        """Make what tells of a ban whether `q` asks for it."""
        typed = self.q.strip().casefold()
        if not typed:
            return lambda _: True
        network = _network(typed)
        if network is None:
            return lambda each: typed in each.who.jail.casefold() or each.who.key.startswith(typed)
        asked = span_of_network(network)

        def meets(each: StandingBan) -> bool:
            span = span_of_key(each.who.key)
            # Whatever stands in the place of a key: somebody has to see it.
            return span is None or is_within(span, asked) or is_within(asked, span)

        return meets


def _network(text: str) -> str | None:
    try:
        return network_in(text)
    except ValueError:
        return None
