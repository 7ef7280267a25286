"""`f2b list`: the running bans, how far each is enforced, and what the enforcers noted."""

from __future__ import annotations

import heapq
from contextlib import suppress
from dataclasses import fields
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import click

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.cli.operator_options import ledger_options, settings_of
from f2b_worker.cli.output import JSON, TABLE, Listing, listing_options, remark, say_lines, show
from f2b_worker.cli.places import (
    Places,
    live_option,
    look_into,
    noted_places,
    noted_sets,
    open_ip_sets,
    read_notes,
)
from f2b_worker.cli.selection import SORTS, Selection, selection_options
from f2b_worker.cli.show import (
    BAN_KEYS,
    NOTE_KEYS,
    ban_object,
    ban_table,
    duration,
    note_lines,
    notes_object,
    time_object,
    unreadable_object,
)
from f2b_worker.cli.watching import shown, watch_option
from f2b_worker.config.jails_file import read_jails
from f2b_worker.domain.acts.allowlist import with_entries
from f2b_worker.domain.addresses import is_key
from f2b_worker.domain.jails import SECOND_MS
from f2b_worker.domain.judge.enforcement import NotNoted, State, state_of
from f2b_worker.domain.judge.verdicts import UNREADABLE
from f2b_worker.errors import F2bError, Unreadable
from f2b_worker.ports import StandingBan
from f2b_worker.process.opening import chosen_blocklists, open_acts, open_ban_book, open_notebooks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from f2b_worker.cli.places import Noted
    from f2b_worker.config.jails_file import Jails
    from f2b_worker.config.operator import OperatorSettings
    from f2b_worker.domain.blocklists import Blocklist
    from f2b_worker.domain.judge.enforcement import NotedPlace, Place
    from f2b_worker.domain.judge.verdicts import Ban, OffenderId
    from f2b_worker.domain.networks import Networks
    from f2b_worker.ports import BanBook, Notes

_SETS_HINT = "name the IP sets with --ip-set or --config to see which bans are in them"
_SHOWN_OF_A_TABLE = 100
LIST_KEYS = (*BAN_KEYS, "state", "why")


class Shown(NamedTuple):
    """One ban of the list: whose, and the error that names its item where it cannot be read."""

    who: OffenderId | None
    ban: Ban
    why: Unreadable | None = None


Row: TypeAlias = "tuple[Shown, State | None]"
"""A ban, and how far it is enforced; None if nobody can tell."""


class Chosen(NamedTuple):
    """What is listed: the bans up to the limit, and of how many they are the first."""

    shown: Sequence[Shown]
    total: int


@click.command("list", epilog="Example: f2b list --table f2b --ip-set f2b --since 1h")
@selection_options
@click.option(
    "--sort", type=click.Choice(tuple(SORTS)), default="until", show_default=True, help="What is on top."
)
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    metavar="N",
    help="Show the first N; 0 shows all. A table shows 100 by default, every other form all.",
)
@watch_option
@live_option
@ledger_options("ip_set", "scope")
@click.option("--notes", "only_notes", is_flag=True, help="Show only what the enforcers noted.")
@listing_options
def list_bans(  # noqa: PLR0913
    *, form: str, only_notes: bool, sort: str, limit: int | None, every_s: float | None, live: bool, **given: Any
) -> None:
    """List the running bans, and how far each is enforced.

    enforced: it is in its IP set. covered: a network around it is. waiting: it is to be written. held_back: the
    surge guard keeps it out. left_out: its IP sets are full. allowlisted: the allowlist, or ignoreip of all jails,
    has it. observed: its jail bans nobody. no_ip_set: its blocklist has none. unreadable: its item cannot be read.
    ?: no IP set of its blocklist is named.
    The states are about the IP sets that are named by option or in the file. The worker that enforces notes how
    they are, and the command reads that note, which is at most 90 seconds old. Where there is none, or it does not
    tell of each ban that is shown, the command asks WAF. After the bans it shows what the enforcers noted.
    """
    selection = Selection(**{each.name: given.pop(each.name) for each in fields(Selection)})
    settings = settings_of(given, role="list")
    jails = read_jails(settings.config)
    if only_notes:
        shown(partial(_show_notes, settings, form), every_s)
        return
    limit = (_SHOWN_OF_A_TABLE if form == TABLE else 0) if limit is None else limit
    show_them = partial(_show_bans, settings, jails, selection, sort=sort, limit=limit, live=live, form=form)
    shown(show_them, every_s)


def _show_bans(  # noqa: PLR0913
    settings: OperatorSettings,
    jails: Jails,
    selection: Selection,
    *,
    sort: str,
    limit: int,
    live: bool,
    form: str,
) -> None:
    unreadable: list[Unreadable] = []
    lost: list[Unreadable] = []
    book = open_ban_book(settings, aside=unreadable.append)
    chosen = _chosen(book, selection, unreadable, sort=sort, limit=limit)
    notes = read_notes(open_notebooks(settings, aside=lost.append, writing=False))
    now_ms = SystemClock().now_ms()
    entries = open_acts(settings, aside=lost.append).allowlist()
    allowed = with_entries(jails.allowed, entries, now_ms)
    blocklists = chosen_blocklists(jails, settings)
    noted = None if live else noted_sets(blocklists, notes, now_ms)
    rows, seen_ms = _rows(chosen.shown, blocklists, notes, allowed, noted)
    show(
        Listing(
            "bans",
            [_object(each, state) for each, state in rows],
            _table(rows),
            plain="ip",
            keys=LIST_KEYS,
            more={"shown": len(rows), "total": chosen.total, **time_object("sets_seen", seen_ms)},
        ),
        form,
    )
    if form == TABLE:
        say_lines(note_lines(notes))
    for line in _remarks(rows, chosen, lost, form):
        remark(line)
    if seen_ms is not None and seen_ms < now_ms:
        ago = duration((now_ms - seen_ms) // SECOND_MS * SECOND_MS)
        remark(f"states as noted by who enforces, IP sets seen {ago} ago; --live asks WAF")


def _show_notes(settings: OperatorSettings, form: str) -> None:
    lost: list[Unreadable] = []
    notes = read_notes(open_notebooks(settings, aside=lost.append, writing=False))
    rows = [notes_object(region, each) for region, each in notes.items()]
    show(Listing("notes", rows, note_lines(notes), plain="region", keys=NOTE_KEYS), form)
    for error in lost:
        remark(f"unreadable: {error}")


def _chosen(
    book: BanBook, selection: Selection, unreadable: Sequence[Unreadable], *, sort: str, limit: int
) -> Chosen:
    """Read the bans that run and are asked for, sorted; then those that cannot be read."""
    now_ms = SystemClock().now_ms()
    standing = book.standing()
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
    nameless = [Shown(None, UNREADABLE, each) for each in unreadable if each.item not in named]
    first = heapq.nsmallest(limit, sound, SORTS[sort]) if limit else sorted(sound, key=SORTS[sort])
    return Chosen(
        [*(Shown(each.who, each.ban) for each in first), *broken, *nameless],
        len(sound) + len(broken) + len(nameless),
    )


def _read_anew(book: BanBook, who: OffenderId) -> Shown:
    try:
        return Shown(who, book.offender(who).ban or UNREADABLE)
    except Unreadable as error:
        return Shown(who, UNREADABLE, error)


def _rows(
    bans: Sequence[Shown],
    blocklists: Sequence[Blocklist],
    notes: Mapping[str, Notes],
    allowed: Networks,
    noted: Noted | None,
) -> tuple[list[Row], int | None]:
    """Say how far each ban is enforced, by what was noted if that tells; tell also when the IP sets were so."""
    if noted:
        places = noted_places(noted, notes)
        with suppress(NotNoted):
            return [(each, _state(each, places, allowed)) for each in bans], noted.seen_ms
    read = _places(blocklists, notes)
    rows = [(each, _state(each, read.by_blocklist, allowed)) for each in bans]
    return rows, SystemClock().now_ms() if read.by_blocklist else None


def _places(blocklists: Sequence[Blocklist], notes: Mapping[str, Notes]) -> Places:
    """Look into the IP sets; whoever may not still sees the bans."""
    try:
        return look_into(open_ip_sets(blocklists), blocklists, notes)
    except F2bError as error:
        remark(f"the IP sets cannot be looked into: {error}")
        return Places(notes=notes)


def _state(each: Shown, places: Mapping[str, Place] | Mapping[str, NotedPlace], allowed: Networks) -> State | None:
    if each.who is None or not is_key(each.who.key):
        return State.UNREADABLE
    return state_of(each.who.key, each.ban, places, allowed)


def _object(each: Shown, state: State | None) -> dict[str, Any]:
    if each.why or each.who is None:
        return {**unreadable_object(each.who), "state": State.UNREADABLE, "why": str(each.why)}
    return {**ban_object(each.who, each.ban), "state": state, "why": None}


def _table(rows: Sequence[Row]) -> Iterator[str]:
    known = [(each.who, each.ban, state) for each, state in rows if each.who]
    yield from ban_table([(who, ban) for who, ban, _ in known], [state for _, _, state in known])


def _remarks(rows: Sequence[Row], chosen: Chosen, lost: Sequence[Unreadable], form: str) -> Iterator[str]:
    if len(rows) < chosen.total:
        all_hint = "; --limit 0 shows all" if form != JSON else ""
        yield f"{len(rows):,} of {chosen.total:,}{all_hint}"
    if any(state is None for _, state in rows):
        yield _SETS_HINT
    yield from (f"unreadable: {each.why}" for each, _ in rows if each.why)
    yield from (f"unreadable: {error}" for error in lost)
