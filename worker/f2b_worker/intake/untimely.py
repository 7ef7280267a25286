"""Reports that can ban nobody any more, or not yet: they are counted by jail and reporter, and said once.

A fleet whose clock or zone is wrong would be unprotected otherwise, and look healthy: its reports arrive, and are
judged or refused.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import structlog

from f2b_worker.domain.jails import MINUTE_MS
from f2b_worker.domain.judge.infractions import Reason, split_id
from f2b_worker.observe import metrics

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from f2b_worker.domain.jails import Policy
    from f2b_worker.domain.judge.sorting import Sorted
    from f2b_worker.domain.judge.verdicts import Hit, OffenderId

log: structlog.stdlib.BoundLogger = structlog.get_logger()

BAN_OVER = "ban_over"
"""Of what is judged: the ban that it could bring about has ended by now."""

REPORTERS_MAX = 100
"""So many reporters are counted by name: the names come from outside, and each is kept with its counters."""

_OTHERS = "(others)"
_UNKNOWN_JAIL = "(unknown)"
_QUARTER_MS = 15 * MINUTE_MS  # zones differ by multiples of it
_NEAR_MS = 2 * MINUTE_MS


class _Source(NamedTuple):
    """What is counted as one."""

    reason: str
    jail: str
    reporter: str


class Untimely:
    """Counts what comes too late or too early to ban anybody, and warns once of each source.

    Args:
        policy: The jails, whose first ban says for how long a report can ban; unknown ones are counted as one.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._shortest_ms = min(jail.bantime_ms for jail in (policy.defaults, *policy.jails.values()))
        self._reporters: set[str] = set()
        self._warned: set[_Source] = set()

    def note(self, found: Sorted, reporter: str, *, sent_at_ms: int, now_ms: int) -> None:
        """Look at what was sorted out of one message.

        Args:
            found: What is judged, and what is refused.
            reporter: Who sent it; "" if it does not say as a whole: then each infraction may say it.
            sent_at_ms: When it was sent, by the queue's clock.
            now_ms: What the worker judges by.
        """
        times: dict[_Source, list[int]] = defaultdict(list)
        for reason, jail, own_reporter, at_ms in [*_refused(found), *self._over(found.hits, now_ms)]:
            known_jail = jail if self._policy.knows(jail) else _UNKNOWN_JAIL
            times[_Source(reason, known_jail, self._known(reporter or own_reporter))].append(at_ms)
        for source, each_ms in times.items():
            metrics.cannot_ban.labels(*source).inc(len(each_ms))
            if source not in self._warned:
                self._warned.add(source)
                _warn(source, [at_ms - sent_at_ms for at_ms in each_ms], waited_ms=now_ms - sent_at_ms)

    def _over(self, hits: Mapping[OffenderId, Sequence[Hit]], now_ms: int) -> Iterator[tuple[str, str, str, int]]:
        over_ms = now_ms - self._shortest_ms
        for who, found in hits.items():
            if min(found).at_ms < over_ms:
                length_ms = self._policy.jail(who.jail).bantime_ms
                over = (hit for hit in found if hit.at_ms + length_ms < now_ms)
                yield from ((BAN_OVER, who.jail, split_id(hit.id)[1], hit.at_ms) for hit in over)

    def _known(self, reporter: str) -> str:
        if reporter not in self._reporters:
            if len(self._reporters) >= REPORTERS_MAX:
                return _OTHERS
            self._reporters.add(reporter)
        return reporter


def _refused(found: Sorted) -> Iterator[tuple[str, str, str, int]]:
    for refusal in found.refused:
        if refusal.reason in {Reason.TOO_OLD, Reason.IN_FUTURE} and isinstance(refusal.item, dict):
            item = refusal.item
            yield refusal.reason.value, item["jail"], item.get("reporter", ""), round(item["at"] * 1000)


def _warn(source: _Source, off_ms: Iterable[int], *, waited_ms: int) -> None:
    nearest_ms = min(off_ms, key=abs)
    log.warning(
        "report_cannot_ban",
        reason=source.reason,
        jail=source.jail,
        reporter=source.reporter or "(not named)",
        remedy=_remedy(nearest_ms, waited_ms),
    )


def _remedy(off_ms: int, waited_ms: int) -> str:
    if abs(off_ms) <= _NEAR_MS:
        return f"it was sent in time, and waited in the queue for {_duration(waited_ms)}: do the workers keep up?"
    way = "ahead of" if off_ms > 0 else "behind"
    quarters_ms = round(off_ms / _QUARTER_MS) * _QUARTER_MS
    is_zone = quarters_ms and abs(off_ms - quarters_ms) <= _NEAR_MS
    fitting_ms = -(quarters_ms if is_zone else off_ms)
    sign = "-" if fitting_ms < 0 else "+"
    return (
        f"its times are {_duration(abs(off_ms))} {way} when it was sent: an offset of"
        f" {sign}{_duration(abs(fitting_ms))} would fit. Is the reporter's zone (TZ) or clock wrong, or is what it"
        " reports old?"
    )


def _duration(ms: int) -> str:
    minutes = round(ms / MINUTE_MS)
    days, rest = divmod(minutes, 24 * 60)
    if days:
        return f"{days} d {rest // 60} h"
    return f"{rest // 60} h {rest % 60} min" if rest >= 60 else f"{rest} min"
