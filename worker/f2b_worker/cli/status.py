"""`f2b status`: is it working? The verdict comes first, and is the exit code."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from f2b_worker.cli.group import answer
from f2b_worker.cli.operator_options import ledger_options, settings_of
from f2b_worker.cli.output import columns, json_option, painted, say_lines, show_document
from f2b_worker.cli.watching import live_option, shown, watch_option
from f2b_worker.domain.blocklists import SET_CAPACITY
from f2b_worker.query.regions import progress_line
from f2b_worker.query.status import look, status_object
from f2b_worker.query.wording import duration, since

if TYPE_CHECKING:
    from collections.abc import Iterator

    from f2b_worker.config.operator import OperatorSettings
    from f2b_worker.query.status import Status


@click.command(epilog="Example: f2b status --queue f2b --table f2b --ip-set f2b")
@watch_option
@live_option
@ledger_options("queue", "ip_set", "scope")
@json_option
def status(*, every_s: float | None, live: bool, as_json: bool, **given: Any) -> None:
    """Say whether it works, and what somebody should see to.

    The first line is the verdict. Then come the bans by jail, the workers, who enforces and how fast, the queue
    and how full the IP sets are; queue and IP sets only where they are named by option or in the file. Who
    enforces notes how full they are. The command reads that note, or asks WAF where it is older than 90 seconds.
    Exit codes: 0 all is well, 1 somebody should see to something, 2 wrong usage, 3 nobody can tell.
    """
    settings = settings_of(given, role="status")
    found = shown(partial(_show, settings, live=live, as_json=as_json), every_s)
    answer(yes=not found.problems)


def _show(settings: OperatorSettings, *, live: bool, as_json: bool) -> Status:
    found = look(settings, live=live)
    if as_json:
        show_document(status_object(found))
    else:
        say_lines(_lines(found))
    return found


def _lines(found: Status) -> Iterator[str]:
    if found.problems:
        yield painted("NOT OK", "red") + f": {found.problems[0]}"
        yield from (f"        {each}" for each in found.problems[1:])
    else:
        yield painted("OK", "green")
    jails = ", ".join(f"{name} {number:,}" for name, number in found.bans.items())
    yield f"bans      {sum(found.bans.values()):,} run in {found.ledger}" + (f": {jails}" if jails else "")
    yield f"workers   {_workers(found)}"
    if found.behind:
        asked_ms = found.control.asked_ms
        asked = "" if asked_ms is None else f", asked {since(asked_ms, found.now_ms)} ago"
        yield f"reload    {found.behind_told} (generation {found.control.generation}{asked})"
    for region, holder in found.seen.holders.items():
        yield f"enforcer  {region}: {holder.owner or 'nobody'}"
    for each in found.regions:
        if each.progress:
            yield f"waf       {each.name}: {progress_line(each.progress, each.waiting, found.now_ms)}"
    if found.seen.queue:
        queue = found.seen.queue
        yield (
            f"queue     {queue.waiting:,} waiting, {queue.in_flight:,} in hand, {queue.delayed:,} delayed,"
            f" {queue.dead_letters:,} dead letters{_oldest(found.seen.oldest_ms)}"
        )
    if found.sets:
        if found.are_noted:
            seen_ms = min(each.seen_ms for each in found.sets)
            yield f"ip sets   as noted by who enforces, seen {since(seen_ms, found.now_ms)} ago; --live asks WAF"
        rows = [(each.name, each.blocklist, f"{each.entries:,}", f"{SET_CAPACITY:,}") for each in found.sets]
        yield from columns([("IP SET", "BLOCKLIST", "ENTRIES", "OF"), *rows], right=(2, 3))


def _workers(found: Status) -> str:
    if found.seen.workers is None:
        return "unknown"
    silent = len(found.seen.workers) - len(found.alive)
    told = f"{len(found.alive)} alive"
    only_enforce = sum(not each.judges for each in found.alive)
    if only_enforce:
        told += f", {only_enforce} of them only to enforce"
    if silent:
        last_ms = max(each.at_ms for each in found.seen.workers if each not in found.alive)
        told += f", {silent} silent, the last for {since(last_ms, found.now_ms)}"
    return told


def _oldest(oldest_ms: int | None) -> str:
    """Tell how old the oldest message is; less than a second is nothing to be told of."""
    whole_ms = (oldest_ms or 0) // 1000 * 1000
    return f"; the oldest waited {duration(whole_ms)}" if whole_ms else ""
