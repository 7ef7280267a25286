"""The options that commands which act have in common, and the addresses in a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from f2b_worker.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Command = Any

STANDARD_INPUT = "-"

reason_option: Callable[[Command], Command] = click.option(
    "--reason", default="", metavar="TEXT", help="Why; the audit keeps it."
)
file_option: Callable[[Command], Command] = click.option(
    "-f",
    "--file",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Read addresses from FILE too, one a line; # begins a comment; - is standard input.",
)
yes_option: Callable[[Command], Command] = click.option(
    "-y", "--yes", is_flag=True, help="Do it although it hits many."
)
dry_run_option: Callable[[Command], Command] = click.option(
    "--dry-run", is_flag=True, help="Say what would be done, and do nothing."
)


def texts_in(file: str | None) -> Iterator[str]:
    """Read the first word of each line of a file, without comments.

    Raises:
        StartError: If it cannot be read, or is no text.
    """
    if file is None:
        return
    try:
        if file == STANDARD_INPUT:
            yield from _words(sys.stdin)
            return
        with Path(file).open(encoding="utf-8-sig") as lines:
            yield from _words(lines)
    except (OSError, UnicodeError) as error:
        raise StartError(f"{file}: cannot be read: {error}") from error


def _words(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        words = line.partition("#")[0].split()
        if words:
            yield words[0]
