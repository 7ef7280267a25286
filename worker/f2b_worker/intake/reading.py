"""From one message to hits by offender, and to letters for what in it is refused."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import structlog
from pydantic_core import to_json

from f2b_worker.domain.jails import MINUTE_MS
from f2b_worker.domain.judge.infractions import Refusal
from f2b_worker.domain.judge.sorting import FUTURE_ALLOWED_MS, Sorter
from f2b_worker.intake.untimely import Untimely
from f2b_worker.observe import metrics
from f2b_worker.ports import DeadLetter
from f2b_worker.wire import UnreadableError, read_body

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from f2b_worker.domain.jails import Policy
    from f2b_worker.domain.judge.sorting import Sorted
    from f2b_worker.domain.judge.verdicts import Hit, OffenderId
    from f2b_worker.ports import Message

log: structlog.stdlib.BoundLogger = structlog.get_logger()

WARN_EVERY_MS = 60 * MINUTE_MS
_OWN_RANGE_HINT = (
    "private, loopback and similar addresses are never banned; behind a load balancer all requests come from one:"
    " is trusted_hops set in the application?"
)

LETTER_BYTES_MAX = 240 * 1024  # queues may still be limited to 256 KiB, attributes included


class Contents(NamedTuple):
    """What is in one message.

    Attributes:
        hits: What is to be judged.
        letters: About what is refused.
        infractions: How many it has that can be read, those of no account included.
    """

    hits: Mapping[OffenderId, Sequence[Hit]]
    letters: Sequence[DeadLetter]
    infractions: int = 0


class Reader:
    """Reads messages, and counts what is ignored.

    Args:
        policy: The jails.
        max_age_ms: Older infractions are refused; None accepts any age.
    """

    def __init__(self, policy: Policy, max_age_ms: int | None) -> None:
        self._sorter = Sorter(policy, max_age_ms)
        self._untimely = Untimely(policy)
        self._warned_ms = -WARN_EVERY_MS

    def read(self, message: Message, *, now_ms: int) -> Contents:
        """Read one message; *now_ms* is what too old and in the future refer to."""
        sent_at_ms = _sent_at_ms(message, now_ms)
        try:
            body = read_body(message.body, message_id=message.id, sent_at_ms=sent_at_ms)
        except UnreadableError as error:
            refused = [Refusal(error.reason, str(error), None)]
            return Contents({}, [_letter(message.body, refused, message.id)])
        found = self._sorter.sort_out(body.infractions, now_ms=now_ms)
        _count(found)
        self._untimely.note(found, body.reporter, sent_at_ms=sent_at_ms, now_ms=now_ms)
        if found.own and now_ms - self._warned_ms >= WARN_EVERY_MS:
            self._warned_ms = now_ms
            log.warning("never_banned", address=found.own, remedy=_OWN_RANGE_HINT)
        return Contents(found.hits, list(letters(body.refused + found.refused, message.id)), len(body.infractions))


def _sent_at_ms(message: Message, now_ms: int) -> int:
    """Tell when a message was sent; if this clock is behind the queue's, that was by now all the same."""
    return message.sent_at_ms if message.sent_at_ms <= now_ms + FUTURE_ALLOWED_MS else now_ms


def letters(refused: Sequence[Refusal], message_id: str) -> Iterator[DeadLetter]:
    """Write letters about what is refused, each short enough for one message."""
    for items, part in _in_parts(refused):
        yield _letter(items, part, message_id)


def _letter(body: str, why: Sequence[Refusal], message_id: str) -> DeadLetter:
    return DeadLetter(body, Counter(one.reason.value for one in why), why[0].detail, message_id)


def _count(found: Sorted) -> None:
    for reason, number in found.ignored.items():
        metrics.ignored.labels(reason).inc(number)
    for jail, number in found.unknown_jails.items():
        metrics.unknown_jail.inc(number)
        log.debug("unknown_jail", jail=jail, infractions=number, judged_by="defaults")


def _in_parts(refused: Sequence[Refusal]) -> Iterator[tuple[str, list[Refusal]]]:
    """Cut what is refused into lists that fit into one message each, as JSON beside what they hold."""
    texts: list[bytes] = []
    part: list[Refusal] = []
    size_bytes = 0
    for one in refused:
        text = to_json(one.item, inf_nan_mode="strings")
        if part and size_bytes + len(text) > LETTER_BYTES_MAX:
            yield _as_list(texts), part
            texts, part, size_bytes = [], [], 0
        texts.append(text)
        part.append(one)
        size_bytes += len(text) + 1
    if part:
        yield _as_list(texts), part


def _as_list(texts: Sequence[bytes]) -> str:
    return f"[{b','.join(texts).decode()}]"
