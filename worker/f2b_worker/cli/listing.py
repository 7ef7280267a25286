"""`f2b list`: the running bans, how far each is enforced, and what the enforcers noted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from f2b_worker.adapters.caller import act_as
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.cli.options import config_option, settings_options, subcommand_config, subcommand_settings
from f2b_worker.cli.places import Places, look_into, open_ip_sets, read_notes
from f2b_worker.cli.show import ban_object, ban_table, note_lines, notes_object, unreadable_object
from f2b_worker.config.jails_file import read_jails
from f2b_worker.config.settings import WorkerSettings
from f2b_worker.domain.judge.enforcement import State, state_of
from f2b_worker.domain.judge.verdicts import UNREADABLE
from f2b_worker.errors import F2bError, Unreadable
from f2b_worker.process.assembly import chosen_blocklists, open_ban_book, open_notebooks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from f2b_worker.config.jails_file import Jails
    from f2b_worker.domain.judge.verdicts import Ban, OffenderId
    from f2b_worker.ports import BanBook, Notes

_SETS_HINT = "name the IP sets with --ip-set or --config to see which bans are in them"


class Shown(NamedTuple):
    """One ban of the list: whose, and the error that names its item where it cannot be read."""

    who: OffenderId | None
    ban: Ban
    why: Unreadable | None = None


@click.command(epilog="Example: f2b list --table f2b --ip-set f2b --config f2b.toml")
@settings_options(WorkerSettings, "table", "state", "ip_set", "scope")
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each ban, one a line.")
@click.option(
    "--notes",
    "only_notes",
    is_flag=True,
    help="Show only what the enforcers noted: with --json one object for each Region.",
)
def bans(*, as_json: bool, only_notes: bool, config: Path | None, **given: Any) -> None:
    """Show the active bans in the ledger, and how far each is enforced. Those that end first are on top.

    enforced: it is in its IP set. covered: a network around it is. waiting: it is to be written. held_back: the
    surge guard keeps it out. left_out: its IP sets are full. allowlisted: ignoreip of all jails has it. observed:
    its jail bans nobody. no_ip_set: its blocklist has none. unreadable: its item cannot be read.
    ?: no IP set of its blocklist is named.
    The command looks into the IP sets that are named by option or in the file. After the bans it shows what the
    enforcers noted.
    """
    act_as("bans")
    settings = subcommand_settings(given, config, needs_queue=False)
    jails = read_jails(subcommand_config(config))
    unreadable: list[Unreadable] = []
    running = [] if only_notes else _running(open_ban_book(settings, aside=unreadable.append), unreadable)
    lost: list[Unreadable] = []
    notes = read_notes(open_notebooks(settings, aside=lost.append, writing=False))
    if not only_notes:
        _show_bans(running, _places(jails, settings, notes), jails, as_json=as_json)
    if only_notes and as_json:
        for region, each in notes.items():
            click.echo(json.dumps(notes_object(region, each)))
    elif not as_json:
        for line in note_lines(notes):
            click.echo(line)
    for error in lost:
        click.echo(f"unreadable: {error}", err=True)


def _running(book: BanBook, unreadable: Sequence[Unreadable]) -> list[Shown]:
    """Read the bans that run, those first that end first; then those that cannot be read."""
    now_ms = SystemClock().now_ms()
    named: set[str] = set()
    running: list[Shown] = []
    broken: list[Shown] = []
    for who, ban in ((each.who, each.ban) for each in book.standing()):
        # What is told of a ban may be broken while the offender's own item is whole.
        shown = _read_anew(book, who) if ban is UNREADABLE else Shown(who, ban)
        if shown.why:
            named.add(shown.why.item)
            broken.append(shown)
        elif shown.ban.until_ms >= now_ms:
            running.append(shown)
    running.sort(key=lambda each: each.ban.until_ms)
    return running + broken + [Shown(None, UNREADABLE, each) for each in unreadable if each.item not in named]


def _read_anew(book: BanBook, who: OffenderId) -> Shown:
    try:
        return Shown(who, book.offender(who).ban or UNREADABLE)
    except Unreadable as error:
        return Shown(who, UNREADABLE, error)


def _places(jails: Jails, settings: WorkerSettings, notes: dict[str, Notes]) -> Places:
    """Look into the IP sets; whoever may not still sees the bans."""
    blocklists = chosen_blocklists(jails, settings)
    try:
        return look_into(open_ip_sets(blocklists), blocklists, notes)
    except F2bError as error:
        click.echo(f"the IP sets cannot be looked into: {error}", err=True)
        return Places(notes=notes)


def _show_bans(running: Iterable[Shown], places: Places, jails: Jails, *, as_json: bool) -> None:
    rows = [(each, _state(each, places, jails)) for each in running]
    if as_json:
        for each, state in rows:
            click.echo(json.dumps(_object(each, state)))
        return
    known = [(each.who, each.ban, state) for each, state in rows if each.who]
    for line in ban_table([(who, ban) for who, ban, _ in known], [state for _, _, state in known]):
        click.echo(line)
    for line in _remarks(rows):
        click.echo(line, err=True)


def _state(shown: Shown, places: Places, jails: Jails) -> State | None:
    if shown.who is None:
        return State.UNREADABLE
    try:
        return state_of(shown.who.key, shown.ban, places.by_blocklist, jails.allowed)
    except ValueError:  # what stands in the place of the key is no address
        return State.UNREADABLE


def _object(shown: Shown, state: State | None) -> dict[str, Any]:
    if shown.why:
        return unreadable_object(shown.who, shown.why)
    assert shown.who
    return ban_object(shown.who, shown.ban) | {"state": state}


def _remarks(rows: Iterable[tuple[Shown, State | None]]) -> Iterator[str]:
    if any(state is None for _, state in rows):
        yield _SETS_HINT
    yield from (f"unreadable: {each.why}" for each, _ in rows if each.why)
