"""`f2b repair`: makes the ban log and its snapshot anew from the bans."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from f2b_worker.cli.operator_options import options, settings_of
from f2b_worker.cli.output import json_option, progress, remark, say_lines, show_document
from f2b_worker.errors import F2bError, StartError
from f2b_worker.process.opening import open_repair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from f2b_worker.adapters.dynamodb.ban_log.repair import Repair
    from f2b_worker.errors import Unreadable

_NOT_DONE = "the repair is not done; until f2b repair is run again, the IP sets stay as they are"


@click.command(epilog="Example: f2b repair --table f2b")
@options("table", "state", "region", "config")
@json_option
def repair(*, as_json: bool, **given: Any) -> None:
    """Make the ban log anew from the bans in the table.

    It makes the snapshot of the log, too, while workers work.
    Run it when a line of a worker or a command says so, or after the table was restored from a backup. It reads
    the whole table: 6,500,000 remembered offenders cost about $0.09. Meanwhile workers judge and store bans as
    always; the enforcer leaves the IP sets as they are, and goes on when the command ends. Bans that cannot be
    read are named, and stay in the IP sets.
    """
    settings = settings_of(given, role="repair")
    if settings.state_file:
        raise StartError(
            f"--state {settings.state_file} has nothing to repair: a state file has no ban log beside its bans."
            " To repair a table, name it with --table, without --standalone and --state"
        )
    unreadable: list[Unreadable] = []
    repairing, items = open_repair(settings, aside=unreadable.append)
    with _explained(repairing), progress(items, "reading the table") as told:
        done = repairing.run(told)
    for error in unreadable:
        remark(f"unreadable: {error}")
    if as_json:
        show_document(asdict(done))
        return
    left = f", {done.unreadable} of them unreadable" if done.unreadable else ""
    say_lines([f"repaired: {done.bans} bans of {done.states} states{left}, epoch {done.epoch}"])


@contextmanager
def _explained(repairing: Repair) -> Iterator[None]:
    """Say what is left open if it does not come to its end."""
    try:
        yield
    except F2bError as error:
        if not repairing.is_open:
            raise
        raise StartError(f"{_NOT_DONE}: {error}") from error
    except KeyboardInterrupt:
        if repairing.is_open:
            remark(f"f2b: {_NOT_DONE}")
        raise
