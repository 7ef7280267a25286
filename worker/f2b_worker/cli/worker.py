"""`f2b-worker`: run workers, make what they need, show the bans.

Exit codes: 0 stopped on request, 2 wrong usage, 3 cannot start as configured, 4 a part died.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from f2b_worker.adapters import provision as provisioning
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.cli.options import config_option, settings_options
from f2b_worker.domain.addresses import display
from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.errors import F2bError, StartError
from f2b_worker.observe import log
from f2b_worker.pool import run_pool
from f2b_worker.runtime import open_ban_book, run_worker
from f2b_worker.settings import WorkerSettings, load

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from f2b_worker.ports import StandingBan


class F2bGroup(click.Group):
    """A group whose commands end with one line for each error of ours."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an `F2bError` becomes its line and its exit code."""
        try:
            return super().invoke(ctx)
        except F2bError as error:
            click.echo(f"f2b-worker: {error}", err=True)
            ctx.exit(getattr(error, "exit_code", StartError.exit_code))


@click.group(
    cls=F2bGroup,
    invoke_without_command=True,
    context_settings={"max_content_width": 110, "help_option_names": ["-h", "--help"]},
    epilog="Example: f2b-worker --queue f2b --table f2b --ip-set f2b --config f2b.toml",
)
@settings_options(WorkerSettings)
@config_option
@click.version_option(package_name="f2b-worker")
@click.pass_context
def main(ctx: click.Context, /, config: Path | None, **given: Any) -> None:
    """Judge infractions from a queue, and keep WAF IP sets equal to the active bans.

    Exit codes: 0 stopped on request, 2 wrong usage, 3 cannot start as configured, 4 a part died.
    """
    if ctx.invoked_subcommand:
        return
    settings = load(WorkerSettings, given, config)
    log.configure(settings.log_level)
    sys.exit(run_worker(settings, config) if settings.processes == 1 else run_pool(settings, config))


def _settings(given: dict[str, Any], config: Path | None = None) -> WorkerSettings:
    """Load a subcommand's settings; an option may also stand before the subcommand."""
    parent = click.get_current_context().find_root().params
    before = {name: value for name, value in parent.items() if value not in (None, ())}
    after = {name: value for name, value in given.items() if value not in (None, ())}
    inherited_config = before.pop("config", None)
    return load(WorkerSettings, before | after, config or inherited_config)


@main.command(epilog="Example: f2b-worker provision --queue f2b --table f2b --ip-set f2b")
@settings_options(WorkerSettings, "queue", "table", "ip_set", "scope")
@config_option
@click.option("--dry-run", is_flag=True, help="Say what is missing, and make nothing.")
def provision(*, dry_run: bool, config: Path | None, **given: Any) -> None:
    """Make whatever is missing of queue, dead-letter queue, table and IP sets.

    What is there stays as it is; running it again changes nothing. An IP set NAME is made as NAME-ipv4 and
    NAME-ipv6.
    """
    settings = _settings(given, config)
    for step in provisioning.steps(settings, SystemClock()):
        if step.is_there():
            click.echo(f"{step.what}: there")
        elif dry_run:
            click.echo(f"{step.what}: would be made")
        else:
            step.make()
            click.echo(f"{step.what}: made")


@main.command(epilog="Example: f2b-worker bans --table f2b --json")
@settings_options(WorkerSettings, "table")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def bans(*, as_json: bool, **given: Any) -> None:
    """Show the active bans in the ledger, those that end first on top."""
    settings = _settings({"queue": "-", **given})
    now_ms = SystemClock().now_ms()
    running = [each for each in open_ban_book(settings).standing() if each.ban.until_ms >= now_ms]
    running.sort(key=lambda each: each.ban.until_ms)
    for line in _as_json(running) if as_json else _as_table(running):
        click.echo(line)


def _as_json(standing: Iterable[StandingBan]) -> Iterable[str]:
    for each in standing:
        yield json.dumps(
            {
                "jail": each.who.jail,
                "ip": display(each.who.key),
                "start": each.ban.start_ms / 1000,
                "until": None if each.ban.until_ms >= FOREVER_MS else each.ban.until_ms / 1000,
                "count": each.ban.count,
            }
        )


def _as_table(standing: Iterable[StandingBan]) -> Iterable[str]:
    yield f"{'JAIL':16} {'ADDRESS':24} {'SINCE':20} {'UNTIL':20} BAN"
    for each in standing:
        since, until = _moment(each.ban.start_ms), _moment(each.ban.until_ms)
        yield f"{each.who.jail:16} {display(each.who.key):24} {since:20} {until:20} {each.ban.count}"


def _moment(at_ms: int) -> str:
    if at_ms >= FOREVER_MS:
        return "for ever"
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
