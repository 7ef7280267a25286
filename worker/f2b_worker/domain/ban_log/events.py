"""What became of bans, told from their changes: a new ban, a later end, a lift, an end that came."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

from f2b_worker.domain.ban_log.changes import KEPT_AFTER_END_MS
from f2b_worker.domain.judge.verdicts import UNREADABLE, OffenderId

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from f2b_worker.domain.judge.verdicts import Ban

_BITS = 50
_ZERO = 1 << (_BITS - 1)
"""Added to a time: one of any year up to 9999, or as long before 1970, is a positive number then."""

_TIME = (1 << _BITS) - 1
_BELOW_END = 2 * _BITS + 1
_CLOSED = 1 << (_BELOW_END + _BITS)


class EventKind(StrEnum):
    """What became of a ban."""

    BAN = "ban"
    EXTENSION = "extension"
    LIFT = "lift"
    END = "end"


class BanEvent(NamedTuple):
    """Something that became of one ban.

    Attributes:
        kind: What.
        who: Whose ban it is.
        start_ms: When it started.
        until_ms: The last moment of it, as it is known now.
        observed: Whether it is never enforced.
        lifted_ms: Infractions up to then count no more; 0 if nobody lifted a ban of this offender.
        ban: The ban; None of an end: nobody keeps bans for that.
    """

    kind: EventKind
    who: OffenderId
    start_ms: int
    until_ms: int
    observed: bool
    lifted_ms: int = 0
    ban: Ban | None = None


class Changed(Protocol):
    """The last ban of one offender after a change, as the log or a file tells it."""

    @property
    def who(self) -> OffenderId:
        """Whose ban it is."""
        ...

    @property
    def ban(self) -> Ban:
        """The ban."""
        ...

    @property
    def lifted_ms(self) -> int:
        """Infractions up to then count no more; 0 if nobody lifted a ban."""
        ...


class _Known(NamedTuple):
    start_ms: int
    until_ms: int
    lifted_ms: int
    observed: bool
    is_closed: bool  # its end, or that it was lifted, is told


class BanEvents:
    """Tells what became of bans, each event once; it remembers about 50 bytes of each ban beside its key.

    Repetition changes nothing, and neither does an older change that comes after a newer one. Of a ban that began
    and ended between two changes of one offender nothing is told: the log holds the last ban only.
    """

    def __init__(self) -> None:
        # By jail and key; one number holds all that is known: of two the one whose ban ends first is less.
        self._known: dict[str, dict[str, int]] = {}
        self._next_end_ms: float = float("inf")

    def know(self, changes: Iterable[Changed], open_from_ms: int) -> None:
        """Learn bans of which all was told already, and the end of those that ended before *open_from_ms*."""
        for change in changes:
            if change.ban is not UNREADABLE:
                for _ in self._take_in(change):
                    pass  # told already
        self.ended(open_from_ms)

    def knows(self, who: OffenderId) -> bool:
        """Tell whether a ban of somebody is known, which may be over."""
        return who.key in self._known.get(who.jail, ())

    def take_in(self, changes: Iterable[Changed]) -> list[BanEvent]:
        """Learn changes, in their order; answer what became of the bans."""
        events: list[BanEvent] = []
        for change in changes:
            if change.ban is not UNREADABLE:
                events += self._take_in(change)
        return events

    def ended(self, now_ms: int) -> list[BanEvent]:
        """Answer which bans have ended, and were not told of before."""
        if self._next_end_ms >= now_ms:
            return []
        events = [
            BanEvent(EventKind.END, who, known.start_ms, known.until_ms, known.observed, known.lifted_ms)
            for who, known in self._ended_before(now_ms)
        ]
        for event in events:
            self._known[event.who.jail][event.who.key] += _CLOSED
        self._look_for_next_end()
        return events

    def forget_ended(self, complete_ms: float) -> None:
        """Forget those that had ended for long when everything was known that had been logged; see `Bans`."""
        before_ms = complete_ms - KEPT_AFTER_END_MS
        for known in self._known.values():
            for key in [key for key, packed in known.items() if packed >= _CLOSED and _end_of(packed) < before_ms]:
                del known[key]
        # Whoever reports may invent jails.
        self._known = {jail: known for jail, known in self._known.items() if known}

    def _take_in(self, change: Changed) -> Iterator[BanEvent]:
        who, ban = change.who, change.ban
        packed = self._known.get(who.jail, {}).get(who.key)
        if packed is None:
            yield from self._begin(change)
            return
        known = _unpacked(packed)
        if change.lifted_ms < known.lifted_ms >= ban.start_ms:
            return  # of before a lift that is known
        if ban.start_ms > known.start_ms:
            if not known.is_closed:
                yield self._end_of_former(who, known, change)
            yield from self._begin(change)
        elif change.lifted_ms > known.lifted_ms:
            yield from self._lift(change, known)
        elif ban.start_ms == known.start_ms and ban.until_ms > known.until_ms:
            self._keep(who, known._replace(until_ms=ban.until_ms))
            yield _event(EventKind.EXTENSION, change)

    def _begin(self, change: Changed) -> Iterator[BanEvent]:
        ban = change.ban
        is_lifted = _is_just_lifted(change)
        self._keep(change.who, _Known(ban.start_ms, ban.until_ms, change.lifted_ms, ban.observed, is_lifted))
        yield _event(EventKind.BAN, change)
        if is_lifted:
            yield _event(EventKind.LIFT, change)

    def _lift(self, change: Changed, known: _Known) -> Iterator[BanEvent]:
        ban = change.ban
        is_lifted = ban.until_ms < known.until_ms or _is_just_lifted(change)
        is_closed = known.is_closed or is_lifted
        self._keep(
            change.who, known._replace(until_ms=ban.until_ms, lifted_ms=change.lifted_ms, is_closed=is_closed)
        )
        if is_lifted and not known.is_closed:
            yield _event(EventKind.LIFT, change)

    @staticmethod
    def _end_of_former(who: OffenderId, known: _Known, change: Changed) -> BanEvent:
        """Tell how the ban ended that another one follows: that was not told before."""
        is_lifted = known.lifted_ms < change.lifted_ms <= known.until_ms
        kind = EventKind.LIFT if is_lifted else EventKind.END
        until_ms = change.lifted_ms - 1 if is_lifted else known.until_ms
        return BanEvent(kind, who, known.start_ms, until_ms, known.observed, change.lifted_ms)

    def _keep(self, who: OffenderId, known: _Known) -> None:
        self._known.setdefault(who.jail, {})[who.key] = _packed(known)
        if not known.is_closed and known.until_ms < self._next_end_ms:
            self._next_end_ms = known.until_ms

    def _ended_before(self, now_ms: int) -> Iterator[tuple[OffenderId, _Known]]:
        below = (now_ms + _ZERO) << _BELOW_END
        for jail, known in self._known.items():
            for key, packed in known.items():
                if packed < below:
                    yield OffenderId(jail, key), _unpacked(packed)

    def _look_for_next_end(self) -> None:
        first = min((min(known.values(), default=_CLOSED) for known in self._known.values()), default=_CLOSED)
        self._next_end_ms = _end_of(first) if first < _CLOSED else float("inf")


def _is_just_lifted(change: Changed) -> bool:
    """Tell whether this is a ban that ran when it was lifted: it ends a moment before."""
    return change.lifted_ms > 0 and change.ban.until_ms == change.lifted_ms - 1


def _event(kind: EventKind, change: Changed) -> BanEvent:
    ban = change.ban
    return BanEvent(kind, change.who, ban.start_ms, ban.until_ms, ban.observed, change.lifted_ms, ban)


def _packed(known: _Known) -> int:
    times = ((known.until_ms + _ZERO) << _BITS | known.start_ms + _ZERO) << _BITS | known.lifted_ms + _ZERO
    return (_CLOSED if known.is_closed else 0) + (times << 1) + known.observed


def _unpacked(packed: int) -> _Known:
    times = packed >> 1
    return _Known(
        (times >> _BITS & _TIME) - _ZERO,
        _end_of(packed),
        (times & _TIME) - _ZERO,
        bool(packed & 1),
        packed >= _CLOSED,
    )


def _end_of(packed: int) -> int:
    return (packed >> _BELOW_END & _TIME) - _ZERO
