"""Spans for an application that has OpenTelemetry: one trace for each pack, from here to the IP set.

The API is not imported here: only an application that has loaded it can have set it up. Names are those of the
messaging conventions (https://opentelemetry.io/docs/specs/semconv/messaging/sqs/), which are still in development.
"""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from f2b_producer._pack import Pack

SYSTEM = "aws_sqs"
ATTRIBUTE = "traceparent"
ENTRY_BYTES = 80
"""So much a trace adds to a message: the attribute's name, type and value."""


class PackSpans:
    """The spans of one call to the queue, one for each pack; none where nobody hears them.

    Nothing here raises: a tracer that is broken costs its traces, and no infraction.

    Args:
        packs: What is sent.
        queue_url: Where to.
    """

    def __init__(self, packs: Sequence["Pack"], queue_url: str) -> None:
        self._spans: dict[str, Any] = {}
        api = sys.modules.get("opentelemetry.trace")
        if api is not None:
            with contextlib.suppress(Exception):
                self._spans = {pack.id: span for pack in packs if (span := _begun(api, pack, queue_url))}

    def attributes(self, pack: "Pack") -> dict[str, Any]:
        """Make what a message carries, so that who receives it can name its trace."""
        span = self._spans.get(pack.id)
        if span is None:
            return {}
        context = span.get_span_context()
        value = f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"
        return {"MessageAttributes": {ATTRIBUTE: {"DataType": "String", "StringValue": value}}}

    @contextlib.contextmanager
    def ended(self) -> Iterator[None]:
        """End them after what happens meanwhile."""
        try:
            yield
        finally:
            for span in self._spans.values():
                with contextlib.suppress(Exception):
                    span.end()

    def tell(self, failed: Sequence["Pack"], error: str | None) -> None:
        """Say of the packs that were not sent why."""
        for pack in failed:
            if span := self._spans.get(pack.id):
                with contextlib.suppress(Exception):
                    span.set_attribute("error.type", (error or "not confirmed").partition(":")[0])
                    span.set_status(sys.modules["opentelemetry.trace"].Status(_error_code(), error))


def _begun(api: Any, pack: "Pack", queue_url: str) -> Any:
    """Begin the span of one pack; None if it is not recorded."""
    name = queue_url.rstrip("/").rpartition("/")[2]
    span = api.get_tracer("f2b_producer").start_span(
        f"send {name}",
        context=_no_parent(),
        kind=api.SpanKind.PRODUCER,
        attributes={
            "messaging.system": SYSTEM,
            "messaging.operation.name": "send",
            "messaging.operation.type": "send",
            "messaging.destination.name": name,
            "aws.sqs.queue.url": queue_url,
            "f2b.infractions": pack.infractions,
        },
    )
    return span if span.is_recording() else None


def _no_parent() -> Any:
    """Reports of many requests share a pack: none of them is its parent."""
    return sys.modules["opentelemetry.context"].Context()


def _error_code() -> Any:
    return sys.modules["opentelemetry.trace"].StatusCode.ERROR
