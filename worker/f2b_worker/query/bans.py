"""The running bans as they are listed: chosen, sorted, and how far each is enforced."""

from __future__ import annotations

import heapq
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.domain.addresses import is_key
from f2b_worker.domain.judge.enforcement import NotNoted, State, state_of
from f2b_worker.domain.judge.verdicts import UNREADABLE
from f2b_worker.errors import F2bError, Unreadable
from f2b_worker.ports import StandingBan
from f2b_worker.query.objects import BAN_KEYS, ban_object, unreadable_object
from f2b_worker.query.places import Places, look_into, noted_places, open_ip_sets
from f2b_worker.query.selection import SORTS, Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from f2b_worker.domain.blocklists import Blocklist
    from f2b_worker.domain.judge.enforcement import NotedPlace, Place
    from f2b_worker.domain.judge.verdicts import Ban, OffenderId
    from f2b_worker.domain.networks import Networks
    from f2b_worker.ports import BanBook, Notes
    from f2b_worker.query.places import Noted

LIST_KEYS = (*BAN_KEYS, "state", "why")
"""What a listed ban has as a JSON object."""


class Shown(NamedTuple):
    """One ban of the list: whose, and the error that names its item where it cannot be read."""

    who: OffenderId | None
    ban: Ban
    why: Unreadable | None = None


Row: TypeAlias = "tuple[Shown, State | None]"
"""A ban, and how far it is enforced; None if nobody can tell."""


class Chosen(NamedTuple):
    """What is listed: some bans, of how many they are, and how many of these cannot be read."""

    shown: Sequence[Shown]
    total: int
    unreadable: int = 0


def chosen(  # noqa: PLR0913 - what is known, what is asked for, and how it is shown
    standing: Sequence[StandingBan],
    book: BanBook,
    selection: Selection,
    unreadable: Sequence[Unreadable] = (),
    *,
    sort: str,
    limit: int,
    skip: int = 0,
    now_ms: int,
    also: Callable[[StandingBan], bool] | None = None,
) -> Chosen:
    """Choose the bans that run and are asked for, sorted; then those that cannot be read.

    Args:
        standing: The last ban of every offender.
        book: Where one is read anew that cannot be read there.
        selection: Which are asked for.
        unreadable: What the book told while it read them all.
        sort: The name of their order, in `SORTS`.
        limit: So many are shown; 0 for all.
        skip: So many before them are not.
        now_ms: The time.
        also: Tells of a ban whether it is asked for by something else, too.
    """
    # What is told of a ban may be broken while the offender's own item is whole.
    anew = [_read_anew(book, each.who) for each in standing if each.ban is UNREADABLE]
    named = {each.why.item for each in anew if each.why}
    readable = [StandingBan(each.who, each.ban) for each in anew if each.who and not each.why]
    sound = [
        each for each in chain(standing, readable) if each.ban.until_ms >= now_ms and each.ban is not UNREADABLE
    ]
    broken = [each for each in anew if each.why]
    if selection != Selection():
        is_asked_for = selection.whose()
        sound = [each for each in sound if selection.takes(each.ban, now_ms) and is_asked_for(*each.who)]
        broken = [each for each in broken if each.who and is_asked_for(*each.who)]
    if also:
        sound = list(filter(also, sound))
    nameless = [Shown(None, UNREADABLE, each) for each in unreadable if each.item not in named]
    end = skip + limit if limit else None
    first = heapq.nsmallest(end, sound, SORTS[sort]) if end else sorted(sound, key=SORTS[sort])
    # Whatever cannot be read is on every page: somebody has to see it.
    return Chosen(
        [*(Shown(each.who, each.ban) for each in first[skip:end]), *broken, *nameless],
        len(sound) + len(broken) + len(nameless),
        len(broken) + len(nameless),
    )


def _read_anew(book: BanBook, who: OffenderId) -> Shown:
    try:
        return Shown(who, book.offender(who).ban or UNREADABLE)
    except Unreadable as error:
        return Shown(who, UNREADABLE, error)


def rows(  # noqa: PLR0913, PLR0917 - all that says how far a ban is enforced
    bans: Sequence[Shown],
    blocklists: Sequence[Blocklist],
    notes: Mapping[str, Notes],
    allowed: Networks,
    noted: Noted | None,
    tell: Callable[[str], object],
) -> tuple[list[Row], int | None]:
    """Say how far each ban is enforced, by what was noted if that tells; tell also when the IP sets were so.

    Args:
        bans: The bans.
        blocklists: Whose IP sets are looked into where the notes do not tell.
        notes: What the enforcers noted.
        allowed: The allowlist, and ignoreip of all jails.
        noted: What they noted of the IP sets of late.
        tell: Told in one line if the IP sets cannot be looked into.
    """
    if noted:
        places = noted_places(noted, notes)
        with suppress(NotNoted):
            return [(each, _state(each, places, allowed)) for each in bans], noted.seen_ms
    read = _places(blocklists, notes, tell)
    found = [(each, _state(each, read.by_blocklist, allowed)) for each in bans]
    return found, SystemClock().now_ms() if read.by_blocklist else None


def _places(blocklists: Sequence[Blocklist], notes: Mapping[str, Notes], tell: Callable[[str], object]) -> Places:
    """Look into the IP sets; whoever may not still sees the bans."""
    try:
        return look_into(open_ip_sets(blocklists), blocklists, notes)
    except F2bError as error:
        tell(f"the IP sets cannot be looked into: {error}")
        return Places(notes=notes)


def _state(each: Shown, places: Mapping[str, Place] | Mapping[str, NotedPlace], allowed: Networks) -> State | None:
    if each.who is None or not is_key(each.who.key):
        return State.UNREADABLE
    return state_of(each.who.key, each.ban, places, allowed)


def row_object(each: Shown, state: State | None) -> dict[str, Any]:
    """Return a ban of the list as a JSON object."""
    if each.why or each.who is None:
        return {**unreadable_object(each.who), "state": State.UNREADABLE, "why": str(each.why)}
    return {**ban_object(each.who, each.ban), "state": state, "why": None}
