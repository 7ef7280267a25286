"""`f2b allow import`: whom a list names comes onto the allowlist."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import click

from f2b_worker.acting.acts import for_each, insistently, new_act
from f2b_worker.acting.allowing import covered
from f2b_worker.acting.guard import too_wide
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.cli.acting import dry_run_option, yes_option
from f2b_worker.cli.group import answer
from f2b_worker.cli.lists import counted, list_options, listed_in, tell_refused
from f2b_worker.cli.operator_options import ledger_options, settings_of
from f2b_worker.cli.output import json_option, remark, say_lines, show_document
from f2b_worker.cli.reading import LASTING
from f2b_worker.cli.wrong import usage_errors
from f2b_worker.domain.acts.act import Verb, wrong_in_text
from f2b_worker.domain.acts.allowlist import AllowEntry
from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.process.opening import open_acts, open_ban_book
from f2b_worker.query.reading import network_in
from f2b_worker.query.wording import moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from f2b_worker.domain.acts.act import Act
    from f2b_worker.offline.ban_lists import Listed

FORMS = ("values", "csv", "ndjson")
"""What others write of allowlists; the rest are lists of bans."""


@dataclass(slots=True)
class Plan:
    """What an import is to do.

    Attributes:
        entries: What is to be added, by network.
        there: What is on the list already, and stays at least as long.
        refused: What is not allowed, and why.
    """

    entries: dict[str, AllowEntry] = field(default_factory=dict)
    there: set[str] = field(default_factory=set)
    refused: list[tuple[str, str]] = field(default_factory=list)


@click.command("import", epilog="Example: f2b allow import offices.csv --for 90d --table f2b")
@list_options(FORMS)
@click.option(
    "--for",
    "for_ms",
    type=LASTING,
    metavar="TIME",
    help="For so long, e.g. 30d, where the list says no end. By default for ever.",
)
@click.option(
    "--comment", default="", metavar="TEXT", help="Why, where the list does not say; the audit keeps it."
)
@yes_option
@dry_run_option
@ledger_options("audit_days")
@json_option
def import_allowed(  # noqa: PLR0913
    file: str,
    *,
    form: str | None,
    for_ms: int | None,
    comment: str,
    yes: bool,
    dry_run: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Allow whom a list names.

    FILE is plain addresses and networks, or CSV or NDJSON with ip and perhaps until or duration, and comment; - is
    standard input. It takes nothing off: what is not in FILE stays, and so does an entry that lasts as long or
    longer than FILE says. Bans that are covered are lifted, as by f2b allow add; it refuses what that refuses.
    Exit codes: 0 all are allowed, 1 something was refused or failed, 2 wrong usage, 3 it cannot be done.
    """
    settings = settings_of(given, role="operator")
    acts = open_acts(settings)
    there = {each.network: each for each in acts.allowlist()}
    # Only now: an answer of AWS has told by how much this machine's clock is off.
    now_ms = SystemClock().now_ms()
    listed = list(_told(listed_in(file, form or _usual_form(file), now_ms), for_ms, comment, now_ms))
    plan = _plan(listed, there, now_ms, yes=yes)
    networks = list(plan.entries)
    book = open_ban_book(settings)
    done = Counter(added=len(networks))
    act: Act | None = None
    if dry_run:
        done["lifted"] = len(covered(book, networks))
    elif networks:
        with usage_errors():
            act = begun = new_act(settings, Verb.ALLOW, networks, reason=comment, tell=remark)
        entries = [replace(each, by=act.by, at_ms=act.at_ms) for each in plan.entries.values()]
        insistently(lambda: acts.allow(begun, entries))
        # Only now, as `allow add` does.
        whom = covered(book, networks)
        counted(done, "lifted", for_each(lambda part: acts.lift(begun, part), whom).values())
    _show(act, plan, done, as_json=as_json, dry_run=dry_run)
    answer(yes=not plan.refused and not done["failed"])


def _usual_form(file: str) -> str:
    return next((form for form in FORMS if file.endswith(f".{form}")), FORMS[0])


def _told(listed: Iterable[Listed], for_ms: int | None, comment: str, now_ms: int) -> Iterable[Listed]:
    """Put in what the list does not say."""
    usual_ms = FOREVER_MS if for_ms is None else min(FOREVER_MS, now_ms + for_ms)
    for each in listed:
        until_ms = usual_ms if each.until_ms is None else each.until_ms
        yield replace(each, until_ms=until_ms, comment=each.comment or comment)


def _plan(listed: Iterable[Listed], there: Mapping[str, AllowEntry], now_ms: int, *, yes: bool) -> Plan:
    plan = Plan()
    for each in listed:
        until_ms = FOREVER_MS if each.until_ms is None else each.until_ms
        try:
            network = network_in(each.text)
            why = _refusal(until_ms, each.comment, now_ms) or (None if yes else too_wide(network))
        except ValueError as error:
            why = str(error)
        if why:
            plan.refused.append((each.text, why))
        elif _end_of(there.get(network)) >= until_ms:
            plan.there.add(network)
        elif _end_of(plan.entries.get(network)) < until_ms:
            end_ms = None if until_ms >= FOREVER_MS else until_ms
            plan.entries[network] = AllowEntry(network, end_ms, each.comment)
    return plan


def _refusal(until_ms: int, comment: str, now_ms: int) -> str | None:
    if until_ms < now_ms:
        return f"it is over since {moment(until_ms)}"
    wrong = wrong_in_text(comment)
    return f"its comment {wrong}" if wrong else None


def _end_of(entry: AllowEntry | None) -> int:
    """Tell until when an entry counts, as a number to compare; before all times if there is none."""
    if entry is None:
        return -1
    return FOREVER_MS if entry.until_ms is None else entry.until_ms


def _show(act: Act | None, plan: Plan, done: Counter[str], *, as_json: bool, dry_run: bool) -> None:
    if as_json:
        show_document(
            {
                "act": act.id if act else None,
                "added": done["added"],
                "there": len(plan.there),
                "lifted": done["lifted"],
                "failed": done["failed"],
                "refused": [{"ip": text, "why": why} for text, why in plan.refused],
            }
        )
        return
    added = f"{done['added']:,} would be added" if dry_run else f"{done['added']:,} added"
    there, lifted, refused = len(plan.there), done["lifted"], len(plan.refused)
    say_lines([f"{added}, {there:,} there already, {lifted:,} bans lifted, {refused:,} refused"])
    tell_refused(plan.refused)
