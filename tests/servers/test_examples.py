"""The examples in producer/examples, each started as its first lines say, and stopped at once after a report."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import ROOT
from tests.servers.local_queue import LocalQueue
from tests.servers.ports import claim, port_of

if TYPE_CHECKING:
    from collections.abc import Callable

BIN = Path(sys.executable).parent
COMES_WITHIN_S = 30.0
COMMANDS = [
    "uvicorn fastapi_app:app --no-proxy-headers --port {port}",
    "flask --app flask_app run --port {port}",
    "gunicorn django_app:application --no-control-socket --bind 127.0.0.1:{port}",
    "uvicorn django_app:asgi_application --no-proxy-headers --port {port}",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_an_example_that_is_stopped_has_sent_what_it_reported(command: str) -> None:
    with LocalQueue() as queue, claim() as claimed:
        port = port_of(claimed)
        program, *arguments = command.format(port=port).split()
        process = subprocess.Popen(
            [BIN / program, *arguments],
            cwd=ROOT / "producer" / "examples",
            env=os.environ | queue.environment | {"F2B_QUEUE": queue.url, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            report(process, port)
            until(process, lambda: queue.arrived.total() == 1)  # boto3 is loaded
            report(process, port)
        finally:
            process.send_signal(signal.SIGTERM)
            said, _ = process.communicate(timeout=30)
    assert queue.arrived == {"wp-login.php": 2}, said


def report(process: subprocess.Popen[str], port: int) -> None:
    """Fall into the example's trap through the load balancer, once the server listens."""
    until(process, lambda: trapped(port) == http.HTTPStatus.OK)


def trapped(port: int) -> int | None:
    with (
        suppress(ConnectionRefusedError),
        closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection,
    ):
        connection.request("GET", "/wp-login.php", headers={"X-Forwarded-For": "203.0.113.7"})
        return connection.getresponse().status
    return None


def until(process: subprocess.Popen[str], condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + COMES_WITHIN_S
    while not condition():
        assert process.poll() is None, "the server has ended"
        assert time.monotonic() < deadline_s, "the server does not answer, or the queue hears nothing"
        time.sleep(0.02)
