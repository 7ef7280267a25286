"""Commands that show the same again and again, until Ctrl-C."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

import click

from f2b_worker.adapters.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable

watch_option: Callable[[Any], Any] = click.option(
    "-w",
    "--watch",
    "every_s",
    type=click.FloatRange(min=1.0),
    is_flag=False,
    flag_value=2.0,
    metavar="[SECONDS]",
    help="Show it again every SECONDS, 2 by default, until Ctrl-C.",
)

live_option: Callable[[Any], Any] = click.option(
    "--live",
    is_flag=True,
    help="Ask WAF for the IP sets, at two of them a second, even if the worker noted them that enforces.",
)


def shown(show: Callable[[], Any], every_s: float | None) -> Any:
    """Show something once, or again and again on a screen that is cleared; answer what *show* did last."""
    if every_s is None:
        return show()
    clock, never = SystemClock(), threading.Event()
    while True:
        if sys.stdout.isatty():
            click.clear()
        show()
        clock.wait(never, every_s)
