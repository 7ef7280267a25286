"""How commands put out what they found: data on standard output, in one of a few forms; all else beside it."""

from __future__ import annotations

import csv
import io
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from f2b_worker.observe.printable import printable, printable_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

Command = Any

TABLE, JSON, NDJSON, CSV, PLAIN = FORMS = ("table", "json", "ndjson", "csv", "plain")
"""A table for people; one JSON document; a JSON object a line; comma-separated values; what matters most."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a command lists.

    Attributes:
        name: What the rows are, as the JSON document calls them.
        rows: JSON objects, all with the same keys.
        table: The same for people, line by line.
        plain: The one value of a row that stands alone on a line.
        keys: The keys of a row, in the order of columns.
        more: What the JSON document has besides.
    """

    name: str
    rows: Sequence[Mapping[str, Any]]
    table: Iterable[str]
    plain: str
    keys: Sequence[str]
    more: Mapping[str, Any] = field(default_factory=dict)


def listing_options(function: Callable[..., Any]) -> Command:
    """Give a command that lists the options `-o` and `--json`; it is called with the `form` that they choose."""

    @click.option("-o", "--output", type=click.Choice(FORMS), help="How to print; a table by default.")
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON document, as -o json does.")
    @wraps(function)
    def command(*args: Any, output: str | None, as_json: bool, **others: Any) -> Any:
        if as_json and output not in (None, JSON):
            raise click.UsageError(f"--json is -o json: leave it out, or leave out -o {output}")
        return function(*args, form=JSON if as_json else output or TABLE, **others)

    return command


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def show(listing: Listing, form: str) -> None:
    """Print a listing in the form that was asked for."""
    if form == JSON:
        show_document({listing.name: listing.rows, **listing.more})
    elif form == TABLE:
        say_lines(listing.table)
    else:
        say_lines(_lines_of(listing, form))


def _lines_of(listing: Listing, form: str) -> Iterator[str]:
    if form == NDJSON:
        yield from map(printable_json, listing.rows)
    elif form == CSV:
        yield _csv_line(listing.keys)
        yield from (_csv_line([_cell(row.get(key)) for key in listing.keys]) for row in listing.rows)
    else:
        found = (row.get(listing.plain) for row in listing.rows)
        yield from dict.fromkeys(str(each) for each in found if each is not None)


def _csv_line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def show_document(document: Mapping[str, Any]) -> None:
    """Print one JSON document."""
    click.echo(printable_json(document))


def say_lines(lines: Iterable[str], *, beside: bool = False) -> None:
    """Print lines for people, many at once; nothing in them steers the terminal, but what `painted` put there.

    Args:
        lines: One for each line.
        beside: Whether they are not what was asked for.
    """
    text = "\n".join([line if isinstance(line, Painted) else printable(line) for line in lines])
    if text:
        click.echo(text, err=beside)


def remark(text: str) -> None:
    """Say something that is not what was asked for: beside the data."""
    click.echo(printable(text), err=True)


def columns(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> Iterator[str]:
    """Return the lines of a table, as wide as what is in it.

    Args:
        rows: The cells, those of the title first.
        right: The columns that are aligned to the right.
    """
    shown = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        cells = (
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()


class Painted(str):
    """A text with colours of ours; what is added to it is text of whomever."""

    __slots__ = ()

    def __add__(self, more: str) -> Painted:
        """Go on without colours."""
        return Painted(f"{self!s}{printable(more)}")


def painted(text: str, colour: str) -> Painted:
    """Colour a text for a terminal, unless NO_COLOR (https://no-color.org) says that nobody wants that."""
    wanted = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return Painted(click.style(text, fg=colour, bold=True) if wanted else text)


@contextmanager
def progress(length: int, label: str) -> Iterator[Callable[[int], object]]:
    """Show on a terminal how far something is; the block is given what counts."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with click.progressbar(length=max(1, length), label=label, file=sys.stderr) as bar:
        yield bar.update
