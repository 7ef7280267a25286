"""Which IP sets there are, and whether rules refer to them: asked aside, anew for each term of the lease."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from f2b_worker.enforcer.alarms import Patience
from f2b_worker.enforcer.aside import Question
from f2b_worker.errors import F2bError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from f2b_worker.aside import Aside
    from f2b_worker.enforcer.alarms import Alarms
    from f2b_worker.enforcer.sets import Sets
    from f2b_worker.ports import Clock, IpSet, IpSetFinder

FIND_S = 5.0
"""How often it is asked which IP sets there are: one that is made anew must have its bans within 15 s.

One ListIPSets for each 100 sets of the account: 0.2 calls a second of the five that WAF answers.
"""

FIND_REST = 3
"""A search rests for so many times as long as it took: an account of many sets takes many calls."""

REFERENCES_S = 600.0
"""How often it is asked whether rules still refer to the IP sets: many calls, and seldom news."""

FIRST_REFERENCES_S = 15.0
"""When it is asked for the first time: the first reading of the sets has the budget to itself."""

_ABOUT_SETS = "looking for IP sets"


class Search:
    """Looks for IP sets, at once and then every few seconds.

    Args:
        finder: Which IP sets there are.
        alarms: Where a failure is reported.
        clock: Tells when to ask.
        aside: Does slow work, perhaps in a thread.
    """

    def __init__(self, finder: IpSetFinder, *, alarms: Alarms, clock: Clock, aside: Aside) -> None:
        self._alarms = alarms
        self._patience = Patience(_ABOUT_SETS, alarms, clock)
        self._question = Question(
            partial(finder.find, self._tell),
            every_s=FIND_S,
            clock=clock,
            aside=aside,
            first_after_s=0.0,
            rest=FIND_REST,
        )
        self._first: Mapping[str, Sequence[IpSet]] | None = None
        self._so_far: dict[str, tuple[str, IpSet]] = {}

    def _tell(self, blocklist: str, ip_set: IpSet) -> None:
        if self._first is None:
            self._so_far[ip_set.id] = (blocklist, ip_set)

    def ask(self) -> None:
        """Look for the first time; what comes of it is for whoever asks for it later."""
        if self._first is None:
            self._question.ask()

    def first(self) -> Mapping[str, Sequence[IpSet]] | None:
        """Tell what was found first, as often as somebody asks; None until then."""
        if self._first is None:
            found = self._question.answer()
            if isinstance(found, F2bError):
                # Nothing is enforced before the first answer: it is asked for again sooner than later ones.
                self._question.ask_in(self._patience.fail(found))
                return None
            if found is not None:
                self._patience.succeed()
            self._first = found
        return self._first

    def so_far(self) -> Mapping[str, Sequence[IpSet]]:
        """Tell which sets are found by now, while others are still looked for."""
        found: dict[str, list[IpSet]] = {}
        for blocklist, ip_set in list(self._so_far.values()):
            found.setdefault(blocklist, []).append(ip_set)
        return found

    def news(self) -> Mapping[str, Sequence[IpSet]] | None:
        """Tell what was found since the last time, if anything was."""
        return self._question.news(_ABOUT_SETS, self._alarms)


class References:
    """Reports the IP sets that no rule in use refers to, so that their bans have no effect.

    Args:
        finder: Knows the rules.
        sets: The IP sets that it is about.
        alarms: Where they are reported, and failures.
        clock: Tells when to ask.
        aside: Does slow work, perhaps in a thread.
    """

    def __init__(
        self,
        finder: IpSetFinder,
        sets: Sets,
        *,
        alarms: Alarms,
        clock: Clock,
        aside: Aside,
    ) -> None:
        self._finder = finder
        self._sets = sets
        self._alarms = alarms
        self._question = Question(
            self._ask, every_s=REFERENCES_S, clock=clock, aside=aside, first_after_s=FIRST_REFERENCES_S
        )

    def ask_soon(self) -> None:
        """Ask again soon: there are other sets than before."""
        self._question.ask_in(FIRST_REFERENCES_S)

    def _ask(self) -> tuple[Sequence[IpSet], AbstractSet[str]]:
        ip_sets = [watch.ip_set for watch in list(self._sets.watches.values())]
        return ip_sets, self._finder.unreferenced(ip_sets)

    def report(self) -> None:
        """Report what was found, once for each answer."""
        answer = self._question.news("looking for rules", self._alarms)
        if answer is None:
            return
        ip_sets, unreferenced = answer
        for each in ip_sets:
            if each.id not in self._sets.watches:  # deleted since it was asked
                continue
            self._alarms.metrics.show_reference(each.name, is_missing=each.id in unreferenced)
            if each.id in unreferenced:
                remedy = "its bans have no effect; refer to this set in a rule of a web ACL that is in use"
                self._alarms.ring("ip_set_unreferenced", each.name, remedy=remedy)
