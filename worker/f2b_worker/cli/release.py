"""`f2b release`: lets the surge guard's held back bans in, after somebody has looked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from f2b_worker.adapters.caller import act_as
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.cli.options import settings_options, subcommand_settings
from f2b_worker.cli.show import moment
from f2b_worker.config.settings import WorkerSettings
from f2b_worker.process.assembly import open_ban_book, open_notebooks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from f2b_worker.domain.judge.verdicts import Ban
    from f2b_worker.errors import Unreadable


@click.command(epilog="Example: f2b release --table f2b")
@settings_options(WorkerSettings, "table", "state")
def release(**given: Any) -> None:
    """Release the bans that the surge guard holds back: let them into the IP sets.

    Look first: f2b list shows what is banned, f2b explain says why. The command says since when bans
    were held back and how many wait. The enforcer writes them within seconds. If no bans are held back, nothing
    happens.
    """
    act_as("release")
    settings = subcommand_settings(given, needs_queue=False)
    unreadable: list[Unreadable] = []
    notebooks = open_notebooks(settings, aside=unreadable.append)
    now_ms = SystemClock().now_ms()
    notes = {region: notebook.read() for region, notebook in notebooks.items()}
    held_ms = {region: each.held_back_from_ms for region, each in notes.items()}
    tripped = {region: from_ms for region, from_ms in held_ms.items() if from_ms is not None}
    lost = [region for region, each in notes.items() if each.lost & {"surge", "release"}]
    if not tripped and not lost:
        click.echo("no bans are held back: there is nothing to release")
        return
    for region in lost:
        notebooks[region].note_release(now_ms)
        click.echo(f"{region}: released what is held back, if anything is: the note about it cannot be read")
    for error in unreadable:
        click.echo(f"unreadable: {error}", err=True)
    active = [each.ban for each in open_ban_book(settings, aside=unreadable.append).standing()] if tripped else []
    for region, from_ms in tripped.items():
        # A clock that is ahead may have dated the first of them into the future.
        notebooks[region].note_release(max(now_ms, from_ms))
        click.echo(
            f"{region}: released what was held back since {moment(from_ms)}, {_waiting(active, from_ms, now_ms)}"
        )


def _waiting(bans: Iterable[Ban], from_ms: int, now_ms: int) -> str:
    number = sum(from_ms <= each.start_ms and now_ms <= each.until_ms and not each.observed for each in bans)
    return f"{number} active ban{'' if number == 1 else 's'}"
