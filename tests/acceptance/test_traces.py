"""A worker that somebody started with OpenTelemetry: from the pack that was sent to the IP set."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from demo.fleet import BIN, Fleet, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IP = "203.0.113.50"
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


OWN = {"OTEL_TRACES_EXPORTER": "console", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}


@pytest.fixture
def spans(fleet: Fleet, tmp_path: Path) -> Path:
    """Start a worker by OpenTelemetry's own command; this is where it writes its spans."""
    path = tmp_path / "spans.json"
    script = f'exec {BIN}/opentelemetry-instrument -- {BIN}/f2b-worker "$@" >{path}'
    fleet.environment |= OWN
    fleet.start_worker(program=("sh", "-c", script, "sh"))
    return path


def read(spans: Path) -> Iterator[dict[str, Any]]:
    """Read the objects, which have no comma between them."""
    text, decoder = spans.read_text().strip(), json.JSONDecoder()
    while text:
        span, end = decoder.raw_decode(text)
        yield span
        text = text[end:].lstrip()


def named(spans: Path, name: str) -> list[dict[str, Any]]:
    return [each for each in read(spans) if each["name"] == name]


def ids(spans: list[dict[str, Any]]) -> set[str]:
    return {each["context"]["span_id"] for each in spans}


def linked(span: dict[str, Any]) -> set[str]:
    return {each["context"]["trace_id"].removeprefix("0x") for each in span["links"]}


def test_a_packs_trace_is_linked_from_the_turn_that_judged_it_and_the_ip_set_is_a_span(
    fleet: Fleet, spans: Path
) -> None:
    send(fleet, f"00-{TRACE}-{SPAN}-01", "no traceparent")
    eventually(lambda: fleet.ip_set_entries() == {f"{IP}/32"}, "the ban is in its IP set", 20, 0.3)
    fleet.stop()

    received, processed = named(spans, "receive f2b"), named(spans, "process")
    assert set().union(*map(linked, received)) == set().union(*map(linked, processed)) == {TRACE}
    assert sum(each["attributes"]["messaging.batch.message_count"] for each in received) == 2
    verdicts = named(spans, "verdict")
    assert {each["parent_id"] for each in verdicts} <= ids(processed)
    assert [each for each in named(spans, "DynamoDB.PutItem") if each["parent_id"] in ids(verdicts)], "the ban"
    [enforced] = [each for each in named(spans, "enforce") if each["attributes"]["f2b.ip_set"] == "f2b-ipv4"]
    assert enforced["attributes"]["f2b.entries"] == 1
    assert [each["parent_id"] for each in named(spans, "WAFV2.UpdateIPSet")] == list(ids([enforced]))


def send(fleet: Fleet, *traceparents: str) -> None:
    """Send messages of the three infractions that ban, each as part of a trace."""
    body = json.dumps([{"ip": IP, "jail": "login", "id": f"report-{n}"} for n in range(3)])
    entries: list[Any] = [
        {"Id": str(n), "MessageBody": body, "MessageAttributes": {"traceparent": _text(each)}}
        for n, each in enumerate(traceparents)
    ]
    fleet.sqs.send_message_batch(QueueUrl=fleet.queue_url, Entries=entries)


def _text(value: str) -> dict[str, str]:
    return {"DataType": "String", "StringValue": value}
