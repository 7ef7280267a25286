"""Which bans this process has to log: what was judged against is in the log before its message goes."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from f2b_worker.domain.ban_log.changes import KEPT_AFTER_END_MS, Change, rank
from f2b_worker.errors import F2bError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from f2b_worker.adapters.dynamodb.ban_log.writer import BanLogWriter
    from f2b_worker.adapters.dynamodb.seen_items import Seen, SeenItems
    from f2b_worker.domain.judge.verdicts import Offender, OffenderId
    from f2b_worker.ports import Answers, Clock

LOGGED_MAX = 20_000
"""So many offenders are remembered of whom the log is known to tell all; of others it is told again."""

_TRIES = 3


class Publishing:
    """Logs what is not known to be in the log, whoever stored it; one thread at a time.

    Args:
        writer: Writes to the log.
        known: The items as they were last seen.
        read: Reads offenders anew, and remembers them.
        clock: Tells which bans ended long ago.
    """

    def __init__(
        self,
        writer: BanLogWriter,
        known: SeenItems,
        *,
        read: Callable[[Iterable[OffenderId]], Answers],
        clock: Clock,
    ) -> None:
        self._writer = writer
        self._known = known
        self._read = read
        self._clock = clock
        self._logged: OrderedDict[OffenderId, int] = OrderedDict()  # the rank of what the log tells
        self._epoch = ""

    def publish(self, offenders: Mapping[OffenderId, Offender]) -> dict[OffenderId, F2bError]:
        """Log the last bans of *offenders*; answer whose are not known to be in the log, and why."""
        failed: dict[OffenderId, F2bError] = {}
        left = [who for who, offender in offenders.items() if self._is_due(who, offender)]
        for _ in range(_TRIES):
            seen = self._seen(left, failed)
            longer = {who for who, each in seen.items() if _is_extension(each.offender)}
            # New bans first: an extension must not hold them up.
            new = [who for who in seen if who not in longer]
            left = [who for some in (new, [*longer]) for who in self._append(some, seen, failed)]
            if not left:
                return failed
            self._read(left)
        late = Unavailable("logging bans: they were read too long ago, each time")
        return failed | dict.fromkeys(left, late)

    def _seen(self, whom: Iterable[OffenderId], failed: dict[OffenderId, F2bError]) -> Mapping[OffenderId, Seen]:
        """Look up offenders as they were last seen, and read those of whom that is forgotten."""
        found = {who: self._known.get(who) for who in whom}
        unknown = [who for who, each in found.items() if each is None]
        failed |= {who: each for who, each in self._read(unknown).items() if isinstance(each, F2bError)}
        found |= {who: self._known.get(who) for who in unknown if who not in failed}
        return {who: each for who, each in found.items() if each}

    def _is_due(self, who: OffenderId, offender: Offender) -> bool:
        ban = offender.ban
        if ban is None or ban.until_ms < self._clock.now_ms() - KEPT_AFTER_END_MS:
            return False
        return rank(ban, offender.revision, offender.lifted_ms) > self._logged.get(who, -1)

    def _append(
        self, due: Sequence[OffenderId], seen: Mapping[OffenderId, Seen], failed: dict[OffenderId, F2bError]
    ) -> Sequence[OffenderId]:
        """Log some; answer who has to be read anew."""
        if not due:
            return ()
        offenders = [(who, seen[who].offender) for who in due]
        changes = [Change(who, each.ban, each.revision, each.lifted_ms) for who, each in offenders if each.ban]
        try:
            if not self._writer.append(changes, read_s=min(seen[who].asked_s for who in due)):
                return due
        except F2bError as error:
            failed.update(dict.fromkeys(due, error))
            return ()
        if self._writer.epoch != self._epoch:
            self._epoch = self._writer.epoch
            self.forget()
        for change in changes:
            self._learn(change.who, rank(*change[1:]))
        return ()

    def forget(self) -> None:
        """Take it that nobody knows what the log tells: it was begun anew, or a part of it was not read."""
        self._logged.clear()

    def learn(self, news: Mapping[OffenderId, Offender]) -> None:
        """Take it that the log tells these bans."""
        for who, offender in news.items():
            if offender.ban:
                self._learn(who, rank(offender.ban, offender.revision, offender.lifted_ms))

    def _learn(self, who: OffenderId, rank_of_it: int) -> None:
        self._logged[who] = max(rank_of_it, self._logged.pop(who, -1))
        while len(self._logged) > LOGGED_MAX:
            self._logged.popitem(last=False)


def _is_extension(offender: Offender) -> bool:
    """Tell whether a ban was stored before and lasts longer now; a new one may be extended by its own batch."""
    return offender.revision > 1 and bool(offender.ban and offender.ban.extended)
