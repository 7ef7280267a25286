"""`f2b dlq`: the dead letters, messages that nobody could judge."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from f2b_worker.cli.acting import insistently, new_act
from f2b_worker.cli.group import LateGroup, answer
from f2b_worker.cli.operator_options import ledger_options, settings_of
from f2b_worker.cli.output import TABLE, Listing, columns, listing_options, remark, say_lines, show
from f2b_worker.cli.show import moment, plain_text, time_object
from f2b_worker.domain.acts.act import Verb
from f2b_worker.process.opening import open_acts, open_dead_letters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from f2b_worker.ports import StoredLetter

KEYS = ("id", "time", "time_at", "reason", "detail", "body")
_BODY_SHOWN = 60
_ALL = 1_000_000


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
    letters = open_dead_letters(settings_of(given, role="dlq")).letters(limit)
    reasons = Counter(name for each in letters for name in each.reason.split())
    chosen = [each for each in letters if _has(each, reason)]
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
    letters = open_dead_letters(settings_of(given, role="dlq")).letters(_ALL)
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
    _take(ids, form, given, retry=True)


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
    _take(ids, form, given, retry=False)


def _take(ids: Sequence[str], form: str, given: dict[str, Any], *, retry: bool) -> None:
    reason, every, yes = given.pop("reason"), given.pop("every"), given.pop("yes")
    if sum(map(bool, (ids, reason, every))) != 1:
        raise click.UsageError("say which: by their IDs, by --reason, or --all")
    if not yes and not (retry and ids):
        raise click.UsageError("that is for good: say --yes" if not retry else "that may be many: say --yes")
    settings = settings_of(given, role="dlq")
    dead, acts = open_dead_letters(settings), open_acts(settings)
    chosen = [each.id for each in dead.letters(_ALL) if _is_wanted(each, ids, reason)]
    done: Sequence[StoredLetter] = ()
    if chosen:
        act = new_act(settings, Verb.RETRY if retry else Verb.DROP, chosen)
        # First: whatever becomes of this command, nothing leaves that the audit does not tell.
        insistently(lambda: acts.note(act))
        of_act = frozenset(chosen)
        done = dead.take(lambda each: each.id in of_act, retry=retry)
    _show(done, form)
    remark(f"{len(done):,} {'put back' if retry else 'dropped'}")
    answer(yes=_is_all(ids, done))


def _is_wanted(letter: StoredLetter, ids: Sequence[str], reason: str | None) -> bool:
    return letter.id in ids if ids else _has(letter, reason)


def _has(letter: StoredLetter, reason: str | None) -> bool:
    return reason is None or reason in letter.reason.split()


def _is_all(ids: Sequence[str], found: Sequence[StoredLetter]) -> bool:
    missing = [each for each in ids if each not in {letter.id for letter in found}]
    for each in missing:
        remark(f"{each}: there is no such dead letter, or somebody else looks at it just now")
    return not missing


def _show(letters: Sequence[StoredLetter], form: str, more: dict[str, Any] | None = None) -> None:
    table = [("ID", "SINCE", "REASON", "DETAIL", "BODY"), *map(_row, letters)]
    show(Listing("letters", [_object(each) for each in letters], columns(table), "id", KEYS, more or {}), form)


def _object(letter: StoredLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        **time_object("time", letter.at_ms),
        "reason": letter.reason,
        "detail": letter.detail,
        "body": letter.body,
    }


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
