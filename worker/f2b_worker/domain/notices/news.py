"""From changes of bans to news: a new ban is told once, its extensions are not, and its end is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.domain.ban_log.changes import KEPT_AFTER_END_MS
from f2b_worker.domain.ban_log.events import BanEvents, EventKind
from f2b_worker.domain.judge.verdicts import UNREADABLE, Ban, OffenderId
from f2b_worker.domain.notices.kinds import BAN, UNBAN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from f2b_worker.domain.ban_log.changes import Change
    from f2b_worker.domain.ban_log.events import BanEvent

SLACK_MS = 60_000
"""A ban may be told to followers so long after it began: it counts as new until then, if nobody knows better."""

_FORGET_EVERY_MS = 60_000  # every ban is looked at for it


class News(NamedTuple):
    """One piece of news.

    Attributes:
        kind: `ban` or `unban`.
        who: Whose ban it is.
        ban: The ban.
        at_ms: When it began, or ended.
        lifted: Whether somebody lifted it, if it ended.
    """

    kind: str
    who: OffenderId
    ban: Ban
    at_ms: int
    lifted: bool = False


class BanNews:
    """Tells of what became of bans what a target hears: that one began, that one ended.

    Args:
        since_ms: Everything before was told by somebody else.
        with_ends: Whether ends are told, too.
    """

    def __init__(self, since_ms: int, *, with_ends: bool = True) -> None:
        self._events = BanEvents()
        self._since_ms = since_ms
        self._with_ends = with_ends
        self._ended_ms = since_ms
        self._forgot_ms = since_ms

    def learn(self, changes: Iterable[Change]) -> None:
        """Take in what was told before, by whomever."""
        self._events.know((each for each in changes if _is_enforced(each)), self._since_ms)

    def take_in(self, changes: Iterable[Change], *, is_certain: bool = True, is_all: bool = False) -> list[News]:
        """Find the news in changes, in any order, and some perhaps again.

        Args:
            changes: Bans as they are after a change.
            is_certain: Whether a ban that is not known here was told by nobody. If not, a ban that was not yet
                extended counts as new, and so does one that began after the last news.
            is_all: Whether these are all bans, so that only the time tells which are new.
        """
        found: list[News] = []
        old: dict[OffenderId, Change] = {}
        for change in filter(_is_enforced, changes):
            if change.who in old:
                found += self._of_old_ones(old, is_all=is_all)
                old = {}
            if self._events.knows(change.who) or self._is_new(change.ban, is_certain=is_certain, is_all=is_all):
                found += self._told(self._events.take_in([change]))
            else:
                old[change.who] = change
        return found + self._of_old_ones(old, is_all=is_all)

    def ended(self, now_ms: int) -> list[News]:
        """Find the bans that ended by themselves since this was last asked."""
        self._ended_ms = max(now_ms, self._ended_ms)
        found = list(self._told(self._events.ended(self._ended_ms)))
        if now_ms - self._forgot_ms >= _FORGET_EVERY_MS:
            self._forgot_ms = now_ms
            self._events.forget_ended(now_ms)
        return found

    def _of_old_ones(self, old: Mapping[OffenderId, Change], *, is_all: bool) -> list[News]:
        """Learn bans that somebody else told of; that one was lifted may be new."""
        if not old:
            return []
        # For all of them together: each look for ends goes through all that is known.
        ends = self._events.ended(self._ended_ms)
        events = self._events.take_in(old.values())
        self._events.ended(self._ended_ms)  # what had ended by then was told, or is too late to be told
        late_ms = self._since_ms - SLACK_MS
        lifts = [
            each for each in events if each.kind is EventKind.LIFT and (each.lifted_ms > late_ms or not is_all)
        ]
        return list(self._told([*ends, *lifts]))

    def _is_new(self, ban: Ban, *, is_certain: bool, is_all: bool) -> bool:
        if ban.until_ms < self._forgot_ms - KEPT_AFTER_END_MS:
            return False  # it was told and forgotten, or is told so late that it matters to nobody
        is_late = ban.start_ms > self._since_ms - SLACK_MS
        return is_late if is_all else is_certain or is_late or not ban.extended

    def _told(self, events: Iterable[BanEvent]) -> Iterator[News]:
        for event in events:
            if event.kind is EventKind.BAN and event.ban:
                yield News(BAN, event.who, event.ban, event.start_ms)
            elif self._with_ends and event.kind in {EventKind.LIFT, EventKind.END}:
                ban = event.ban or _as_known(event)
                yield News(UNBAN, event.who, ban, event.until_ms + 1, lifted=event.kind is EventKind.LIFT)


def _is_enforced(change: Change) -> bool:
    return change.ban is not UNREADABLE and not change.ban.observed


def _as_known(event: BanEvent) -> Ban:
    """Make a ban of what is known of one whose end came: only when it began, and when it ended."""
    length_ms = event.until_ms - event.start_ms
    return Ban(start_ms=event.start_ms, until_ms=event.until_ms, count=0, length_ms=length_ms)
