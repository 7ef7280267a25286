"""The bans that somebody lifted: what is left of them in a set goes with the next update."""

from __future__ import annotations

from f2b_worker.domain.addresses import is_one_customer
from f2b_worker.domain.networks import Networks


class Lifted:
    """The keys of lifted bans, for as long as the ledger's followers are told of them."""

    def __init__(self) -> None:
        self._at_ms: dict[str, int] = {}
        self._networks: Networks | None = None
        self._wide = 0
        self._is_new = False

    def note(self, key: str, at_ms: int) -> None:
        """Take it that a ban of *key* was lifted then."""
        if key not in self._at_ms:
            self._change(key, 1)
            self._is_new = True
        self._at_ms[key] = max(at_ms, self._at_ms.get(key, at_ms))

    def discard(self, key: str) -> None:
        """Take it that *key* is banned again, or that another ban of it came to its own end."""
        if self._at_ms and self._at_ms.pop(key, None) is not None:
            self._change(key, -1)

    def _change(self, key: str, by: int) -> None:
        self._networks = None
        self._wide += 0 if is_one_customer(key) else by

    def forget(self, before_ms: float) -> None:
        """Forget what was lifted before that."""
        for key in [key for key, at_ms in self._at_ms.items() if at_ms < before_ms]:
            self.discard(key)

    def clear(self) -> None:
        """Forget all."""
        self.forget(float("inf"))

    def take_news(self) -> bool:
        """Tell whether something was lifted since this was last asked."""
        is_new, self._is_new = self._is_new, False
        return is_new

    def touches(self, entry: str) -> bool:
        """Tell whether *entry* is a lifted key, a part of a lifted network, or a network around such a key."""
        if not self._at_ms:
            return False
        if entry in self._at_ms:
            return True
        if not self._wide and is_one_customer(entry):
            return False
        # Once for thousands of entries that are to go.
        self._networks = self._networks or Networks(self._at_ms)
        return self._networks.touches(entry)
