"""What is logged while reports are sent does not become a report, whoever logs it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from f2b_producer import Producer
from f2b_producer.testing import RecordingClient
from tests.file_queue import run

if TYPE_CHECKING:
    from collections.abc import Iterator


class Talking(RecordingClient):
    """Logs each call, as a tracer does, to a logger that nobody has heard of before."""

    def send_message_batch(self, **call: Any) -> dict[str, Any]:
        logging.getLogger("tracer").debug("sends %s", call)
        return super().send_message_batch(**call)


class Reporting(logging.Handler):
    """Reports every record."""

    def __init__(self, f2b: Producer) -> None:
        super().__init__()
        self._f2b = f2b

    def emit(self, record: logging.LogRecord) -> None:
        self._f2b.report("203.0.113.99", note=record.name)


@pytest.fixture
def queue() -> Talking:
    return Talking()


@pytest.fixture
def f2b(queue: Talking) -> Iterator[Producer]:
    with Producer("memory:", client=queue, linger_s=0) as made:
        handler, before = Reporting(made), logging.root.level
        logging.root.addHandler(handler)
        logging.root.setLevel(logging.DEBUG)
        yield made
        logging.root.setLevel(before)
        logging.root.removeHandler(handler)


def test_a_handler_that_reports_what_is_logged_in_the_sending_is_refused_and_told_so(
    f2b: Producer, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        f2b.report("203.0.113.7")
        assert f2b.flush()
    own = [record for record in caplog.records if record.name == "f2b_producer"]
    assert f2b.flush()
    stats = f2b.stats()
    assert (stats.accepted, stats.sent) == (3 + len(own), 3 + len(own))
    assert stats.refused["sending"] >= 3
    assert caplog.text.count("a log handler reported what was logged while reports were sent") == 1


def test_a_handler_may_report_what_the_application_logs(f2b: Producer, queue: Talking) -> None:
    logging.getLogger("shop").warning("bad password")
    assert f2b.flush()
    assert "shop" in {seen.note for seen in queue.infractions()}


FORK = """
import os
from f2b_producer._quiet import sending, under_way
with sending():
    pid = os.fork()
    if pid == 0: os._exit(len(under_way))
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), len(under_way))
print(len(under_way))
"""


def test_a_child_that_is_forked_while_its_parent_sends_asks_no_further_at_a_report() -> None:
    done = run(FORK)
    assert (done.stdout, done.stderr) == ("0 1\n0\n", "")
