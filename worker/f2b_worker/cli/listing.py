"""`f2b list`: the running bans, how far each is enforced, and what the enforcers noted."""

from __future__ import annotations

from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.cli.operator_options import ledger_options, settings_of
from f2b_worker.cli.output import JSON, TABLE, Listing, listing_options, remark, say_lines, show
from f2b_worker.cli.selection import selection_options
from f2b_worker.cli.show import ban_table, note_lines
from f2b_worker.cli.watching import live_option, shown, watch_option
from f2b_worker.config.jails_file import read_jails
from f2b_worker.domain.acts.allowlist import with_entries
from f2b_worker.process.opening import chosen_blocklists, open_acts, open_ban_book, open_notebooks
from f2b_worker.query.bans import LIST_KEYS, chosen, row_object, rows
from f2b_worker.query.objects import NOTE_KEYS, notes_object
from f2b_worker.query.places import noted_sets, read_notes
from f2b_worker.query.selection import SORTS, Selection
from f2b_worker.query.wording import since, time_object

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from f2b_worker.config.jails_file import Jails
    from f2b_worker.config.operator import OperatorSettings
    from f2b_worker.errors import Unreadable
    from f2b_worker.query.bans import Chosen, Row

_SETS_HINT = "name the IP sets with --ip-set or --config to see which bans are in them"
_SHOWN_OF_A_TABLE = 100


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
    begun_ms = SystemClock().now_ms()
    standing = book.standing()
    found = chosen(standing, book, selection, unreadable, sort=sort, limit=limit, now_ms=begun_ms)
    notes = read_notes(open_notebooks(settings, aside=lost.append, writing=False))
    now_ms = SystemClock().now_ms()
    entries = open_acts(settings, aside=lost.append).allowlist()
    allowed = with_entries(jails.allowed, entries, now_ms)
    blocklists = chosen_blocklists(jails, settings)
    noted = None if live else noted_sets(blocklists, notes, now_ms)
    listed, seen_ms = rows(found.shown, blocklists, notes, allowed, noted, remark)
    show(
        Listing(
            "bans",
            [row_object(each, state) for each, state in listed],
            _table(listed),
            plain="ip",
            keys=LIST_KEYS,
            more={"shown": len(listed), "total": found.total, **time_object("sets_seen", seen_ms)},
        ),
        form,
    )
    if form == TABLE:
        say_lines(note_lines(notes))
    for line in _remarks(listed, found, lost, form):
        remark(line)
    if seen_ms is not None and seen_ms < now_ms:
        remark(f"states as noted by who enforces, IP sets seen {since(seen_ms, now_ms)} ago; --live asks WAF")


def _show_notes(settings: OperatorSettings, form: str) -> None:
    lost: list[Unreadable] = []
    notes = read_notes(open_notebooks(settings, aside=lost.append, writing=False))
    rows = [notes_object(region, each) for region, each in notes.items()]
    show(Listing("notes", rows, note_lines(notes), plain="region", keys=NOTE_KEYS), form)
    for error in lost:
        remark(f"unreadable: {error}")


def _table(listed: Sequence[Row]) -> Iterator[str]:
    known = [(each.who, each.ban, state) for each, state in listed if each.who]
    yield from ban_table([(who, ban) for who, ban, _ in known], [state for _, _, state in known])


def _remarks(listed: Sequence[Row], found: Chosen, lost: Sequence[Unreadable], form: str) -> Iterator[str]:
    if len(listed) < found.total:
        all_hint = "; --limit 0 shows all" if form != JSON else ""
        yield f"{len(listed):,} of {found.total:,}{all_hint}"
    if any(state is None for _, state in listed):
        yield _SETS_HINT
    yield from (f"unreadable: {each.why}" for each, _ in listed if each.why)
    yield from (f"unreadable: {error}" for error in lost)
