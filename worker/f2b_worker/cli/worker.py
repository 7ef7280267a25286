"""`f2b-worker`: run workers, of a fleet or standalone.

Exit codes: 0 stopped on request, 2 wrong usage, 3 cannot start as configured, 4 a part died, 5 AWS was away when
it started, 130 interrupted while it started.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from f2b_worker.cli.options import INSTALL_SHIM, config_option, settings_options
from f2b_worker.cli.output import remark
from f2b_worker.config.loading import load
from f2b_worker.config.settings import WorkerSettings
from f2b_worker.errors import F2bError, StartError
from f2b_worker.observe import log
from f2b_worker.process.pool import run_pool
from f2b_worker.process.worker import run_worker
from f2b_worker.signals import EXIT_INTERRUPTED

if TYPE_CHECKING:
    from pathlib import Path


@click.command(
    context_settings={"max_content_width": 110, "help_option_names": ["-h", "--help"]},
    epilog="Example: f2b-worker --queue f2b --table f2b --ip-set f2b --config f2b.toml",
)
@settings_options(WorkerSettings)
@config_option
@click.version_option(package_name="f2b-worker")
def main(config: Path | None, **given: Any) -> None:
    """Judge infractions from a queue, and keep WAF IP sets equal to the active bans.

    In standalone mode the infractions come by HTTP, and one file replaces SQS and DynamoDB. To look and to act
    beside it is what the command f2b is for.

    Exit codes: 0 stopped on request, 2 wrong usage, 3 cannot start as configured, 4 a part of the worker died,
    5 AWS was away when it started: try again, 130 interrupted while it started.
    """
    try:
        code = _run(load(WorkerSettings, given, config), config)
    except F2bError as error:
        remark(f"f2b-worker: {error}")
        code = getattr(error, "exit_code", StartError.exit_code)
    except KeyboardInterrupt:
        remark("f2b-worker: interrupted")
        code = EXIT_INTERRUPTED
    sys.exit(code)


def _run(settings: WorkerSettings, config: Path | None) -> int:
    log.configure(settings.log_level)
    if settings.standalone:
        return _run_standalone(settings, config)
    return run_worker(settings, config) if settings.processes == 1 else run_pool(settings, config)


def _run_standalone(settings: WorkerSettings, config: Path | None) -> int:
    try:
        from f2b_worker.process.standalone.worker import run_standalone  # noqa: PLC0415 - the extra may be missing
    except ImportError as error:
        raise StartError(f"--standalone needs more packages: {INSTALL_SHIM}") from error
    return run_standalone(settings, config)
