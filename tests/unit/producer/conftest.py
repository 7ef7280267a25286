"""A producer with a queue that keeps what it took."""

from collections.abc import Iterator

import pytest

from f2b_producer import Producer
from f2b_producer.testing import RecordingClient


@pytest.fixture
def queue() -> RecordingClient:
    return RecordingClient()


@pytest.fixture
def f2b(queue: RecordingClient) -> Iterator[Producer]:
    with Producer("memory:", client=queue) as producer:
        yield producer
