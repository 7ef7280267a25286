"""Tells one target: what happened since its place in the log, and then keeps the place."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from f2b_worker.domain.judge.verdicts import Ban
from f2b_worker.domain.notices.group import Group
from f2b_worker.domain.notices.kinds import BAN, CONDITIONS, UNBAN, is_grave_enough, kind_of
from f2b_worker.domain.notices.news import BanNews
from f2b_worker.errors import F2bError
from f2b_worker.notices.delivery import WITHIN_S
from f2b_worker.notices.wording import Wording, ban_values
from f2b_worker.ports.notices import Place

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from typing import Any

    from f2b_worker.config.notices import TargetSettings
    from f2b_worker.domain.judge.verdicts import OffenderId
    from f2b_worker.domain.notices.news import News
    from f2b_worker.notices.delivery import Delivery
    from f2b_worker.ports import BanBook, Clock
    from f2b_worker.ports.notices import ConditionsSeen, NewsSource, Places

log: structlog.stdlib.BoundLogger = structlog.get_logger()

LOOK_S = 5.0
"""So often the log is looked at; a target that waits less for company looks more often."""

PAUSE_S = 10.0
"""After a failure to read."""

KEPT_EVERY_MS = 600_000
"""So often the place is kept if there was nothing to tell: whoever goes on from there reads less."""

LOOKED_AT_MAX = 20
"""Of so many bans of a notice it is read what they were decided from."""

GONE_LOOKS = 2
"""A condition is over if it did not hold in so many looks: one that comes and goes is not told each time."""

TRIED_EVERY_S = WITHIN_S
"""So often at most a condition is told that the target does not take: while it holds it stays untold."""


class Courier:
    """One target, in a thread of its own.

    Args:
        settings: The target's.
        source: Follows the bans for it.
        places: Keep how far it was told.
        book: Tells what bans were decided from.
        conditions: Tells what was seen last of the fleet.
        delivery: Sends.
        wording: Says it.
        clock: Dates and paces it.
    """

    def __init__(  # noqa: PLR0913 - what it stands between
        self,
        settings: TargetSettings,
        *,
        source: NewsSource,
        places: Places,
        book: BanBook,
        conditions: Callable[[], ConditionsSeen | None],
        delivery: Delivery,
        wording: Wording,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._source = source
        self._places = places
        self._book = book
        self._conditions = conditions
        self._delivery = delivery
        self._wording = wording
        self._clock = clock
        self._wanted = {each for each in settings.on if is_grave_enough(each, settings.severity)}
        self._news = BanNews(0)
        self._place: Place | None = None
        self._kept = Place()
        self._groups: dict[str, Group] = {}
        self._began_s: float | None = None
        self._gone: dict[str, int] = {}
        self._tried_s: dict[str, float] = {}
        self._looked_ms = 0

    def run(self, stop: threading.Event) -> None:
        """Tell until *stop*, and let go of the target; what cannot be read is read later, and told then."""
        try:
            self._run(stop)
        finally:
            self._delivery.close()

    def _run(self, stop: threading.Event) -> None:
        is_failing = False
        while not stop.is_set():
            pause_s = min(LOOK_S, self._settings.group_wait_ms / 2000)
            try:
                self.tick(stop)
                is_failing = False
            except F2bError as error:
                if not is_failing:
                    log.warning("notices_wait", target=self._settings.name, reason=str(error))
                is_failing, pause_s = True, PAUSE_S
            self._clock.wait(stop, pause_s)

    def tick(self, stop: threading.Event) -> None:
        """Read what is new, and tell what is due.

        Raises:
            F2bError: If it cannot be read, or the place cannot be kept.
        """
        if self._place is None:
            self._begin()
        if self._hears_of_bans:
            self._read()
        self._tell_conditions(stop)
        if self._is_due:
            self._tell_groups(stop)
        elif not self._groups and self._moved_ms >= KEPT_EVERY_MS:
            self._keep(stop)

    @property
    def _is_due(self) -> bool:
        waited_s = self._clock.monotonic_s() - self._began_s if self._began_s is not None else 0.0
        return bool(self._groups) and waited_s * 1000 >= self._settings.group_wait_ms

    @property
    def _moved_ms(self) -> int:
        """Tell how old the place is that is kept, if it is another one by now."""
        assert self._place
        is_same = (self._place.log, self._place.number) == (self._kept.log, self._kept.number)
        return 0 if is_same else self._clock.now_ms() - self._kept.at_ms

    def _begin(self) -> None:
        there = self._places.read(self._settings.name)
        place = Place()
        if self._hears_of_bans:
            # A place without a time is of a target that heard of no bans until now: it hears of those to come.
            followed = there if there and there.at_ms else None
            place, known = self._source.begin(followed, self._clock.now_ms())
            self._news = BanNews(place.at_ms, with_ends=UNBAN in self._wanted)
            self._news.learn(known)
        place = replace(place, conditions=there.conditions if there else ())
        if place != there:
            self._places.keep(self._settings.name, place)
        self._place = self._kept = place

    @property
    def _hears_of_bans(self) -> bool:
        return bool(self._wanted & {BAN, UNBAN})

    def _read(self) -> None:
        assert self._place
        now_ms = self._clock.now_ms()
        for heard in self._source.poll():
            self._take(self._news.take_in(heard.changes, is_certain=heard.is_certain, is_all=heard.is_all))
            self._place = replace(heard.place, at_ms=self._place.at_ms, conditions=self._place.conditions)
        self._take(self._news.ended(now_ms))
        self._place = replace(self._place, at_ms=now_ms)

    def _take(self, news: Sequence[News]) -> None:
        for kind in (BAN, UNBAN):
            mine = [each for each in news if each.kind == kind and self._hears(each)]
            if mine and kind in self._wanted:
                self._groups.setdefault(kind, Group(self._settings.group_max)).add(mine)
                if self._began_s is None:
                    self._began_s = self._clock.monotonic_s()

    def _hears(self, news: News) -> bool:
        return not self._settings.jails or news.who.jail in self._settings.jails

    def _tell_groups(self, stop: threading.Event) -> None:
        """Tell what waits, and keep the place: if this process dies in between, it is told again."""
        for kind, group in sorted(self._groups.items()):
            notice = self._wording.of_group(kind, group, list(self._values(group)), self._clock.now_ms())
            self._delivery.deliver(notice, stop)
        if not stop.is_set():
            self._groups.clear()
            self._began_s = None
            self._keep(stop)

    def _values(self, group: Group) -> Iterator[dict[str, Any]]:
        looked_at = [each.who for each in group.first[:LOOKED_AT_MAX] if each.kind == BAN]
        bans = self._last_bans(looked_at)
        for news in group.first:
            ban = bans.get(news.who)
            is_it = isinstance(ban, Ban) and ban.start_ms == news.ban.start_ms
            yield ban_values(news, ban.evidence if isinstance(ban, Ban) and is_it else None)

    def _last_bans(self, whom: Collection[OffenderId]) -> Mapping[OffenderId, Ban | F2bError]:
        """Read what bans were decided from; that it cannot be read holds up no notice."""
        try:
            return self._book.last_bans(whom) if whom else {}
        except F2bError:
            return {}

    def _tell_conditions(self, stop: threading.Event) -> None:
        seen = self._conditions()
        if seen is None or seen.at_ms == self._looked_ms or not self._wanted.intersection(CONDITIONS):
            return
        self._looked_ms = seen.at_ms
        self._know_where(seen.texts)
        for name in self._changed(seen.texts):
            if kind_of(name) in self._wanted and self._may_try(name) and not self._tell(name, seen, stop):
                return  # what is away may be so for long, and bans wait: the next look goes on

    def _know_where(self, texts: Mapping[str, str]) -> None:
        """Take it that what was told of a kind, by an f2b that did not tell where, is what holds of it now."""
        assert self._place

        def holding(kind: str) -> list[str]:
            return [each for each in texts if each != kind and kind_of(each) == kind]

        told = [name for each in self._place.conditions for name in holding(each) or [each]]
        self._place = replace(self._place, conditions=tuple(dict.fromkeys(told)))

    def _changed(self, texts: Mapping[str, str]) -> Sequence[str]:
        """Name what began, and what has been over for so many looks."""
        assert self._place
        told = self._place.conditions
        self._gone = {each: 0 if each in texts else self._gone.get(each, 0) + 1 for each in told}
        return [each for each in texts if each not in told] + [
            each for each, looks in self._gone.items() if looks >= GONE_LOOKS
        ]

    def _may_try(self, name: str) -> bool:
        return self._clock.monotonic_s() - self._tried_s.get(name, float("-inf")) >= TRIED_EVERY_S

    def _tell(self, name: str, seen: ConditionsSeen, stop: threading.Event) -> bool:
        """Tell of a change, and keep that it was told; answer whether it was."""
        assert self._place
        told, text = self._place.conditions, seen.texts.get(name)
        self._tried_s[name] = self._clock.monotonic_s()
        if not self._delivery.deliver(self._wording.of_condition(name, text, self._clock.now_ms()), stop):
            return False
        del self._tried_s[name]
        if not stop.is_set():
            conditions = (*told, name) if text is not None else tuple(each for each in told if each != name)
            self._place = replace(self._place, conditions=conditions)
            # The bans that wait were not told yet: only the conditions move.
            self._kept = replace(self._kept, conditions=conditions)
            self._places.keep(self._settings.name, self._kept)
        return True

    def _keep(self, stop: threading.Event) -> None:
        """Keep the place, unless another process may tell this target by now."""
        if self._place and not stop.is_set():
            self._places.keep(self._settings.name, self._place)
            self._kept = self._place
