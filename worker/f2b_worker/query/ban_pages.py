"""Bans that somebody looks for, a page at a time, from what is known of the fleet."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from f2b_worker.domain.addresses import is_key
from f2b_worker.domain.judge.enforcement import NotNoted, State, state_of
from f2b_worker.errors import F2bError
from f2b_worker.ports import StandingBan
from f2b_worker.process.opening import open_ban_book
from f2b_worker.query.bans import chosen
from f2b_worker.query.countries import countries_if_known
from f2b_worker.query.memo import Memo
from f2b_worker.query.notes import NotesOfBans
from f2b_worker.query.pages import PER_PAGE, BanPage, BanRow
from f2b_worker.query.selection import SORTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from f2b_worker.config.operator import OperatorSettings
    from f2b_worker.domain.judge.verdicts import Ban, OffenderId
    from f2b_worker.ports import BanBook, Clock
    from f2b_worker.query.bans import Chosen, Shown
    from f2b_worker.query.following import Snapshot
    from f2b_worker.query.search import Search

NOTES_LOOKED_AT = 1_000
"""The notes of so many bans, the newest of those that are looked for, are searched: each has to be read."""


class BanPages:
    """Makes pages of bans; any number of threads at once.

    Args:
        settings: They say where the ledger is.
        clock: The time.
    """

    def __init__(self, settings: OperatorSettings, clock: Clock) -> None:
        self.clock = clock
        self.countries = countries_if_known()
        self.notes = NotesOfBans()
        self._settings = settings
        self._memo = Memo[BanPage](clock)

    def page(self, known: Snapshot, search: Search, sort: str, page: int = 1, per_page: int = PER_PAGE) -> BanPage:
        """Choose, sort and page the running bans.

        Args:
            known: What is known of the fleet.
            search: Which are looked for.
            sort: Their order, of `SORTS`; `until` for any other.
            page: Which page, from 1 on; one that is not there is the last one.
            per_page: So many bans are a page.

        Raises:
            F2bError: If nobody can tell.
        """
        sort = sort if sort in SORTS else "until"

        def make() -> tuple[BanPage, bool]:
            looking = _Looking(self, known, search, open_ban_book(self._settings, aside=lambda _: None))
            return looking.page(sort, max(1, page), per_page), looking.is_whole

        return self._memo.of(known.number, (search, sort, page, per_page), make)


class _Looking:
    """Looks for bans once.

    Args:
        pages: What lasts from page to page.
        known: What is known of the fleet.
        search: Which bans are looked for.
        book: Where more is read of single bans.

    Attributes:
        is_whole: Whether nothing is missing that could not be read just now.
    """

    def __init__(self, pages: BanPages, known: Snapshot, search: Search, book: BanBook) -> None:
        self.is_whole = True
        self._pages = pages
        self._known = known
        self._book = book
        self._selection = search.selection
        self._remark = search.remark
        self._also = self._asked_for(search)

    def page(self, sort: str, page: int, per_page: int) -> BanPage:
        found = self._chosen(sort, per_page, (page - 1) * per_page)
        pages = max(1, -(-(found.total - found.unreadable) // per_page))
        if page > pages:
            return self.page(sort, pages, per_page)
        first, shown = (page - 1) * per_page, len(found.shown) - found.unreadable
        return BanPage(
            self._rows(found.shown),
            found.total,
            page,
            pages,
            first + 1 if shown else 0,
            first + shown,
            self._remark,
        )

    def _chosen(self, sort: str, limit: int, skip: int = 0) -> Chosen:
        return chosen(
            self._known.standing,
            self._book,
            self._selection,
            self._known.unreadable,
            sort=sort,
            limit=limit,
            skip=skip,
            now_ms=self._pages.clock.now_ms(),
            also=self._also,
        )

    def _asked_for(self, search: Search) -> Callable[[StandingBan], bool] | None:
        """Make what tells whether a ban is looked for; None if all are."""
        by_words, state, known = search.is_asked_for(), search.state.strip(), self._known

        # It refers to nothing of this object, which would keep itself, its file handle and all bans in memory.
        def fits(each: StandingBan) -> bool:
            return by_words(each) and (not state or state == _state_in(known, each.who, each.ban))

        self._also = fits if state or search.q.strip() else None
        wanted = search.note.strip().casefold()
        if not wanted:
            return self._also
        having = self._with_note(wanted)
        return lambda each: each.who in having

    def _with_note(self, wanted: str) -> set[OffenderId]:
        """Find the newest bans that have a note with these words; say if not all were looked at."""
        newest = self._chosen("start", NOTES_LOOKED_AT)
        bans = [StandingBan(each.who, each.ban) for each in newest.shown if each.who and not each.why]
        number = newest.total - newest.unreadable
        if len(bans) < number:
            self._remark = f"only the newest {len(bans):,} of {number:,} bans were searched for this note"
        notes = self._pages.notes.of(self._book, bans)
        return {who for who, each in notes.items() if any(wanted in note.casefold() for note in each)}

    def _rows(self, bans: Sequence[Shown]) -> list[BanRow]:
        notes = self._notes_of([StandingBan(each.who, each.ban) for each in bans if each.who and not each.why])
        return [self._row(each, notes.get(each.who, ()) if each.who else ()) for each in bans]

    def _notes_of(self, bans: Sequence[StandingBan]) -> Mapping[OffenderId, Sequence[str]]:
        """Tell the notes, or those that are known: the bans are there, and wait for no ledger that hangs."""
        if not self._known.is_ledger_away:
            with suppress(F2bError):
                return self._pages.notes.of(self._book, bans)
        self.is_whole = False
        return self._pages.notes.remembered(bans)

    def _row(self, each: Shown, notes: Sequence[str]) -> BanRow:
        if each.who is None or each.why:
            return BanRow(each.who, each.ban, State.UNREADABLE, why=each.why)
        countries = self._pages.countries
        country = countries.country_of(each.who.key) if countries and is_key(each.who.key) else None
        state = _state_in(self._known, each.who, each.ban)
        return BanRow(each.who, each.ban, state, country, notes[-1] if notes else "")


def _state_in(known: Snapshot, who: OffenderId, ban: Ban) -> State | None:
    """Say how far a ban is enforced, by what is known; None where that does not tell."""
    if not is_key(who.key):
        return State.UNREADABLE
    with suppress(NotNoted):
        return state_of(who.key, ban, known.places, known.allowed)
    return None
