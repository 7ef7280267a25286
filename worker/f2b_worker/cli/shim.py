"""`f2b-shim`: the HTTP interface of the old service in front of the queue."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from f2b_worker.adapters.aws import sqs_client
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.sqs import SqsOutbox, queue_url_of
from f2b_worker.cli.options import config_option, settings_options
from f2b_worker.errors import F2bError, StartError
from f2b_worker.observe import log
from f2b_worker.settings import ShimSettings, load

if TYPE_CHECKING:
    from pathlib import Path

_CONNECTIONS = 40  # as many as starlette's thread pool has threads


@click.command(
    context_settings={"max_content_width": 110, "help_option_names": ["-h", "--help"]},
    epilog="Example: f2b-shim --queue f2b --port 8000, then: curl localhost:8000/infraction/203.0.113.7",
)
@settings_options(ShimSettings)
@config_option
def main(config: Path | None, **given: Any) -> None:
    """Take infractions by HTTP GET and put them into the queue.

    Exit codes: 0 stopped on request, 2 wrong usage, 3 cannot start as configured.
    """
    try:
        _serve(load(ShimSettings, given, config))
    except F2bError as error:
        click.echo(f"f2b-shim: {error}", err=True)
        sys.exit(StartError.exit_code)


def _serve(settings: ShimSettings) -> None:
    try:
        import uvicorn  # noqa: PLC0415 - the extra may be missing

        from f2b_worker.shim.app import make_app  # noqa: PLC0415 - the same
    except ImportError as error:
        raise StartError("the shim needs more packages: pip install 'f2b-worker[shim]'") from error
    log.configure(settings.log_level)
    client = sqs_client(settings.queue, connections=_CONNECTIONS, answer_within_s=2)
    outbox = SqsOutbox(client, queue_url=queue_url_of(client, settings.queue))
    uvicorn.run(
        make_app(outbox, SystemClock()),
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        http="httptools",
        timeout_graceful_shutdown=5,
    )
