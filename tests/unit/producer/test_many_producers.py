"""A producer made for each request: it is said once that one is enough, and none of them stays."""

from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING

from f2b_producer import Producer
from f2b_producer._states import PRODUCERS_MAX
from f2b_producer.testing import RecordingClient

if TYPE_CHECKING:
    import pytest


def test_a_producer_made_for_each_request_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(15 * PRODUCERS_MAX):
        Producer("memory:each-request")
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert f"made {PRODUCERS_MAX + 1} producers for memory:each-request: make one" in record.getMessage()


def test_a_few_producers_and_those_that_got_a_client_are_not_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(PRODUCERS_MAX):
        Producer("memory:few")
        Producer("memory:others")
    for _ in range(2 * PRODUCERS_MAX):
        Producer("memory:few", client=RecordingClient())
    assert caplog.records == []


def test_in_an_outage_a_producer_that_nobody_holds_ends_its_thread_in_time_and_tells_what_it_leaves(
    caplog: pytest.LogCaptureFixture,
) -> None:
    queue = RecordingClient()
    queue.down = ConnectionError("away")
    f2b = Producer("memory:", client=queue, linger_s=0, flush_timeout_s=0)
    f2b.report("203.0.113.7")
    thread = f2b._pump._thread
    assert isinstance(thread, threading.Thread)
    del f2b
    gc.collect()
    thread.join(20)
    assert not thread.is_alive()
    assert "closed with 1 infractions unsent: " in caplog.text
