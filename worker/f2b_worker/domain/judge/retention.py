"""How long offenders, their bans and the history of those are remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.domain.jails import DAY_MS, FOREVER_MS

if TYPE_CHECKING:
    from f2b_worker.domain.jails import Policy
    from f2b_worker.domain.judge.verdicts import Ban

KEPT_MS = 60 * DAY_MS


def kept_ms(policy: Policy, max_age_ms: int | None) -> int:
    """Work out how long offenders are remembered: twice as long as any jail counts or any infraction is late."""
    forgets = [jail.forget_ms for jail in (policy.defaults, *policy.jails.values())]
    if None in forgets or max_age_ms is None:
        return FOREVER_MS // 2
    return max(KEPT_MS, 2 * max_age_ms, *(2 * forget for forget in forgets if forget))


class Retention:
    """Until when what a ledger stores is kept.

    Attributes:
        kept_ms: So long after the last hit and after the end of the last ban. A reload of the jails replaces it,
            which counts from the next write on.
    """

    def __init__(self, kept_ms: int) -> None:
        self.kept_ms = kept_ms

    def until_ms(self, ban: Ban | None, *, now_ms: int) -> int:
        """Tell until when an offender with this last ban, or this ban in its history, is kept.

        A ban that was over when it was stored is kept as long as one that ends now: the messages that it was made
        of may come again, and must find it.
        """
        return max(now_ms, ban.until_ms if ban else now_ms) + self.kept_ms
