"""What a POST hears of its infractions: small, however many there were."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.http.replies import Reply, json_reply, retry_after
from f2b_worker.shim.items import TOLD_MAX, Span, Told, bounded
from f2b_worker.shim.replies import RETRY_AFTER_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from f2b_worker.shim.items import Items, Placed
    from f2b_worker.shim.outbox import SentError

_AGAIN = 503


class Failure(NamedTuple):
    """Why something is not stored, and what was sent of it all the same."""

    reason: str
    detail: str
    sent: SentError | None = None


OVERLOADED = Failure("overloaded", "too many infractions wait for the queue; try again")
QUEUE_AWAY = Failure("queue", "the queue cannot be reached; try again")


class FailedPart(NamedTuple):
    """Infractions that were to be stored together, and were not.

    Attributes:
        number: Of the part, in the order in which they were cut.
        items: They.
        why: Why.
    """

    number: int
    items: Sequence[Placed]
    why: Failure


def refused_whole(detail: str, *, status: int = 400) -> Reply:
    """Say what is wrong with a request, of which no item was looked at; with 503, that it may come again."""
    told = {"stored": 0, "refused": {}, "results": [], "detail": bounded(detail)}
    return json_reply(status, told, *(() if status == 400 else (retry_after(RETRY_AFTER_S),)))


def answer(items: Items, failures: Sequence[FailedPart]) -> Reply:
    """Say what became of the items of a request.

    Args:
        items: What was read.
        failures: What of it could not be stored.
    """
    failed = sum(len(each.items) for each in failures)
    stored = len(items.good) - failed
    if stored == items.number:
        return json_reply(200, {"stored": stored})
    results = [each.as_result() for each in _told(items, failures)]
    told: dict[str, object] = {"stored": stored, "refused": _by_reason(items, failures), "results": results}
    if not failed + items.crowded:
        return json_reply(207 if stored else 400, told)
    spans = _spans(items, failures)
    told["again"] = [span._asdict() for span in spans[:TOLD_MAX]]
    if len(spans) > TOLD_MAX:
        told["detail"] = f"of the {len(spans):,} places that may be sent again, the first {TOLD_MAX} are told"
    return json_reply(207 if stored else _AGAIN, told, *(() if stored else (retry_after(RETRY_AFTER_S),)))


def _by_reason(items: Items, failures: Sequence[FailedPart]) -> dict[str, int]:
    numbers = Counter(items.bad)
    for each in failures:
        numbers[each.why.reason] += len(each.items)
    if items.crowded:
        numbers[OVERLOADED.reason] += items.crowded
    return dict(numbers)


def _told(items: Items, failures: Sequence[FailedPart]) -> list[Told]:
    """Choose the first of those that were not stored, whatever the reason."""
    crowded = (Told(place, _AGAIN, OVERLOADED.reason, OVERLOADED.detail) for place in items.first_crowded)
    failed = (
        Told(item.place, _AGAIN, each.why.reason, bounded(each.why.detail))
        for each in failures
        for item in islice(each.items, TOLD_MAX)
    )
    return sorted([*items.told, *crowded, *failed])[:TOLD_MAX]


def _spans(items: Items, failures: Sequence[FailedPart]) -> list[Span]:
    """Say where those are that may be sent again; those of neighbouring parts together."""
    spans: list[Span] = []
    before = None
    for each in failures:
        span = Span(each.items[0].place, each.items[-1].place, with_id=each.items[0].infraction.id != "")
        if spans and before == each.number - 1 and spans[-1].with_id == span.with_id:
            span = span._replace(first=spans.pop().first)
        spans.append(span)
        before = each.number
    return sorted([*spans, *items.crowded_spans.values()])
