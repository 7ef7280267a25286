"""The queue of the shim's benchmark answers what a shim asks."""

from __future__ import annotations

import json
from collections import Counter
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


def test_it_says_how_often_each_address_came_where_it_is_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "BY_IP", Counter())
    bodies = [
        {"dt_ms": [0, 1], "ip": ["192.0.2.1", "192.0.2.2"]},
        {"dt_ms": [0, 1, 2], "ip": ["192.0.2.2", "192.0.2.3"], "of": [0, 1, 0]},
    ]
    entries = [{"Id": str(number), "MessageBody": json.dumps(each)} for number, each in enumerate(bodies)]
    queue._answer(json.dumps({"Entries": entries}).encode(), by_ip=True)
    assert queue._answer(b"", by_ip=True)["by_ip"] == {"192.0.2.1": 1, "192.0.2.2": 3, "192.0.2.3": 1}
