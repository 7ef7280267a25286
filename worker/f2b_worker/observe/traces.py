"""Spans of OpenTelemetry: a pack is received, its infractions are judged, an IP set is written.

Whoever starts a worker by `opentelemetry-instrument` has the API loaded and set up; for everybody else nothing
here does anything, and nothing is imported. A turn judges many packs, so its span has links to theirs and no
parent. Names are those of the messaging conventions, which are still in development:
https://opentelemetry.io/docs/specs/semconv/messaging/sqs/
"""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

SYSTEM = "aws_sqs"
ATTRIBUTE = "traceparent"
LINKS_MAX = 128
"""As many links as an SDK keeps by default; a turn may have more packs than that."""

_TRACEPARENT = re.compile("00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_OFF: AbstractContextManager[None] = nullcontext()


class Traced(Protocol):
    """A message, which may name the span that sent it."""

    @property
    def trace(self) -> str:
        """That span, as W3C's traceparent has it; empty if nobody says."""
        ...


class Asked(TypedDict, total=False):
    """What a receive asks for where somebody hears of spans."""

    MessageAttributeNames: list[str]


def are_on() -> bool:
    """Tell whether somebody has set up who hears of spans."""
    api: Any = sys.modules.get("opentelemetry.trace")
    return api is not None and not isinstance(api.get_tracer_provider(), api.ProxyTracerProvider)


def asked() -> Asked:
    """Say what a receive has to ask for, so that messages name their spans."""
    return {"MessageAttributeNames": [ATTRIBUTE]} if are_on() else {}


def received(messages: Sequence[Traced], queue_url: str, began_ms: int) -> None:
    """Tell of a receive that brought messages; one that brought none is not worth a span.

    Args:
        messages: What it brought.
        queue_url: Whence.
        began_ms: When it was asked for.
    """
    if not messages or not are_on():
        return
    name = queue_url.rstrip("/").rpartition("/")[2]
    where = {"messaging.destination.name": name, "aws.sqs.queue.url": queue_url}
    _tracer().start_span(
        f"receive {name}",
        kind=_kinds().CLIENT,
        links=_links(messages),
        attributes=_about("receive", len(messages)) | where,
        start_time=1_000_000 * began_ms,  # nanoseconds
    ).end()


def processing(messages: Sequence[Traced]) -> AbstractContextManager[None]:
    """Span what happens meanwhile to *messages*: one turn of the intake, which without any is worth no span."""
    if not messages or not are_on():
        return _OFF
    about = _about("process", len(messages))
    return _spanned("process", kind=_kinds().CONSUMER, links=_links(messages), attributes=about)


def inside(name: str, **attributes: str | int) -> AbstractContextManager[None]:
    """Span what happens meanwhile as a part of what this thread is at; if that has no span, neither has this."""
    api: Any = sys.modules.get("opentelemetry.trace")
    if api is None or not api.get_current_span().is_recording():
        return _OFF
    return spanned(name, **attributes)


def spanned(name: str, **attributes: str | int) -> AbstractContextManager[None]:
    """Span what happens meanwhile."""
    if not are_on():
        return _OFF
    return _spanned(name, attributes={f"f2b.{key}": value for key, value in attributes.items()})


@contextmanager
def _spanned(name: str, **how: Any) -> Iterator[None]:
    with _tracer().start_as_current_span(name, **how):
        yield


def _tracer() -> Any:
    return sys.modules["opentelemetry.trace"].get_tracer("f2b_worker")


def _kinds() -> Any:
    return sys.modules["opentelemetry.trace"].SpanKind


def _about(operation: str, messages: int) -> dict[str, str | int]:
    return {
        "messaging.system": SYSTEM,
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.batch.message_count": messages,
    }


def _links(messages: Iterable[Traced]) -> list[Any]:
    """Link to the spans that the messages name; what is no name of one, anybody may have written."""
    api: Any = sys.modules["opentelemetry.trace"]
    named = (_TRACEPARENT.fullmatch(each.trace) for each in messages if each.trace)
    contexts = (_context(api, *found.groups()) for found in named if found)
    return [api.Link(context) for context in contexts if context.is_valid][:LINKS_MAX]


def _context(api: Any, trace: str, span: str, flags: str) -> Any:
    return api.SpanContext(
        int(trace, 16), int(span, 16), is_remote=True, trace_flags=api.TraceFlags(int(flags, 16))
    )
