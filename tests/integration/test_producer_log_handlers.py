"""Log handlers of the application, at DEBUG, that report every record or that raise: the sending does not care."""

from __future__ import annotations

import pytest

from tests.integration.producer_aws import LocalQueue, serving
from tests.integration.producer_process import KEYS, application

SETUP = """
import logging, logging.handlers, queue, threading
from f2b_producer import Producer
f2b = Producer(URL, linger_s=0, flush_timeout_s=120)
"""
REPORTING = (
    SETUP
    + """
class Reporting(logging.Handler):
    def emit(self, record):
        seen.append(record.name.partition(".")[0])
        f2b.report("203.0.113.99")

seen = []
logging.root.setLevel(logging.DEBUG)
"""
)
DIRECT = "logging.root.addHandler(Reporting())\n"
QUEUED = """
records = queue.SimpleQueue()
logging.root.addHandler(logging.handlers.QueueHandler(records))
listener = logging.handlers.QueueListener(records, Reporting())
listener.start()
"""
RAISING = (
    SETUP
    + """
class Raising(logging.Handler):
    def emit(self, record):
        raise {error}

logging.root.setLevel(logging.DEBUG)
logging.root.addHandler(Raising())
"""
)


@pytest.mark.parametrize("setup", [DIRECT, QUEUED], ids=["direct", "queued"])
def test_a_handler_that_reports_every_record_is_not_fed_by_the_sending_of_its_reports(setup: str) -> None:
    with (
        serving(LocalQueue()) as queue,
        application(REPORTING + setup, {**KEYS, "AWS_ENDPOINT_URL_SQS": queue.url}) as process,
    ):
        for _ in range(3):
            process.ask("f2b.report('203.0.113.1')")
            assert process.ask("f2b.flush()")
        if setup == QUEUED:
            process.ask("listener.stop()")
        own = process.ask("seen")
        assert process.ask("f2b.flush()")
        assert process.ask("f2b.stats().accepted") == 3 + len(own)
        process.ask("logging.root.handlers.clear()")
        process.end()
    assert set(own) <= {"f2b_producer"}  # its few lines may be reported: each is of a change of state
    assert len(queue.infractions()) == 3 + len(own)


@pytest.mark.parametrize("error", ["RuntimeError", "SystemExit", "BaseException"])
def test_a_handler_that_raises_stops_nothing(error: str) -> None:
    with (
        serving(LocalQueue()) as queue,
        application(RAISING.format(error=error), {**KEYS, "AWS_ENDPOINT_URL_SQS": queue.url}) as process,
    ):
        queue.away = True
        process.ask("f2b.report('203.0.113.1')")
        assert not process.ask("f2b.flush(4)")  # longer than a round: "cannot send" was logged
        queue.away = False
        assert process.ask("f2b.flush()")
        process.ask("f2b.report('not an address')")  # logged, too
        process.ask("f2b.report('203.0.113.2')")
        assert process.ask("f2b.flush()")
        assert process.ask("f2b.health().thread_alive")
        process.end()
    assert [seen.ip for seen in queue.infractions()] == ["203.0.113.1", "203.0.113.2"]


def test_what_the_application_itself_does_with_the_same_client_is_logged_as_before() -> None:
    setup = (
        REPORTING
        + DIRECT
        + """
import botocore.session
def list_queues():
    client = botocore.session.get_session().create_client("sqs", region_name="eu-west-1")
    try:
        client.list_queues()
    except Exception as error:
        return type(error).__name__
    finally:
        client.close()
"""
    )
    with (
        serving(LocalQueue()) as queue,
        application(setup, {**KEYS, "AWS_ENDPOINT_URL_SQS": queue.url}) as process,
    ):
        process.ask("f2b.report('203.0.113.1')")
        assert process.ask("f2b.flush()")
        process.ask("list_queues()")
        assert {"botocore", "urllib3"} <= set(process.ask("seen"))
        process.ask("logging.root.handlers.clear()")
        process.end()
