"""What commands that read a list have in common: whence it is read, and how it is told what was refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from f2b_worker.cli.output import remark
from f2b_worker.errors import F2bError, StartError
from f2b_worker.offline.ban_lists import READERS, Listed, read_fail2ban
from f2b_worker.query.wording import SHOWN_CHARACTERS, plain_text

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterable, Sequence

FAIL2BAN = "fail2ban"
FORMS = (*READERS, FAIL2BAN)

_TOLD = 10
_ENDINGS = {".csv": "csv", ".ndjson": "ndjson", ".json": "crowdsec", ".sqlite3": FAIL2BAN}


def list_options(forms: Sequence[str]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the list that it reads, and the option that says in which of *forms* it is."""
    file = click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
    form = click.option(
        "--from",
        "form",
        type=click.Choice(forms),
        help="What FILE is. By default its ending says so; values otherwise.",
    )
    return lambda command: file(form(command))


def listed_in(file: str, form: str | None, now_ms: int) -> Iterable[Listed]:
    """Read a list.

    Args:
        file: Its name; `-` is standard input.
        form: What it is; None: its ending says so.
        now_ms: The time.

    Raises:
        StartError: If it cannot be read.
    """
    form = form or _ENDINGS.get(Path(file).suffix, "values")
    if form == FAIL2BAN:
        if file == "-":
            raise click.UsageError("fail2ban's database is a file: name it")
        return read_fail2ban(Path(file), now_ms)
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text("utf-8-sig")
    except (OSError, ValueError) as error:
        raise StartError(f"{file}: cannot be read: {error}") from error
    return READERS[form](text, now_ms)


def counted(done: Counter[str], name: str, answers: Iterable[object]) -> None:
    """Count what was done under its name, and errors as `failed`; the first of those are told."""
    for each in answers:
        if isinstance(each, F2bError):
            done["failed"] += 1
            if done["failed"] <= _TOLD:
                remark(str(each))
        else:
            done[name] += 1


def tell_refused(refused: Sequence[tuple[str, str]]) -> None:
    """Tell the first of what was refused, each with its reason, and how many more there are."""
    for text, why in refused[:_TOLD]:
        remark(f"{plain_text(text[:SHOWN_CHARACTERS])}: {why}")
    if len(refused) > _TOLD:
        remark(f"and {len(refused) - _TOLD:,} more (--json names all)")
