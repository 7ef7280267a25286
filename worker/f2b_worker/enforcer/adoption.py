"""Foreign entries get a normal ban, and go when it ends."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.verdicts import Offender, OffenderId, next_ban
from f2b_worker.errors import Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from f2b_worker.domain.jails import Policy
    from f2b_worker.domain.judge.verdicts import Ban
    from f2b_worker.errors import F2bError
    from f2b_worker.ports import Clock, Ledger

ADOPTED_JAIL = "adopted"
"""The jail of the bans that stand for other people's entries."""

ADOPTED = "adopted"
"""Their origin."""

_ROUNDS_MAX = 5


class LedgerAdopter:
    """Writes bans of the jail "adopted" into the ledger.

    Args:
        ledger: Where the bans are stored.
        policy: Answers the jails as they are configured now; without a jail "adopted" the defaults hold.
        clock: Starts the bans.
    """

    def __init__(self, ledger: Ledger, policy: Callable[[], Policy], clock: Clock) -> None:
        self._ledger = ledger
        self._policy = policy
        self._clock = clock

    def adopt(self, entries: Iterable[str], blocklist: str) -> None:
        """Give each of *entries* a ban that is enforced in *blocklist*."""
        known = {OffenderId(ADOPTED_JAIL, entry): Offender() for entry in entries}
        for _ in range(_ROUNDS_MAX):
            bans = {who: self._ban(who, offender, blocklist) for who, offender in known.items()}
            # A commit answers what is remembered: strangers are banned by the first, the others by the second.
            answers = self._ledger.commit({who: Decision(known[who], ban) for who, ban in bans.items() if ban})
            # An item that cannot be read was named by who read it, and keeps nobody else from being adopted.
            answers = {who: answer for who, answer in answers.items() if not isinstance(answer, Unreadable)}
            stored = {who: _offender(answer) for who, answer in answers.items()}
            for error in self._ledger.publish(stored).values():
                raise error
            known = stored
            if not known:
                return

    def _ban(self, who: OffenderId, offender: Offender, blocklist: str) -> Ban | None:
        now_ms = self._clock.now_ms()
        last = offender.ban
        # A second blocklist joins the running ban: one address has one ban in a jail.
        if last and last.until_ms >= now_ms and not last.observed:
            if blocklist in last.blocklists:
                return None
            return replace(last, blocklists=(*last.blocklists, blocklist))
        ban = next_ban(last, self._policy().jail(ADOPTED_JAIL), now_ms, key=who.key)
        return replace(ban, observed=False, blocklists=(blocklist,), origin=ADOPTED)


def _offender(answer: Offender | F2bError) -> Offender:
    if isinstance(answer, Exception):
        raise answer
    return answer
