"""The acts of operators on a ledger in memory."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from f2b_worker.domain.acts.control import Control, Pause
from f2b_worker.domain.acts.hand_bans import banned_by_hand
from f2b_worker.domain.acts.lifting import is_running, lifted
from f2b_worker.domain.judge.decisions import Decision

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from f2b_worker.domain.acts.act import Act
    from f2b_worker.domain.acts.allowlist import AllowEntry
    from f2b_worker.domain.acts.hand_bans import Order
    from f2b_worker.domain.judge.verdicts import Ban, Offender, OffenderId
    from f2b_worker.errors import F2bError
    from f2b_worker.testing.ledger import MemoryLedger


class MemoryActs:
    """What operators do, and what workers follow of it, in memory; for any number of threads.

    Args:
        ledger: Where the bans are.

    Attributes:
        failure: Set it to have every call raise it.
    """

    def __init__(self, ledger: MemoryLedger) -> None:
        self.failure: F2bError | None = None
        self._ledger = ledger
        self._lock = threading.RLock()
        self._mark = 1
        self._acts: dict[str, Act] = {}
        self._on: dict[str, list[Act]] = {}
        self._done: dict[tuple[str, OffenderId], Ban | None] = {}
        self._allowed: dict[str, AllowEntry] = {}
        self._answers: dict[str, frozenset[str]] = {}
        self._pauses: dict[str, Pause] = {}
        self._generation = 0
        self._asked_ms: int | None = None

    def jails_of(self, key: str) -> list[OffenderId]:
        """Find in which jails anything is remembered of one address key."""
        self._fail_if_told()
        return self._ledger.jails_of(key)

    def lift(
        self, act: Act, whom: Iterable[OffenderId], *, forget: bool = False
    ) -> dict[OffenderId, Ban | F2bError | None]:
        """End the running bans of *whom*, and spend infractions up to now."""
        self._fail_if_told()
        with self._lock:
            self._remember(act)
            return {who: self._lift(act, who, forget=forget) for who in whom}

    def _lift(self, act: Act, who: OffenderId, *, forget: bool) -> Ban | None:
        if (act.id, who) not in self._done:
            before, after = self._ledger.amend(who, lambda there: lifted(there, act.at_ms, forget=forget))
            if after is before:  # a stranger
                return None
            self._have_done(act, who, before.ban if is_running(before.ban, act.at_ms) else None)
        return self._done[act.id, who]

    def ban(self, act: Act, orders: Mapping[OffenderId, Order]) -> dict[OffenderId, Offender | F2bError]:
        """Carry out bans by hand."""
        self._fail_if_told()
        with self._lock:
            self._remember(act)
            return {who: self._ban(act, who, order) for who, order in orders.items()}

    def _ban(self, act: Act, who: OffenderId, order: Order) -> Offender:
        if (act.id, who) in self._done:
            return self._ledger.offender(who)

        def carried_out(there: Offender) -> Offender | None:
            ban = banned_by_hand(there, order, act.at_ms)
            return Decision(there, ban).applied(there) if ban else None

        _, after = self._ledger.amend(who, carried_out)
        self._have_done(act, who, None)
        return after

    def allow(self, act: Act, entries: Sequence[AllowEntry]) -> None:
        """Put entries on the allowlist."""
        with self._once(act) as is_new:
            for entry in entries if is_new else ():
                self._allowed[entry.network] = entry
                self._on.setdefault(entry.network, []).append(act)

    def disallow(self, act: Act, networks: Iterable[str]) -> frozenset[str]:
        """Take networks off the allowlist; answer those that were there."""
        with self._once(act) as is_new:
            if is_new:
                there = self._answers[act.id] = frozenset(networks) & self._allowed.keys()
                for network in there:
                    del self._allowed[network]
                    self._on.setdefault(network, []).append(act)
            return self._answers[act.id]

    def allowlist(self) -> list[AllowEntry]:
        """Read the allowlist, by network."""
        self._fail_if_told()
        with self._lock:
            return [self._allowed[network] for network in sorted(self._allowed)]

    def pause(self, act: Act, blocklist: str, until_ms: int | None) -> None:
        """Have nothing written to a blocklist for a time."""
        with self._once(act) as is_new:
            if is_new:
                self._pauses[blocklist] = Pause(act.at_ms, until_ms, act.by, act.reason)

    def resume(self, act: Act, blocklist: str) -> bool:
        """End a pause; tell whether there was one."""
        with self._once(act) as is_new:
            if is_new:
                was_there = self._pauses.pop(blocklist, None) is not None
                self._answers[act.id] = frozenset((blocklist,) if was_there else ())
            return bool(self._answers[act.id])

    def reload(self, act: Act) -> int:
        """Ask all workers to read their files again."""
        with self._once(act) as is_new:
            if is_new:
                self._generation += 1
                self._asked_ms = act.at_ms
            return self._generation

    def control(self) -> Control:
        """Read what all workers obey."""
        self._fail_if_told()
        with self._lock:
            return Control(dict(self._pauses), self._generation, self._asked_ms)

    def note(self, act: Act) -> None:
        """Remember an act that was done elsewhere."""
        self._fail_if_told()
        with self._lock:
            self._remember(act)

    def audit(self, since_ms: int, until_ms: int | None = None) -> list[Act]:
        """Read the acts of a time, the newest first."""
        self._fail_if_told()
        with self._lock:
            found = [act for act in self._acts.values() if since_ms <= act.at_ms]
        return _newest_first(act for act in found if until_ms is None or act.at_ms <= until_ms)

    def acts_on(self, key: str) -> list[Act]:
        """Read the acts about one address key or network, the newest first."""
        self._fail_if_told()
        with self._lock:
            found = {act.id: act.shortened() for act in self._on.get(key, ())}
            return _newest_first(replace(act, what=(key,)) for act in found.values())

    def mark(self) -> int:
        """Tell a number that is another one whenever allowlist or control have changed."""
        return self._mark

    @contextmanager
    def _once(self, act: Act) -> Iterator[bool]:
        """Do something once for an act; tell whether it is not done yet."""
        self._fail_if_told()
        with self._lock:
            is_new = act.id not in self._acts
            self._remember(act)
            yield is_new
            self._mark += is_new

    def _have_done(self, act: Act, who: OffenderId, ended: Ban | None) -> None:
        self._done[act.id, who] = ended
        self._on.setdefault(who.key, []).append(act)

    def _remember(self, act: Act) -> None:
        self._acts.setdefault(act.id, act.shortened())

    def _fail_if_told(self) -> None:
        if self.failure:
            raise self.failure


def _newest_first(acts: Iterable[Act]) -> list[Act]:
    return sorted(acts, key=lambda act: (act.at_ms, act.id), reverse=True)
