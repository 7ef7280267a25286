"""Who may report, and how often."""

from __future__ import annotations

import hmac
from collections import OrderedDict
from typing import TYPE_CHECKING

from f2b_worker.domain.addresses import network_of_peer

if TYPE_CHECKING:
    from collections.abc import Sequence

_PEERS_MAX = 10_000


class Tokens:
    """The bearer tokens that open the shim; with none it is open to all."""

    def __init__(self, tokens: Sequence[str] = ()) -> None:
        self._tokens = [token.encode() for token in tokens]

    @property
    def needed(self) -> bool:
        """Whether a token has to be shown."""
        return bool(self._tokens)

    def open_with(self, header: bytes) -> bool:
        """Tell whether an `Authorization` header shows one of the tokens, in a time that tells nothing more."""
        scheme, _, shown = header.partition(b" ")
        fits = [hmac.compare_digest(shown.strip(), token) for token in self._tokens]
        return scheme.lower() == b"bearer" and any(fits)


class RateLimit:
    """A token bucket for each peer, for as many peers as fit the table.

    A peer that is pushed out begins with a full bucket again: those unheard of the longest go first, and theirs
    are full anyway unless there are more than *peers_max* within a second.

    Args:
        per_s: Requests a second; as many may come at once. 0 is no limit.
        peers_max: How many peers are remembered.
    """

    def __init__(self, per_s: float, peers_max: int = _PEERS_MAX) -> None:
        self._per_s = per_s
        self._burst = max(1.0, per_s)
        self._peers_max = peers_max
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # what is left, and when that was

    def wait_s(self, peer: str, now_s: float) -> float:
        """Take one request of *peer*: 0 if it may pass, or in how many seconds the next one may."""
        if not self._per_s:
            return 0.0
        peer = network_of_peer(peer)
        left, at_s = self._buckets.pop(peer, (self._burst, now_s))
        left = min(self._burst, left + (now_s - at_s) * self._per_s)
        passes = left >= 1
        self._buckets[peer] = (left - 1 if passes else left, now_s)
        if len(self._buckets) > self._peers_max:
            self._buckets.popitem(last=False)
        return 0.0 if passes else (1 - left) / self._per_s
