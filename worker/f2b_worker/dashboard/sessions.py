"""Who is logged in: tokens, the session that a cookie carries, and how long who shows wrong tokens waits.

A cookie does not hold the token. It holds a name, an end and a signature that only the token's holder can have had
made: so a session outlives a restart, is good at each worker with the same token, and is over once the token is
taken out. A random number kept in memory would be none of these.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from hashlib import sha256
from typing import TYPE_CHECKING

from f2b_worker.dashboard.asked import Visitor
from f2b_worker.domain.addresses import network_of_peer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from f2b_worker.ports import Clock

LASTS_S = 12 * 3600
"""A session ends after a shift."""

REMEMBERED_MAX = 10_000
FREE_TRIES = 3
WAIT_MAX_S = 10.0
FORGETS_AFTER_S = 900.0

_PURPOSE = b"f2b dashboard session 1"


class Sessions:
    """Opens sessions for tokens, and knows whose they are.

    Args:
        tokens: Each with the name that the audit shows; with none nobody can log in.
        clock: Says when a session is over.
    """

    def __init__(self, tokens: Sequence[tuple[str, str]], clock: Clock) -> None:
        self._tokens = [(name, token.encode()) for name, token in tokens]
        self._clock = clock
        self._ended: OrderedDict[str, None] = OrderedDict()

    @property
    def are_there(self) -> bool:
        """Whether anybody can log in."""
        return bool(self._tokens)

    def open_with(self, shown: str) -> str | None:
        """Open a session for a token, and answer what its cookie holds; None if the token is none of ours.

        It takes as long for each token, so that time tells nothing of them.
        """
        given = shown.strip().encode("utf-8", "surrogatepass")
        fits = [hmac.compare_digest(given, token) for _, token in self._tokens]
        if not any(fits):
            return None
        name, token = self._tokens[fits.index(True)]
        claim = f"{name}:{self._now_s() + LASTS_S}:{secrets.token_hex(8)}"
        return f"{claim}:{_signature(token, claim)}"

    def visitor(self, held: str) -> Visitor:
        """Tell who holds a cookie; one that is forged, over or ended is nobody's."""
        claim, _, signature = held.rpartition(":")
        name, _, rest = claim.partition(":")
        end, _, _ = rest.partition(":")
        fits = [
            hmac.compare_digest(_signature(token, claim).encode(), signature.encode())
            for owner, token in self._tokens
            if owner == name
        ]
        lasts = any(fits) and end.isdecimal() and int(end) > self._now_s() and signature not in self._ended
        return Visitor(name if lasts else "", may_act=lasts, can_log_in=self.are_there)

    def end(self, held: str) -> None:
        """End a session before its time; of very many that were ended, those ended first are forgotten."""
        if self.visitor(held).may_act:
            self._ended[held.rpartition(":")[2]] = None
            if len(self._ended) > REMEMBERED_MAX:
                self._ended.popitem(last=False)

    def _now_s(self) -> int:
        return self._clock.now_ms() // 1000


def _signature(token: bytes, claim: str) -> str:
    key = hmac.digest(token, _PURPOSE, sha256)
    return hmac.digest(key, claim.encode("utf-8", "surrogatepass"), sha256).hex()


class WrongTokens:
    """Makes whoever shows wrong tokens wait longer each time: whatever is shown meanwhile is not looked at.

    Args:
        clock: Says how long somebody has waited.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._peers: OrderedDict[str, tuple[int, float]] = OrderedDict()  # wrong tokens, and when the last one was

    def __len__(self) -> int:
        return len(self._peers)

    def wait_s(self, peer: str) -> float:
        """Tell how long *peer* has to wait before its next token is looked at."""
        wrong, at_s = self._known(network_of_peer(peer))
        if wrong < FREE_TRIES:
            return 0.0
        pause_s = min(WAIT_MAX_S, float(2 ** min(wrong - FREE_TRIES, 10)))
        return max(0.0, at_s + pause_s - self._clock.monotonic_s())

    def note_wrong(self, peer: str) -> None:
        """Take it that *peer* showed a wrong token."""
        name = network_of_peer(peer)
        wrong, _ = self._known(name)
        self._peers.pop(name, None)
        self._peers[name] = (wrong + 1, self._clock.monotonic_s())
        if len(self._peers) > REMEMBERED_MAX:
            self._peers.popitem(last=False)

    def forget(self, peer: str) -> None:
        """Take it that *peer* showed a right one."""
        self._peers.pop(network_of_peer(peer), None)

    def _known(self, name: str) -> tuple[int, float]:
        wrong, at_s = self._peers.get(name, (0, 0.0))
        return (wrong, at_s) if self._clock.monotonic_s() - at_s < FORGETS_AFTER_S else (0, 0.0)
