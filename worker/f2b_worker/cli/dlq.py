"""`f2b dlq`: the dead letters, messages that nobody could judge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from f2b_worker.acting.letters import ALL, HIDDEN, Letters
from f2b_worker.acting.letters import drop as drop_for_good
from f2b_worker.acting.letters import retry as put_back
from f2b_worker.cli.group import LateGroup, answer
from f2b_worker.cli.operator_options import ledger_options, settings_of
from f2b_worker.cli.output import TABLE, Listing, columns, listing_options, remark, say_lines, show
from f2b_worker.cli.wrong import usage_errors
from f2b_worker.process.opening import open_dead_letters
from f2b_worker.query.letters import KEYS, has_reason, letter_object, reasons_of
from f2b_worker.query.wording import moment, plain_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from f2b_worker.ports import StoredLetter

_BODY_SHOWN = 60


@click.group(cls=LateGroup, verbs={}, epilog="Example: f2b dlq list --queue f2b")
def dlq() -> None:
    """See what was refused, and put it back or drop it."""


_reason = click.option("--reason", metavar="NAME", help="Only letters with this reason, as f2b dlq list names it.")
_yes = click.option("-y", "--yes", is_flag=True, help="Do it.")


@dlq.command("list", epilog="Example: f2b dlq list --queue f2b")
@_reason
@click.option(
    "--limit", type=click.IntRange(min=1), default=100, show_default=True, metavar="N", help="Read so many."
)
@ledger_options("queue")
@listing_options
def list_letters(*, reason: str | None, limit: int, form: str, **given: Any) -> None:
    """List dead letters with their reasons.

    They stay where they are. Other readers of the dead-letter queue do not see them for a moment.
    """
    letters = list(open_dead_letters(settings_of(given, role="dlq")).letters(limit))
    reasons = reasons_of(letters)
    chosen = [each for each in letters if has_reason(each, reason)]
    _show(chosen, form, {"reasons": dict(reasons.most_common())})
    told = (f"{number} {plain_text(name)}" for name, number in reasons.most_common())
    remark(", ".join(told) or "no dead letters")


@dlq.command("show", epilog="Example: f2b dlq show 4cd2ab53-1d1c-4d50-b5bf-0d5d0f2d6f30 --queue f2b")
@click.argument("ids", nargs=-1, required=True, metavar="ID…")
@ledger_options("queue")
@listing_options
def show_letters(ids: Sequence[str], *, form: str, **given: Any) -> None:
    """Show dead letters whole.

    Exit codes: 0 all are shown, 1 one is not there, 2 wrong usage, 3 nobody can tell.
    """
    letters = open_dead_letters(settings_of(given, role="dlq")).letters(ALL)
    found = [each for each in letters if each.id in ids]
    if form == TABLE:
        say_lines("\n\n".join(map(_whole, found)).split("\n"))
    else:
        _show(found, form)
    answer(yes=_is_all(ids, found))


@dlq.command(epilog="Example: f2b dlq retry --reason unreadable --yes --queue f2b --table f2b")
@click.argument("ids", nargs=-1, metavar="[ID]…")
@_reason
@click.option("--all", "every", is_flag=True, help="All of them.")
@_yes
@ledger_options("queue", "audit_days")
@listing_options
def retry(ids: Sequence[str], *, form: str, **given: Any) -> None:
    """Put dead letters back into the queue.

    Do it once what they were refused for is mended: else they come again. Infractions that are judged already
    count once. Several letters need --yes. The audit remembers who put back which.
    """
    which = Letters(ids, given.pop("reason"), given.pop("every"), given.pop("yes"))
    with usage_errors():
        which.check_retry()
        done = put_back(settings_of(given, role="dlq"), which, tell=remark).letters
    _say(ids, done, form, f"{len(done):,} put back")


@dlq.command(epilog="Example: f2b dlq drop --reason unreadable --yes --queue f2b --table f2b")
@click.argument("ids", nargs=-1, metavar="[ID]…")
@_reason
@click.option("--all", "every", is_flag=True, help="All of them.")
@_yes
@ledger_options("queue", "audit_days")
@listing_options
def drop(ids: Sequence[str], *, form: str, **given: Any) -> None:
    """Delete dead letters for good.

    What was in them is lost. It always needs --yes. The audit remembers who dropped which.
    """
    which = Letters(ids, given.pop("reason"), given.pop("every"), given.pop("yes"))
    with usage_errors():
        which.check_drop()
        done = drop_for_good(settings_of(given, role="dlq"), which, tell=remark).letters
    _say(ids, done, form, f"{len(done):,} dropped")


def _say(ids: Sequence[str], done: Sequence[StoredLetter], form: str, text: str) -> None:
    _show(done, form)
    remark(text)
    answer(yes=_is_all(ids, done))


def _is_all(ids: Sequence[str], found: Sequence[StoredLetter]) -> bool:
    missing = [each for each in ids if each not in {letter.id for letter in found}]
    for each in missing:
        remark(f"{each}: there is no such dead letter, or {HIDDEN}")
    return not missing


def _show(letters: Sequence[StoredLetter], form: str, more: dict[str, Any] | None = None) -> None:
    table = [("ID", "SINCE", "REASON", "DETAIL", "BODY"), *map(_row, letters)]
    show(
        Listing("letters", [letter_object(each) for each in letters], columns(table), "id", KEYS, more or {}), form
    )


def _row(letter: StoredLetter) -> tuple[str, ...]:
    body = plain_text(letter.body[:_BODY_SHOWN])
    return letter.id, moment(letter.at_ms), plain_text(letter.reason), plain_text(letter.detail), body


def _whole(letter: StoredLetter) -> str:
    return "\n".join(
        (
            f"{letter.id}, since {moment(letter.at_ms)}",
            f"  {plain_text(letter.reason)}: {plain_text(letter.detail)}",
            f"  {plain_text(letter.body)}",
        )
    )
