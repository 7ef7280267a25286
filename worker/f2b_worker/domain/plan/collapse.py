"""Banned neighbours are written as the one network around them, never for a moment as neither."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from f2b_worker.domain.addresses import judged_network_of, network_of
from f2b_worker.domain.plan.members import Members

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from f2b_worker.domain.blocklists import Collapse
    from f2b_worker.domain.networks import Networks


class _Phase(Enum):
    """What of a network is wanted: its members, itself, or for a while both, so that there is no gap."""

    PARTED = auto()
    RISING = auto()
    COLLAPSED = auto()
    FALLING = auto()


@dataclass(slots=True, kw_only=True)
class _Network(Members):
    phase: _Phase = _Phase.PARTED
    is_spared: bool = False


class Collapser:
    """Turns the wanted keys of one blocklist into the entries that its IP sets should hold.

    Args:
        collapse: How many neighbours in how small a network.
        allowed: A network that touches the allowlist is never written.
        apart: Nor is one that touches an address which some jail ignores, or which is never banned.
        holds: Tells whether a set holds an entry.
        is_settled: Tells whether an entry is held, or will not be.
    """

    def __init__(
        self,
        collapse: Collapse,
        allowed: Networks,
        apart: Networks,
        *,
        holds: Callable[[str], bool],
        is_settled: Callable[[str], bool],
    ) -> None:
        self._changes: dict[str, int | None] = {}
        self._at_least = collapse.at_least
        self._ipv4_prefix, self._ipv6_prefix = collapse.ipv4_prefix, collapse.ipv6_prefix
        self._ipv4_ending, self._ipv6_ending = f"/{collapse.ipv4_prefix}", f"/{collapse.ipv6_prefix}"
        self._allowed = allowed
        self._apart = apart
        self._holds = holds
        self._is_settled = is_settled
        self._networks: dict[str, _Network] = {}
        self._moving: set[str] = set()
        self._direct: dict[str, int] = {}

    def network(self, key: str) -> str | None:
        """Name the network that *key* would collapse into; None if it is no smaller itself, or has no neighbours.

        Where a /64 is not one customer, those beside it have nothing to do with it.
        """
        name = judged_network_of(key, ipv4_prefix=self._ipv4_prefix, ipv6_prefix=self._ipv6_prefix)
        return name if name and self.is_network(name) else None

    def crowded(self, keys: Iterable[str]) -> set[str]:
        """Find the networks in which enough of *keys* lie."""
        counted = Counter(self._network_or_none(key) for key in keys)
        return {name for name, number in counted.items() if name and number >= self._at_least}

    def _network_or_none(self, key: str) -> str | None:
        try:
            # Also what no longer collapses: an older worker may have written it, and it is not somebody else's.
            return network_of(key, ipv4_prefix=self._ipv4_prefix, ipv6_prefix=self._ipv6_prefix)
        except ValueError:
            return None  # no key at all; the roster names it

    def is_network(self, entry: str) -> bool:
        """Tell whether *entry* is as large as a network that keys collapse into."""
        return entry.endswith(self._ipv6_ending if ":" in entry else self._ipv4_ending)

    def wants(self, key: str) -> bool:
        """Tell whether *key* is wanted, be it as itself or in the network around it."""
        name = self.network(key)
        found = self._networks.get(name) if name else None
        return bool(found and key in found.members)

    def is_collapsed(self, network: str) -> bool:
        """Tell whether *network* is wanted on behalf of the keys in it."""
        found = self._networks.get(network)
        return bool(found and found.phase is not _Phase.PARTED)

    def newest_in(self, network: str) -> str | None:
        """Name the member of a network that came last; None if it has none."""
        found = self._networks.get(network)
        return next(reversed(found.members), None) if found else None

    def covers(self, key: str) -> bool:
        """Tell whether a set holds the network around *key* on behalf of it."""
        name = self.network(key)
        found = self._networks.get(name) if name else None
        return bool(found and name and found.phase is not _Phase.PARTED and self._holds(name))

    def put(self, key: str, until_ms: int) -> None:
        """Want *key* until then."""
        name = self.network(key)
        if name is None:
            self._direct[key] = until_ms
            self._write(key)
            return
        found = self._networks.get(name)
        if found is None:
            found = self._networks[name] = _Network(is_spared=self._is_spared(name))
        found.put(key, until_ms)
        self._show(name, found, key)

    def drop(self, key: str) -> None:
        """Want *key* no longer."""
        name = self.network(key)
        if name is None:
            self._direct.pop(key, None)
            self._write(key)
            return
        found = self._networks.get(name)
        if found is None or key not in found.members:
            return
        found.drop(key)
        self._show(name, found, key)

    def allow(self, allowed: Networks, apart: Networks) -> None:
        """Use other lists of who is spared."""
        self._allowed, self._apart = allowed, apart
        for name, found in self._networks.items():
            found.is_spared = self._is_spared(name)
            # Somebody in it is spared now. It goes at once; its members are wanted by themselves again.
            if found.is_spared and found.phase is not _Phase.PARTED:
                self._turn(name, found, _Phase.PARTED)
            self._advance(name, found)

    def _is_spared(self, name: str) -> bool:
        return self._allowed.touches(name) or self._apart.touches(name)

    def take_changes(self) -> dict[str, int | None]:
        """Take the entries whose end changed since this was last asked; None: no longer wanted."""
        changes, self._changes = self._changes, {}
        return changes

    def settle(self) -> None:
        """Go on with the networks that wait until their members, or they themselves, are held."""
        for name in list(self._moving):
            self._advance(name, self._networks[name])

    def _show(self, name: str, found: _Network, key: str) -> None:
        self._write(key)
        self._write(name)
        self._advance(name, found)
        # Without members nobody is left to wait for.
        if not found.members:
            self._turn(name, found, _Phase.PARTED)
            del self._networks[name]

    def _advance(self, name: str, found: _Network) -> None:
        while (phase := self._next_phase(name, found)) is not found.phase:
            self._turn(name, found, phase)

    def _next_phase(self, name: str, found: _Network) -> _Phase:
        enough = len(found.members) >= self._at_least and not found.is_spared
        if found.phase is _Phase.PARTED:
            return _Phase.RISING if enough else _Phase.PARTED
        if enough:
            # The members stay in the sets until the network is held: nobody in it is let through in between.
            return _Phase.COLLAPSED if self._holds(name) else _Phase.RISING
        # And the other way round: the network stays until each member is held again, or cannot be.
        return _Phase.PARTED if all(map(self._is_settled, found.members)) else _Phase.FALLING

    def _turn(self, name: str, found: _Network, phase: _Phase) -> None:
        hidden = found.phase is _Phase.COLLAPSED
        found.phase = phase
        if phase in (_Phase.RISING, _Phase.FALLING):
            self._moving.add(name)
        else:
            self._moving.discard(name)
        self._write(name)
        if hidden is not (phase is _Phase.COLLAPSED):
            for key in found.members:
                self._write(key)

    def _write(self, entry: str) -> None:
        """Note until when an entry is wanted, be it as a key, as a network, or as both."""
        # One entry can be both: banned itself, as a range that somebody adopted, and the network of others.
        ends_ms = [self._direct.get(entry)]
        found = self._networks.get(entry)
        if found and found.phase is not _Phase.PARTED:
            ends_ms.append(found.until_ms)
        name = self.network(entry)
        around = self._networks.get(name) if name else None
        if around and around.phase is not _Phase.COLLAPSED:
            ends_ms.append(around.members.get(entry))
        self._changes[entry] = max((end_ms for end_ms in ends_ms if end_ms is not None), default=None)
