"""`f2b-worker`: run workers, of a fleet or standalone, make what they need, show the bans.

Exit codes: 0 stopped on request, 2 wrong usage, 3 cannot start as configured, 4 a part died.
"""

from __future__ import annotations

import json
import signal
import sys
from typing import TYPE_CHECKING, Any

import click

from f2b_worker.adapters.aws import act_as
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.cli.explain import explain
from f2b_worker.cli.jails import check, import_fail2ban, init
from f2b_worker.cli.options import INSTALL_SHIM, config_option, settings_options, subcommand_settings
from f2b_worker.cli.provision import provision
from f2b_worker.cli.release import release
from f2b_worker.cli.replay import replay
from f2b_worker.cli.show import ban_object, ban_table
from f2b_worker.config.settings import WorkerSettings, load
from f2b_worker.errors import F2bError, StartError
from f2b_worker.observe import log
from f2b_worker.process.assembly import open_ban_book
from f2b_worker.process.pool import run_pool
from f2b_worker.process.worker import run_worker

if TYPE_CHECKING:
    from pathlib import Path


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

    In standalone mode the infractions come by HTTP, and one file replaces SQS and DynamoDB.

    Exit codes: 0 stopped on request, 2 wrong usage, 3 cannot start as configured, 4 a part of the worker died.
    """
    if ctx.invoked_subcommand:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # it may end with its terminal
        return
    settings = load(WorkerSettings, given, config)
    log.configure(settings.log_level)
    if settings.standalone:
        sys.exit(_run_standalone(settings, config))
    sys.exit(run_worker(settings, config) if settings.processes == 1 else run_pool(settings, config))


def _run_standalone(settings: WorkerSettings, config: Path | None) -> int:
    try:
        from f2b_worker.process.standalone.worker import run_standalone  # noqa: PLC0415 - the extra may be missing
    except ImportError as error:
        raise StartError(f"--standalone needs more packages: {INSTALL_SHIM}") from error
    return run_standalone(settings, config)


@main.command(epilog="Example: f2b-worker bans --table f2b --json")
@settings_options(WorkerSettings, "table", "state")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each ban, one a line.")
def bans(*, as_json: bool, **given: Any) -> None:
    """Show the active bans in the ledger. Those that end first are on top."""
    act_as("bans")
    settings = subcommand_settings(given, needs_queue=False)
    now_ms = SystemClock().now_ms()
    running = [each for each in open_ban_book(settings).standing() if each.ban.until_ms >= now_ms]
    running.sort(key=lambda each: each.ban.until_ms)
    shown = [(each.who, each.ban) for each in running]
    lines = (json.dumps(ban_object(*each)) for each in shown) if as_json else ban_table(shown)
    for line in lines:
        click.echo(line)


for _command in (provision, release, explain, replay, check, init, import_fail2ban):
    main.add_command(_command)
