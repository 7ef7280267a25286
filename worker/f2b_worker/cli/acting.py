"""What all commands that act have in common: the act that remembers who did it, and patience."""

from __future__ import annotations

import secrets
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.cli.output import remark
from f2b_worker.domain.acts.act import Act, Verb
from f2b_worker.domain.backoff import backoff_s
from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.errors import F2bError, Invalid, Retryable, StartError
from f2b_worker.process.opening import local_name, who_acts

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from f2b_worker.config.operator import OperatorSettings
    from f2b_worker.domain.judge.verdicts import OffenderId

T = TypeVar("T")
Command = Any

TRIES = 8
"""So often something is tried before it is said that it failed: for 15 s."""

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


def new_act(  # noqa: PLR0913 - one for each attribute
    settings: OperatorSettings,
    verb: Verb,
    what: Sequence[str],
    *,
    jail: str = "",
    reason: str = "",
    count: int = 0,
) -> Act:
    """Begin an act of whoever runs this command, now; who is meant in several jails is named once."""
    named = tuple(dict.fromkeys(what))
    by = _who(settings)  # AWS may take its time to say that
    try:
        return Act(
            id=secrets.token_hex(8),
            at_ms=SystemClock().now_ms(),
            by=by,
            verb=verb,
            what=named,
            jail=jail,
            reason=reason,
            count=count or len(named),
        ).shortened()
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def end_of(act: Act, for_ms: int | None) -> int | None:
    """Tell when what an act begins for so long ends; None for ever."""
    return None if for_ms is None or act.at_ms + for_ms >= FOREVER_MS else act.at_ms + for_ms


def _who(settings: OperatorSettings) -> str:
    try:
        return who_acts(settings)
    except F2bError as error:
        name = local_name()
        remark(f"the audit will have {name}: {error}")
        return name


def insistently(do: Callable[[], T]) -> T:
    """Do something that may be done again, until it succeeds or was tried often enough."""
    for failures in range(TRIES - 1):
        try:
            return do()
        except Retryable:
            SystemClock().wait(threading.Event(), backoff_s(failures))
    return do()


def for_each(
    do: Callable[[Sequence[OffenderId]], Mapping[OffenderId, T | F2bError]], whom: Sequence[OffenderId]
) -> dict[OffenderId, T | F2bError]:
    """Do something for each of *whom*, again for those for whom it failed and may succeed."""
    answers: dict[OffenderId, T | F2bError] = {}
    left = list(whom)
    if not left:  # an act on nobody would be remembered
        return answers
    for failures in range(TRIES):
        answers.update(insistently(_call(do, left)))
        left = [who for who in left if isinstance(answers[who], Retryable)]
        if not left or failures == TRIES - 1:
            break
        SystemClock().wait(threading.Event(), backoff_s(failures))
    return answers


def fail_if_all_failed(answers: Collection[object]) -> None:
    """Say that it cannot be done, where it failed for all and not for what is wrong with any of them.

    Raises:
        F2bError: The first of the failures.
    """
    errors = [each for each in answers if isinstance(each, F2bError) and not isinstance(each, Invalid)]
    if errors and len(errors) == len(answers):
        raise errors[0]


def _call(
    do: Callable[[Sequence[OffenderId]], Mapping[OffenderId, T | F2bError]], whom: Sequence[OffenderId]
) -> Callable[[], Mapping[OffenderId, T | F2bError]]:
    return lambda: do(whom)


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
