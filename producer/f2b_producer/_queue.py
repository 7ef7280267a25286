from collections.abc import Sequence
from typing import Any, Protocol


class QueueClient(Protocol):
    """What is needed of an SQS client; boto3's fits. It is used by one thread at a time."""

    def send_message_batch(self, *, QueueUrl: str, Entries: Sequence[Any]) -> Any:  # noqa: N803 - boto3's names
        """Send up to ten messages and say under "Successful" and "Failed" what became of each."""
