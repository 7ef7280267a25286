"""Pages of bans, from what is known of a fleet; more of single bans is read from a ledger in memory."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from f2b_worker.config.operator import OperatorSettings
from f2b_worker.domain.jails import DAY_MS, MINUTE_MS
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.enforcement import JUDGED_WITHIN_MS, NotedPlace
from f2b_worker.domain.judge.infractions import noted_id
from f2b_worker.domain.judge.verdicts import Ban, Hit, Offender, OffenderId
from f2b_worker.domain.networks import Networks
from f2b_worker.domain.noted_sets import NotedGroup, NotedSet
from f2b_worker.errors import Unavailable, Unreadable
from f2b_worker.query import ban_pages, countries, selection
from f2b_worker.query.ban_pages import BanPages
from f2b_worker.query.following import Snapshot
from f2b_worker.query.looking import Seen
from f2b_worker.query.search import Search
from f2b_worker.query.status import Status
from f2b_worker.testing import FakeClock, MemoryCountries, MemoryLedger

if TYPE_CHECKING:
    from collections.abc import Collection

    from f2b_worker.errors import F2bError

NOW_MS = FakeClock().now_ms()
NUMBER = 120


class Ledger(MemoryLedger):
    """A ledger that counts of how many bans it is asked for more, and may not answer."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[OffenderId] = []
        self.failure: F2bError | None = None

    def last_bans(self, whom: Collection[OffenderId]) -> dict[OffenderId, Ban | F2bError]:
        self.asked += whom
        return dict.fromkeys(whom, self.failure) if self.failure else super().last_bans(whom)


class Pages:
    """120 bans of two jails, of which each began a second after the one before, and ends a second before it."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        for number in range(NUMBER):
            who = OffenderId("login" if number % 2 else "ssh", f"203.0.113.{number}/32")
            hit = Hit(NOW_MS, noted_id(f"i{number}@web-1", f"POST /login as user{number}"))
            start_ms = NOW_MS - DAY_MS + number * 1000
            ban = Ban(start_ms, NOW_MS + DAY_MS - number * 1000, 1 + number % 3, MINUTE_MS, evidence=(hit,))
            self.ledger.commit({who: Decision(Offender(), ban)})
        self.noted: dict[str, Any] = {"out": (), "held_back": ()}
        self.pages = BanPages(OperatorSettings(), FakeClock())

    @property
    def known(self) -> Snapshot:
        sets = (NotedSet("f2b-ipv4", NUMBER, NOW_MS),)
        place = NotedPlace({4: NotedGroup("block", 4, sets, **self.noted)}, NOW_MS)
        return Snapshot(
            NOW_MS,
            Status("f2b", NOW_MS, {}, Seen([], None, {})),
            self.ledger.standing(),
            allowed=Networks(["203.0.113.8"]),
            places={"block": place},
        )

    def keys(self, search: Search | None = None, sort: str = "until", page: int = 1) -> list[int]:
        """The last numbers of the addresses of a page."""
        found = self.pages.page(self.known, search or Search(), sort, page)
        return [int(each.who.key.removesuffix("/32").rpartition(".")[2]) for each in found.rows if each.who]

    def states(self) -> dict[int, str | None]:
        found = self.pages.page(self.known, Search(), "ip", 1, NUMBER).rows
        return {number: each.state for number, each in enumerate(found)}


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> Pages:
    registered = MemoryCountries({"203.0.113.0/29": "RU"})
    for module in (countries, selection):
        monkeypatch.setattr(module, "open_countries", lambda: registered)
    made = Pages()
    monkeypatch.setattr(ban_pages, "open_ban_book", lambda *_, **__: made.ledger)
    return made


@pytest.mark.parametrize(("page", "first", "last"), [(1, 1, 50), (2, 51, 100), (3, 101, 120)])
def test_each_ban_is_on_one_page_and_the_page_says_which_they_are(
    pages: Pages, page: int, first: int, last: int
) -> None:
    found = pages.pages.page(pages.known, Search(), "ip", page)
    assert (found.total, found.page, found.pages, found.first, found.last) == (NUMBER, page, 3, first, last)
    assert pages.keys(sort="ip", page=page) == list(range(first - 1, last))


@pytest.mark.parametrize(("page", "shown"), [(0, 1), (-7, 1), (4, 3), (10**9, 3)])
def test_a_page_that_is_not_there_is_the_nearest_one(pages: Pages, page: int, shown: int) -> None:
    assert pages.pages.page(pages.known, Search(), "ip", page).page == shown


def test_where_there_is_no_ban_there_is_one_empty_page(pages: Pages) -> None:
    found = pages.pages.page(pages.known, Search(jail="nobody"), "until", 3)
    assert (found.rows, found.total, found.page, found.pages, found.first, found.last) == ([], 0, 1, 1, 0, 0)


@pytest.mark.parametrize(
    ("sort", "first"), [("until", 119), ("start", 119), ("ip", 0), ("count", 2), ("no such order", 119)]
)
def test_bans_are_in_the_order_that_somebody_asks_for(pages: Pages, sort: str, first: int) -> None:
    assert pages.keys(sort=sort)[0] == first


def test_each_ban_says_where_its_address_is_registered_and_what_its_last_infraction_was(pages: Pages) -> None:
    rows = pages.pages.page(pages.known, Search(), "ip").rows
    assert [each.country for each in rows[6:10]] == ["RU", "RU", None, None]
    assert rows[7].note == "POST /login as user7"
    assert rows[7].as_object()["note"] == rows[7].note


@pytest.mark.parametrize(
    ("search", "number"),
    [
        (Search(jail="login"), 60),
        (Search(country="ru"), 8),
        (Search(q="ssh"), 60),
        (Search(q="203.0.113.64/26"), 56),
        (Search(by="cli"), 0),
        (Search(by="judge", jail="ssh", q="203.0.113.0/28"), 8),
    ],
)
def test_what_is_chosen_and_what_is_typed_both_count(pages: Pages, search: Search, number: int) -> None:
    assert pages.pages.page(pages.known, search, "until").total == number


class TestStates:
    def test_each_ban_says_how_far_it_is_enforced(self, pages: Pages) -> None:
        pages.noted = {"out": ("203.0.113.3/32",)}
        states = pages.states()
        assert [states[number] for number in (2, 3, 8)] == ["enforced", "waiting", "allowlisted"]

    def test_a_state_can_be_looked_for(self, pages: Pages) -> None:
        pages.noted = {"out": ("203.0.113.3/32", "203.0.113.5/32")}
        assert pages.keys(Search(state="waiting"), "ip") == [3, 5]
        assert pages.keys(Search(state="waiting", q="203.0.113.5")) == [5]
        assert pages.pages.page(pages.known, Search(state="enforced"), "ip").total == NUMBER - 3

    def test_where_the_enforcer_did_not_note_it_nobody_knows_it(self, pages: Pages) -> None:
        pages.noted = {"out": None}
        assert set(pages.states().values()) == {None, "allowlisted"}

    def test_a_ban_that_is_too_new_for_the_note_is_not_said_to_be_enforced(self, pages: Pages) -> None:
        who = OffenderId("login", "203.0.113.200/32")
        for start_ms, state in ((NOW_MS + 1, "waiting"), (NOW_MS - JUDGED_WITHIN_MS + 1, None)):
            ban = Ban(start_ms, NOW_MS + DAY_MS, 1, MINUTE_MS)
            pages.ledger.amend(who, lambda seen, ban=ban: Offender(ban=ban, revision=seen.revision + 1))  # type: ignore[misc]
            assert pages.pages.page(pages.known, Search(q="203.0.113.200"), "ip").rows[0].state == state


class TestNotes:
    def test_a_word_of_a_note_can_be_looked_for(self, pages: Pages) -> None:
        assert pages.keys(Search(note="USER11"), "ip") == [11, *range(110, 120)]
        assert pages.keys(Search(note="user11", jail="login"), "ip") == [11, 111, 113, 115, 117, 119]
        assert pages.pages.page(pages.known, Search(note="user11"), "ip").remark == ""

    def test_it_is_said_where_not_all_were_looked_at(self, pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ban_pages, "NOTES_LOOKED_AT", 100)
        found = pages.pages.page(pages.known, Search(note="user1"), "ip")
        assert found.remark == "only the newest 100 of 120 bans were searched for this note"
        assert len(found.rows) == 20  # of 100 to 119, since 0 to 19 are the oldest

    def test_the_notes_of_a_page_are_read_once_while_its_bans_stay_as_they_are(self, pages: Pages) -> None:
        pages.keys()
        assert len(pages.ledger.asked) == 50
        pages.keys()
        assert len(pages.ledger.asked) == 50

    def test_a_ban_that_changed_is_read_again(self, pages: Pages) -> None:
        pages.keys(sort="ip")
        who = OffenderId("login", "203.0.113.7/32")
        longer = Ban(NOW_MS, NOW_MS + 2 * DAY_MS, 2, MINUTE_MS, evidence=(Hit(NOW_MS, noted_id("new", "later")),))
        pages.ledger.commit({who: Decision(pages.ledger.offender(who), longer)})
        assert pages.pages.page(pages.known, Search(), "ip").rows[7].note == "later"
        assert pages.ledger.asked[50:] == [who]

    def test_a_page_is_shown_without_notes_where_these_cannot_be_read(self, pages: Pages) -> None:
        pages.ledger.failure = Unavailable("DynamoDB is away")
        rows = pages.pages.page(pages.known, Search(), "ip").rows
        assert len(rows) == 50
        assert {each.note for each in rows} == {""}

    def test_a_ledger_that_is_known_to_be_away_is_not_asked_for_notes_and_those_that_are_known_stay(
        self, pages: Pages
    ) -> None:
        away = replace(pages.known, is_ledger_away=True, problem="DynamoDB is away")
        assert pages.pages.page(away, Search(), "ip").rows[7].note == ""
        assert pages.ledger.asked == []
        pages.keys(sort="ip")
        pages.ledger.asked.clear()
        assert pages.pages.page(away, Search(), "ip").rows[7].note == "POST /login as user7"
        assert pages.ledger.asked == []

    def test_whoever_looks_for_a_note_hears_that_they_cannot_be_read(self, pages: Pages) -> None:
        pages.ledger.failure = Unavailable("DynamoDB is away")
        with pytest.raises(Unavailable):
            pages.keys(Search(note="user"))


def test_a_ban_that_cannot_be_read_is_on_every_page_with_the_reason(
    pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = OffenderId("login", "203.0.113.7/32")
    broken = Unreadable("offender", "ip#203.0.113.7/32 s#login", "ban", "repair it")
    pages.ledger.unreadable.add(who)
    assert pages.pages.page(pages.known, Search(q="203.0.113.7"), "ip").rows[0].state == "enforced"  # read anew
    monkeypatch.setattr(pages.ledger, "offender", lambda _: raises(broken))
    for page in (1, 2, 3):
        found = pages.pages.page(pages.known, Search(), "ip", page)
        assert (found.total, found.pages) == (NUMBER, 3)
        assert [(each.who, each.state) for each in found.rows if each.why] == [(who, "unreadable")]
    assert found.rows[-1].as_object()["why"] == str(broken)


def raises(error: Exception) -> NoReturn:
    raise error


class TestMemo:
    def test_the_same_page_of_the_same_snapshot_is_made_once(self, pages: Pages) -> None:
        known = replace(pages.known, number=7)
        first = pages.pages.page(known, Search(q="ssh"), "ip")
        assert pages.pages.page(replace(known, at_ms=NOW_MS + 1), Search(q="ssh"), "ip") is first
        assert pages.pages.page(known, Search(q="login"), "ip") is not first
        assert pages.pages.page(known, Search(q="ssh"), "until") is not first

    def test_a_page_of_another_snapshot_is_made_anew(self, pages: Pages) -> None:
        known = replace(pages.known, number=7)
        first = pages.pages.page(known, Search(), "ip")
        assert pages.pages.page(replace(known, number=8), Search(), "ip") is not first
        assert pages.pages.page(pages.known, Search(), "ip") is not pages.pages.page(pages.known, Search(), "ip")

    def test_a_page_that_lacks_its_notes_is_made_again(self, pages: Pages) -> None:
        known = replace(pages.known, number=7)
        pages.ledger.failure = Unavailable("DynamoDB is away")
        assert pages.pages.page(known, Search(), "ip").rows[7].note == ""
        pages.ledger.failure = None
        assert pages.pages.page(known, Search(), "ip").rows[7].note == "POST /login as user7"


@pytest.mark.parametrize(
    "search", [Search(), Search(q="203.0.113.7"), Search(state="held_back"), Search(note="login")]
)
def test_a_search_keeps_its_book_open_no_longer_than_it_looks(
    pages: Pages, search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    books: list[weakref.ref[Ledger]] = []

    def open_one(*_: object, **__: object) -> Ledger:
        book = Ledger()
        books.append(weakref.ref(book))
        return book

    monkeypatch.setattr(ban_pages, "open_ban_book", open_one)
    gc.disable()  # which would come late, and meanwhile each search would hold a file handle and all bans
    try:
        pages.keys(search)
        assert [each() for each in books] == [None]
    finally:
        gc.enable()
