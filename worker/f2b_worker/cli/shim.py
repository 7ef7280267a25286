"""`f2b-shim`: the HTTP interface of the old service in ports of the queue."""

from __future__ import annotations

import sys
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

import click
import structlog

from f2b_worker.adapters.aws import sqs_client
from f2b_worker.adapters.caller import act_as
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.sqs.attributes import is_url, queue_url_of
from f2b_worker.cli.options import INSTALL_SHIM, config_option, settings_options
from f2b_worker.cli.output import remark
from f2b_worker.config.loading import load
from f2b_worker.config.shim_settings import ShimSettings
from f2b_worker.errors import AccessDenied, F2bError, StartError, code_at_start
from f2b_worker.observe.lines import open_standard_files
from f2b_worker.observe.log import configure
from f2b_worker.signals import EXIT_INTERRUPTED

if TYPE_CHECKING:
    from pathlib import Path

    from f2b_worker.adapters.sqs.queue import SqsQueue
    from f2b_worker.shim.outbox import Outbox

log: structlog.stdlib.BoundLogger = structlog.get_logger()


@click.command(
    context_settings={"max_content_width": 110, "help_option_names": ["-h", "--help"]},
    epilog="Example: f2b-shim --queue f2b --port 8000, then: curl localhost:8000/infraction/203.0.113.7",
)
@settings_options(ShimSettings)
@config_option
@click.version_option(package_name="f2b-worker")
def main(config: Path | None, **given: Any) -> None:
    """Take infractions by HTTP and put them into the queue.

    Exit codes: 0 stopped on request, 2 wrong usage, 3 cannot start as configured, 5 SQS was away when it
    started: try again, 130 interrupted while it started.
    """
    open_standard_files()
    try:
        _serve(load(ShimSettings, given, config))
    except F2bError as error:
        remark(f"f2b-shim: {error}")
        sys.exit(code_at_start(error))
    except KeyboardInterrupt:
        remark("f2b-shim: interrupted")
        sys.exit(EXIT_INTERRUPTED)


def _serve(settings: ShimSettings) -> None:
    try:
        from f2b_worker.shim.serve import serve, serving  # noqa: PLC0415 - the extra may be missing
    except ImportError as error:
        raise StartError(f"the shim needs more packages: {INSTALL_SHIM}") from error
    configure(settings.log_level)
    act_as("shim")
    serve(serving(settings), partial(_open_outbox, _find_queue(settings.required_queue)), SystemClock())


def _find_queue(queue: str) -> str:
    """Find the URL of the queue; to send to one that is given by its URL, nothing has to be asked."""
    with closing(sqs_client(queue, connections=1, answer_within_s=2)) as client:
        try:
            return queue_url_of(client, queue)
        except AccessDenied as error:
            if not (error.by_policy and is_url(queue)):
                raise
            log.warning("queue_not_checked", reason=str(error))
            return queue


def _open_outbox(queue_url: str) -> Outbox:
    from f2b_worker.shim.batching import BatchingOutbox  # noqa: PLC0415 - the same extra

    return BatchingOutbox(_open_queue(queue_url))


def _open_queue(queue_url: str) -> SqsQueue:
    from f2b_worker.adapters.sqs.direct import direct_calls  # noqa: PLC0415 - the same extra
    from f2b_worker.adapters.sqs.queue import BotoCalls, SqsQueue  # noqa: PLC0415
    from f2b_worker.shim import batching  # noqa: PLC0415

    act_as("shim")  # each process of several
    calls_max = batching.SENDS_MAX + batching.FOLLOWED_MAX
    # One attempt: boto3 would give a slow call up, which takes effect all the same, and make it again.
    awaited_s = batching.ANSWER_WITHIN_S + batching.FOLLOWED_S
    client = sqs_client(queue_url, connections=calls_max, answer_within_s=awaited_s, attempts=1)
    calls = direct_calls(client) or BotoCalls(client, calls_max=calls_max)
    return SqsQueue(calls, queue_url=queue_url)
