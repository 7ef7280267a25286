"""A full hand is released by many calls side by side: a stop has only seconds."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, cast

from f2b_worker.adapters.sqs.inbox import BATCH_MAX, RELEASE_THREADS, SqsInbox
from f2b_worker.ports import Message

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

GIVES_UP_S = 20.0
"""Only a code that makes fewer calls at once waits so long, and fails then."""


class Meeting:
    """A queue that answers no release before so many are under way."""

    def __init__(self, calls: int) -> None:
        self._all_here = threading.Barrier(calls, timeout=GIVES_UP_S)
        self.released: list[str] = []

    def change_message_visibility_batch(self, **request: Any) -> dict[str, Any]:
        self._all_here.wait()
        self.released += [entry["ReceiptHandle"] for entry in request["Entries"]]
        return {}


def test_sixteen_batches_of_releases_are_under_way_at_once_and_each_message_is_in_one() -> None:
    queue = Meeting(RELEASE_THREADS)
    inbox = SqsInbox(cast("SQSClient", queue), queue_url="q", dead_letter_url="d", visibility_s=30)
    receipts = [f"r{number}" for number in range(RELEASE_THREADS * BATCH_MAX)]

    inbox.release([Message(id=receipt, receipt=receipt, body="", sent_at_ms=0) for receipt in receipts])

    assert RELEASE_THREADS == 16
    assert sorted(queue.released) == sorted(receipts)
