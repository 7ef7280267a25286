"""An application that has OpenTelemetry sees each pack leave, and the message names the trace."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from f2b_producer._infraction import read
from f2b_producer._pack import MAX_BODY_BYTES, Pack, encode
from f2b_producer._sender import Sender
from f2b_producer.testing import RecordingClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/f2b"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Give the application's own set-up, without making it that of every test of this process."""
    import opentelemetry.trace  # noqa: PLC0415 - it counts from its import on
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: PLC0415

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(opentelemetry.trace, "get_tracer", provider.get_tracer)
    yield exporter
    provider.shutdown()


def packs(number: int) -> list[Pack]:
    return [encode([read(f"203.0.113.{n}", "login", 1_763_833_500, None)])[0] for n in range(number)]


def named(entry: Any) -> str:
    value: str = entry["MessageAttributes"]["traceparent"]["StringValue"]
    return value


def traceparent(span: ReadableSpan) -> str:
    context = span.get_span_context()
    assert context
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def test_each_pack_has_a_trace_of_its_own_that_its_message_names(spans: InMemorySpanExporter) -> None:
    client = RecordingClient()
    outcome = Sender(URL, client).send(packs(2))

    done = spans.get_finished_spans()
    assert len(outcome.sent) == 2
    assert [named(each) for each in client.calls[0]] == [traceparent(span) for span in done]
    assert len({named(each)[3:35] for each in client.calls[0]}) == 2
    assert {(span.name, span.kind.name, span.parent) for span in done} == {("send f2b", "PRODUCER", None)}
    assert done[0].attributes is not None
    assert dict(done[0].attributes) == {
        "messaging.system": "aws_sqs",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": "f2b",
        "aws.sqs.queue.url": URL,
        "f2b.infractions": 1,
    }


def test_the_span_of_a_pack_that_the_queue_refuses_says_why(spans: InMemorySpanExporter) -> None:
    client = RecordingClient()
    client.fail = lambda _: {"Code": "InternalError", "Message": "later"}
    assert len(Sender(URL, client).send(packs(1)).failed) == 1
    [span] = spans.get_finished_spans()
    assert (span.status.status_code.name, span.status.description) == ("ERROR", "InternalError: later")


def test_a_call_that_is_full_to_the_limit_of_an_older_queue_carries_no_traces(spans: InMemorySpanExporter) -> None:
    client = RecordingClient()
    full = [Pack(f"p{n}", "x" * MAX_BODY_BYTES, 1) for n in range(4)]
    Sender(URL, client).send(full)
    assert not any("MessageAttributes" in each for each in client.calls[0])
    assert len(spans.get_finished_spans()) == 4


def test_a_tracer_that_is_broken_costs_its_traces_and_no_infraction(
    spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("no tracer")

    monkeypatch.setattr("opentelemetry.trace.get_tracer", broken)
    client = RecordingClient()
    assert len(Sender(URL, client).send(packs(1)).sent) == 1
    assert set(client.calls[0][0]) == {"Id", "MessageBody"}
    assert spans.get_finished_spans() == ()


@pytest.mark.parametrize("is_loaded", [False, True], ids=["not loaded", "loaded and not set up"])
def test_without_a_tracer_a_message_is_as_it_was(monkeypatch: pytest.MonkeyPatch, *, is_loaded: bool) -> None:
    if not is_loaded:
        monkeypatch.delitem(sys.modules, "opentelemetry.trace", raising=False)
    client = RecordingClient()
    Sender(URL, client).send(packs(1))
    assert set(client.calls[0][0]) == {"Id", "MessageBody"}
