"""The queue of the shim's benchmark answers what a shim asks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from benchmarks.shim import queue

if TYPE_CHECKING:
    import pytest


def asked(**request: Any) -> dict[str, Any]:
    return dict(queue._answer(json.dumps(request).encode()))


def test_a_shim_that_starts_finds_its_queue() -> None:
    told = asked(QueueUrl="http://127.0.0.1/1/f2b", AttributeNames=["QueueArn"])
    assert list(told["Attributes"]) == ["QueueArn"]


def test_sends_are_confirmed_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "COUNTS", {"sends": 0, "infractions": 0})
    told = asked(Entries=[{"Id": "0", "MessageBody": json.dumps({"dt_ms": [0, 1, 2]})}])
    assert [each["Id"] for each in told["Successful"]] == ["0"]
    assert queue._answer(b"") == {"sends": 1, "infractions": 3}
