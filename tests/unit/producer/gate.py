"""A queue that answers when a test lets it."""

import threading
from collections.abc import Sequence
from typing import Any

from f2b_producer.testing import RecordingClient


class Gate(RecordingClient):
    """A queue that does not answer until it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.open = threading.Event()

    def send_message_batch(self, *, QueueUrl: str, Entries: Sequence[Any]) -> dict[str, Any]:  # noqa: N803
        self.entered.set()
        assert self.open.wait(20)
        return super().send_message_batch(QueueUrl=QueueUrl, Entries=Entries)
