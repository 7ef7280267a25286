"""Where the credentials of direct calls come from may be as far away as SQS, and hang."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import boto3
import pytest

from f2b_worker.adapters.sqs.direct import DirectCalls
from f2b_worker.errors import AccessDenied


def test_who_asks_for_credentials_that_do_not_come_keeps_no_process_from_its_end() -> None:
    asked_in: list[threading.Thread] = []

    class Source:
        def get_frozen_credentials(self) -> Any:
            asked_in.append(threading.current_thread())

    client = boto3.client("sqs", region_name="us-east-1", aws_access_key_id="AKID", aws_secret_access_key="secret")

    async def call() -> None:
        with pytest.raises(AccessDenied):
            await DirectCalls(client, Source()).call("SendMessageBatch", {})

    asyncio.run(call())
    client.close()
    (thread,) = asked_in
    assert thread.daemon, "Python waits at its end for all other threads"
