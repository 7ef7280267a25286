"""Entries that no ban explains which the ledger still tells of: its own items of the address are asked."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from f2b_worker.domain.plan.origin import Origin, whose_by_bans
from f2b_worker.enforcer.aside import Question
from f2b_worker.errors import F2bError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from f2b_worker.aside import Aside
    from f2b_worker.domain.judge.verdicts import Ban
    from f2b_worker.domain.plan.roster import Roster
    from f2b_worker.enforcer.alarms import Alarms
    from f2b_worker.enforcer.own import OwnEntries
    from f2b_worker.enforcer.sets import Sets
    from f2b_worker.enforcer.watched import WatchedSet
    from f2b_worker.ports import BanBook, Clock, StandingBan

ASK_EVERY_S = 1.0
ASKED_AT_ONCE = 200
"""How many entries are asked for in one go, each for one read unit: a set that others filled costs no storm."""

AGAIN_S = 60.0
"""When it is asked again for what stays in doubt: no answer, an unreadable one, or a ban that nobody told of."""

_ABOUT = "looking for ended bans"


class Place(NamedTuple):
    """One entry in one IP set."""

    set_id: str
    entry: str


Answers: TypeAlias = "dict[Place, Sequence[StandingBan] | F2bError]"


class Doubts:
    """Finds out whose the entries are that no ban explains, each once in a term of the lease.

    Followers of the ledger are not told of a ban that ended long ago, but a set may hold it still: nobody took it
    out while no worker ran. Until that is known, nothing happens to the entry: it is neither taken out nor noted
    to be somebody else's.

    Args:
        sets: The sets as they are known.
        roster: The bans that the ledger told of.
        bans: The ledger's bans.
        own: Knows since when ended bans may have left an entry in a set.
        alarms: Where a failure is reported.
        clock: Paces the questions.
        aside: Does slow work, perhaps in a thread.
    """

    def __init__(  # noqa: PLR0913
        self,
        sets: Sets,
        roster: Roster,
        bans: BanBook,
        own: OwnEntries,
        *,
        alarms: Alarms,
        clock: Clock,
        aside: Aside,
    ) -> None:
        self._sets = sets
        self._roster = roster
        self._bans = bans
        self._own = own
        self._alarms = alarms
        self._clock = clock
        self._again_s: dict[Place, float] = {}
        self._batch: Sequence[Place] = ()
        self._question = Question(
            self._ask, every_s=ASK_EVERY_S, clock=clock, aside=aside, first_after_s=0.0, rest=1.0
        )

    def settle(self) -> None:
        """Decide what was answered by now, and ask on."""
        if not self._question.is_open:
            self._batch = list(islice(self._due(), ASKED_AT_ONCE))
        if self._batch:
            for place, answer in (self._question.news(_ABOUT, self._alarms) or {}).items():
                self._take(place, answer)

    def _due(self) -> Iterator[Place]:
        now_s = self._clock.monotonic_s()
        for set_id, watch in self._sets.watches.items():
            for entry in watch.kept.doubted:
                place = Place(set_id, entry)
                if self._again_s.get(place, now_s) <= now_s:
                    yield place

    def _ask(self) -> Answers:
        answers: Answers = {}
        for place in self._batch:
            try:
                answers[place] = self._bans.standing_of(place.entry)
            except F2bError as error:
                # One item may fail for ever, so the others go on; all may, so they do later.
                answers[place] = error
                break
        return answers

    def _take(self, place: Place, answer: Sequence[StandingBan] | F2bError) -> None:
        watch = self._sets.watches.get(place.set_id)
        self._again_s.pop(place, None)
        if watch is None or place.entry not in watch.kept.doubted:  # gone meanwhile, set or entry
            return
        now_s = self._clock.monotonic_s()
        if isinstance(answer, F2bError):
            self._alarms.complain(_ABOUT, answer)
            origin = Origin.DOUBTED
        else:
            origin = self._whose(watch, place.entry, [each.ban for each in answer])
        if origin is Origin.DOUBTED:
            self._again_s[place] = now_s + AGAIN_S
        else:
            watch.group.decide(place.set_id, place.entry, origin, now_s)

    def _whose(self, watch: WatchedSet, entry: str, bans: Sequence[Ban]) -> Origin:
        kept, now_ms = watch.kept, self._clock.now_ms()
        doubted_for_s = self._clock.monotonic_s() - kept.doubted[entry]

        def is_unknown(ban: Ban) -> bool:
            is_running = not ban.observed and ban.until_ms >= now_ms and watch.group.blocklist in ban.blocklists
            return is_running and not self._roster.is_running(entry)

        return whose_by_bans(
            bans,
            found_ms=now_ms - round(1000 * doubted_for_s),
            since_ms=self._own.since_ms(kept.id),
            is_unknown=is_unknown,
        )
