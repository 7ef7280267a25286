"""The table of bans, as several pages have it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.dashboard.rendering import link
from f2b_worker.domain.addresses import display, is_key
from f2b_worker.domain.judge.enforcement import State
from f2b_worker.domain.judge.verdicts import UNREADABLE
from f2b_worker.query.wording import SHOWN_CHARACTERS, is_elsewhere, ordinal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from f2b_worker.query.pages import BanRow

_TONES = {
    State.ENFORCED: "good",
    State.COVERED: "good",
    State.WAITING: "warn",
    State.HELD_BACK: "warn",
    State.LEFT_OUT: "bad",
    State.NO_IP_SET: "bad",
    State.UNREADABLE: "bad",
}

MEANINGS: Mapping[State, str] = {
    State.ENFORCED: "It is in its IP set.",
    State.COVERED: "A network around it is in the IP set.",
    State.WAITING: "It is written next.",
    State.HELD_BACK: "The surge guard keeps it out. Look, then release.",
    State.LEFT_OUT: "Its IP sets are full.",
    State.ALLOWLISTED: "The allowlist has it: nobody is blocked.",
    State.OBSERVED: "Its jail only observes: nobody is blocked.",
    State.NO_IP_SET: "Its blocklist has no IP set for it.",
    State.UNREADABLE: "Its item in the ledger cannot be read.",
}
"""What each word in the column says, in one sentence."""


class Standing(NamedTuple):
    """How far a ban is enforced: a word, and how good that is."""

    word: str
    tone: str = ""


class Column(NamedTuple):
    """The head of one column.

    Attributes:
        href: What sorts by it; empty if nothing does.
        order: How it is sorted, in ARIA's words.
    """

    name: str
    href: str = ""
    order: str = "none"
    is_right: bool = False

    @property
    def is_sorted(self) -> bool:
        """Whether the table is sorted by it."""
        return self.order != "none"


class Caption(NamedTuple):
    """What stands over a table."""

    text: str
    columns: tuple[Column, ...]
    is_seen: bool = True


class Line(NamedTuple):
    """One ban; None for what cannot be read."""

    address: str
    href: str
    country: str | None
    jail: str
    number: str
    since_ms: int | None
    until_ms: int | None
    state: Standing
    where: str
    note: str


_SORTS = {"Address": ("ip", "ascending"), "Jail": ("jail", "ascending"), "Ban": ("count", "descending")} | {
    "Since": ("start", "descending"),
    "Left": ("until", "ascending"),
}


def columns(sort: str = "", *, country: bool, url: str = "", **query: str) -> tuple[Column, ...]:
    """Return the heads of the table.

    Args:
        sort: By what it is sorted; empty if that cannot be chosen.
        country: Whether it says countries.
        url: The page that sorts it.
        query: What else that page was asked for.
    """
    names = ("Address", "Country", "Jail", "Ban", "Since", "Left", "In WAF", "Note")
    return tuple(_column(name, sort, url, query) for name in names if country or name != "Country")


def _column(name: str, sort: str, url: str, query: Mapping[str, str]) -> Column:
    by, order = _SORTS.get(name, ("", "none"))
    if not sort or not by:
        return Column(name, is_right=name == "Ban")
    href = link(url, **{**query, "sort": by})
    return Column(name, href, order if sort == by else "none", name == "Ban")


def standing_of(state: State | None) -> Standing:
    """Write how far a ban is enforced."""
    return Standing("unknown") if state is None else Standing(state.replace("_", " "), _TONES.get(state, ""))


def lines(rows: Iterable[BanRow]) -> list[Line]:
    """Write bans."""
    return [_line(row) for row in rows]


def _line(row: BanRow) -> Line:
    if row.who is None or row.ban is UNREADABLE:
        key, jail = (row.who.key, row.who.jail) if row.who else ("?", "?")
        href = _href(key) if row.who else ""
        why = str(row.why) if row.why else ""
        return Line(_shown(key), href, None, jail, "?", None, None, standing_of(State.UNREADABLE), "", why)
    ban, key = row.ban, row.who.key
    where = f"in {', '.join(ban.blocklists)}" if is_elsewhere(ban) else ""
    number, state = ordinal(ban.count), standing_of(row.state)
    return Line(
        _shown(key),
        _href(key),
        row.country,
        row.who.jail,
        number,
        ban.start_ms,
        ban.until_ms,
        state,
        where,
        row.note,
    )


def _href(key: str) -> str:
    return link(f"/address/{display(key)}") if is_key(key) else ""


def _shown(key: str) -> str:
    return display(key)[:SHOWN_CHARACTERS]
