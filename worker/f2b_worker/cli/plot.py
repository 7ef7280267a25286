"""Draws a replay: infractions over time by jail, and the bans as bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from f2b_worker.domain.addresses import display
from f2b_worker.domain.jails import DAY_MS
from f2b_worker.observe.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from f2b_worker.offline.replay import ReplayedBan, Row

OFFENDERS_SHOWN = 40
LABEL_CHARACTERS = 106  # an IPv6 address and the longest name of a jail
BINS = 120


def draw(rows: Sequence[Row], verdicts: Sequence[ReplayedBan], path: Path) -> None:
    """Write the picture to *path*; its ending chooses the format.

    The bans below are those of the offenders that were banned for longest, at most `OFFENDERS_SHOWN`.
    """
    figure = Figure(figsize=(12, 8), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[1, 2])
    _draw_infractions(above, rows)
    _draw_bans(below, verdicts, _last_ms(rows, verdicts))
    below.xaxis_date()
    below.set_xlabel("UTC")
    figure.savefig(path)


def _last_ms(rows: Sequence[Row], verdicts: Sequence[ReplayedBan]) -> int:
    """Where the picture ends: a ban may run for ever."""
    last_ms = max((at_ms for _, _, at_ms, _ in rows), default=0)
    lengths_ms = [verdict.ban.length_ms for verdict in verdicts]
    return last_ms + min([*lengths_ms, DAY_MS])


def _draw_infractions(axes: Axes, rows: Sequence[Row]) -> None:
    jails = sorted({jail for jail, _, _, _ in rows})
    times = [[_day(at_ms) for of_jail, _, at_ms, _ in rows if of_jail == jail] for jail in jails]
    axes.hist(times, bins=BINS, stacked=True, label=list(map(_label, jails)))
    axes.set_ylabel("infractions")
    axes.set_title(f"{len(rows)} infractions by jail")
    if jails:
        axes.legend(loc="upper left")  # to look for the best place may take long, and warns then


def _draw_bans(axes: Axes, verdicts: Sequence[ReplayedBan], last_ms: int) -> None:
    banned_ms: dict[str, int] = {}
    for who, ban in verdicts:
        name = f"{display(who.key)} ({who.jail})"
        banned_ms[name] = banned_ms.get(name, 0) + ban.until_ms - ban.start_ms
    shown = sorted(banned_ms, key=lambda name: -banned_ms[name])[:OFFENDERS_SHOWN]
    for place, name in enumerate(shown):
        bars = [
            (_day(ban.start_ms), _day(min(ban.until_ms, last_ms)) - _day(ban.start_ms))
            for who, ban in verdicts
            if f"{display(who.key)} ({who.jail})" == name
        ]
        axes.broken_barh(bars, (place - 0.4, 0.8), color="tab:red")
    axes.set_yticks(range(len(shown)), list(map(_label, shown)), fontsize=7)
    axes.invert_yaxis()
    axes.set_title(f"{len(verdicts)} bans; the {len(shown)} of {len(banned_ms)} offenders banned for longest")


def _label(text: str) -> str:
    shown = printable(text)
    if len(shown) > LABEL_CHARACTERS:
        shown = shown[:LABEL_CHARACTERS] + "…"
    return shown.replace("$", r"\$")  # a formula begins and ends with it


def _day(at_ms: int) -> float:
    # matplotlib's dates are days since 1970, its default epoch.
    return at_ms / DAY_MS
