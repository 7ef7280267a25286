"""`f2b stats`: the running bans in numbers."""

from __future__ import annotations

from typing import Any

import click

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.cli.operator_options import ledger_options, settings_of
from f2b_worker.cli.output import Listing, columns, listing_options, show
from f2b_worker.cli.reading import DURATION
from f2b_worker.domain.jails import DAY_MS
from f2b_worker.domain.tally import Kind
from f2b_worker.process.opening import open_ban_book, open_tally
from f2b_worker.query.groups import COUNTRY, GROUPS, counted, grouping, largest
from f2b_worker.query.series import SeriesReader
from f2b_worker.query.wording import moment, time_object

_BAR = 30
OVER_MAX_MS = 7 * DAY_MS
KEYS = ("name", "bans")
STEP_KEYS = ("begin", "begin_at", "infractions", "bans", "unbans")


@click.command(epilog="Example: f2b stats --by network --top 10 --table f2b")
@click.option(
    "--by",
    type=click.Choice((*GROUPS, COUNTRY)),
    default="jail",
    show_default=True,
    help="By what they are counted.",
)
@click.option(
    "--since", "since_ms", type=DURATION, metavar="TIME", help="Only bans that started within, e.g. 24h."
)
@click.option(
    "--top", type=click.IntRange(min=1), default=20, show_default=True, metavar="N", help="Show the N largest."
)
@click.option(
    "--over",
    "over_ms",
    type=DURATION,
    metavar="TIME",
    help="Count what happened in this time instead, by step: infractions, bans and their ends. 7d at most.",
)
@ledger_options()
@listing_options
def stats(*, by: str, since_ms: int | None, top: int, over_ms: int | None, form: str, **given: Any) -> None:
    """Count the running bans.

    By jail, by who banned, by the network around them (/24 and /48), by family, by how often it was banned, by
    blocklist, by the hour in which they started, or by the country in which the address is registered: that needs
    the extra [geo], and says nothing of where the address is used.

    With --over it shows how many infractions were judged, and how many bans began and ended: by the minute up to 2
    hours, by a quarter of an hour up to 2 days, by 2 hours beyond.
    """
    if over_ms is not None:
        _refuse_beside_over(over_ms)
        show(_over(SeriesReader(open_tally(settings_of(given, role="list"))), over_ms), form)
        return
    group_of = grouping(by)
    book = open_ban_book(settings_of(given, role="list"), aside=lambda _: None)
    now_ms = SystemClock().now_ms()
    numbers = counted(book.standing(), group_of, now_ms=now_ms, since_ms=since_ms)
    chosen = largest(numbers, by, top)
    most = max((number for _, number in chosen), default=1)
    rows = [(name, f"{number:,}", "█" * max(1, round(_BAR * number / most))) for name, number in chosen]
    total = sum(numbers.values())
    show(
        Listing(
            "groups",
            [{"name": name, "bans": number} for name, number in chosen],
            columns([(by.upper(), "BANS", ""), *rows, ("all", f"{total:,}", "")], right=(1,)),
            "name",
            KEYS,
            {"by": by, "total": total},
        ),
        form,
    )


def _refuse_beside_over(over_ms: int) -> None:
    """Refuse what would be without effect: who gave it would read other numbers than those asked for."""
    source_of = click.get_current_context().get_parameter_source
    for name, option in (("by", "--by"), ("since_ms", "--since"), ("top", "--top")):
        if source_of(name) is not click.core.ParameterSource.DEFAULT:
            raise click.UsageError(f"{option} is about running bans, and --over is not: leave one of them out")
    if not 0 < over_ms <= OVER_MAX_MS:
        raise click.UsageError("--over: give a time of 7d at most: the numbers go back no further")


def _over(reader: SeriesReader, length_ms: int) -> Listing:
    found = reader.read(length_ms, SystemClock().now_ms())
    sums = [
        [sum(numbers[place] for numbers in found.kinds[kind].values()) for kind in Kind]
        for place in range(len(found.at))
    ]
    most = max(1, *(numbers[0] for numbers in sums))
    rows = [
        (moment(at * 1000), *(f"{number:,}" for number in numbers), "█" * round(_BAR * numbers[0] / most))
        for at, numbers in zip(found.at, sums, strict=True)
    ]
    titles = ("BEGIN", *(kind.upper() for kind in Kind), "")
    total = ("all", *(f"{sum(column):,}" for column in zip(*sums, strict=True)), "")
    return Listing(
        "steps",
        [
            {**time_object("begin", at * 1000), **dict(zip(Kind, numbers, strict=True))}
            for at, numbers in zip(found.at, sums, strict=True)
        ],
        columns([titles, *rows, total], right=(1, 2, 3)),
        "begin",
        STEP_KEYS,
        {"step_s": found.step_ms // 1000, "kinds": {kind: found.kinds[kind] for kind in Kind}},
    )
