"""A process that is frozen and goes on later, as in AWS Lambda, a laptop that sleeps, or a paused machine."""

from __future__ import annotations

import os
import re
import signal
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.producer_aws import LocalQueue, serving
from tests.integration.producer_process import KEYS, Application, application

if TYPE_CHECKING:
    from collections.abc import Iterator

SILENT_MAX_S = 0.2  # instead of a minute
FROZEN_S = 0.5
READ_TIMEOUT_S = 300  # instead of 5 s: what waits for it does not come in time, on a busy machine neither
SETUP = f"""
from f2b_producer import Producer, _aws, _renewal
_renewal.SILENT_MAX_S = {SILENT_MAX_S}
_aws.READ_TIMEOUT_S = {READ_TIMEOUT_S}
f2b = Producer(URL, linger_s=0, flush_timeout_s=120)
"""


@contextmanager
def frozen(process: Application) -> Iterator[None]:
    os.kill(process.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED)
    try:
        yield
        time.sleep(FROZEN_S)
    finally:
        os.kill(process.pid, signal.SIGCONT)


@pytest.mark.parametrize("reset", [False, True], ids=["silent", "reset"])
def test_after_a_freeze_a_flush_does_not_wait_for_a_connection_that_has_died(*, reset: bool) -> None:
    with (
        serving(LocalQueue()) as queue,
        application(SETUP, {**KEYS, "AWS_ENDPOINT_URL_SQS": queue.url}) as process,
    ):
        process.ask("f2b.report('203.0.113.1')")
        assert process.ask("f2b.flush()")
        with frozen(process):
            queue.forget_connections(reset=reset)
        process.ask("f2b.report('203.0.113.2')")
        assert process.ask("f2b.flush()")
        process.end()
    assert [seen.ip for seen in queue.infractions()] == ["203.0.113.1", "203.0.113.2"]
    assert len(queue.connections) == 2
    assert process.complaints == ""


def test_what_waited_while_the_process_was_frozen_arrives_with_its_own_time_and_its_age() -> None:
    with (
        serving(LocalQueue()) as queue,
        application(SETUP, {**KEYS, "AWS_ENDPOINT_URL_SQS": queue.url}) as process,
    ):
        queue.away = True
        process.ask("f2b.report('203.0.113.1')")
        reported_before_s = time.time() + 0.001  # it is sent in whole milliseconds
        with frozen(process):
            pass
        assert process.ask("f2b.health().oldest_waiting_s") >= FROZEN_S
        queue.away = False
        assert process.ask("f2b.flush()")
        process.end()
    [seen] = queue.infractions()
    assert seen.at_s <= reported_before_s


def test_the_handler_in_the_page_about_lambda_has_sent_when_it_returns() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "lambda.md").read_text("utf-8")
    [handler] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    # Its two seconds are for Lambda: a busy machine may take longer to send.
    setup = (
        handler.replace("flush_timeout_s=2", "flush_timeout_s=120") + "def password_is_right(_): return False\n"
    )
    with (
        serving(LocalQueue()) as queue,
        application(setup, {**KEYS, "AWS_ENDPOINT_URL_SQS": queue.url}) as process,
    ):
        event = {"requestContext": {"http": {"sourceIp": "203.0.113.7"}}}
        assert process.ask(f"handler({event!r}, None)") == {"statusCode": 401}
        assert [seen.ip for seen in queue.infractions()] == ["203.0.113.7"]
        process.end()
