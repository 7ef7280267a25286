"""What a receive brought, message by message: what is odd about one is no reason to leave the others."""

from __future__ import annotations

import hashlib
import math
import re
from typing import TYPE_CHECKING, Any

import structlog
from botocore.compat import MD5_AVAILABLE

from f2b_worker.adapters.answers import ODD, odd_answer, part_of
from f2b_worker.errors import F2bError, Unavailable
from f2b_worker.observe import metrics
from f2b_worker.observe.traces import ATTRIBUTE
from f2b_worker.ports import Message

if TYPE_CHECKING:
    from collections.abc import Sequence

log: structlog.stdlib.BoundLogger = structlog.get_logger()

SQS_BEGAN_MS = 1_072_915_200_000
"""The beginning of 2004: what is told to have been sent before SQS was there was not sent then."""

_DIGEST = re.compile("[0-9a-fA-F]{32}")
_REMEDY = "none: the message comes again after its visibility timeout, in the end to the dead-letter queue"


def read_deliveries(found: Sequence[Any], doing: str, *, now_ms: int) -> list[Message]:
    """Read the messages of one answer; one that cannot be read, or came damaged, is left in the queue.

    Args:
        found: The answer's list, as botocore parsed it.
        doing: Begins the line that the user reads.
        now_ms: When a message was sent of which the answer does not say it.

    Raises:
        Unavailable: If none has the form of AWS's.
    """
    messages: list[Message] = []
    odd: list[F2bError] = []
    for each in found:
        try:
            message = _message(each, doing, now_ms)
        except ODD as error:
            odd.append(odd_answer(doing, error))
        except Unavailable as error:
            odd.append(error)
        else:
            if _is_whole(message.body, each.get("MD5OfBody")):
                messages.append(message)
            else:
                _leave("damaged", "its body does not match its MD5", message=message.id)
    if len(odd) == len(found) and odd:
        raise odd[0]
    for each in odd:
        _leave("odd_answer", str(each))
    return messages


def _leave(kind: str, reason: str, **details: str) -> None:
    metrics.postponed.labels(kind).inc()
    log.warning("message_left", reason=reason, remedy=_REMEDY, **details)


def _message(raw: Any, doing: str, now_ms: int) -> Message:
    return Message(
        id=part_of(raw, "MessageId", doing, str),
        receipt=part_of(raw, "ReceiptHandle", doing, str),
        body=part_of(raw, "Body", doing, str) if "Body" in raw else "",
        sent_at_ms=_sent_at_ms(raw.get("Attributes"), now_ms),
        trace=_trace(raw["MessageAttributes"]) if "MessageAttributes" in raw else "",
    )


def _trace(attributes: Any) -> str:
    """Read which span sent a message; it is for people, so that what cannot be read is none."""
    told = attributes.get(ATTRIBUTE) if isinstance(attributes, dict) else None
    value = told.get("StringValue") if isinstance(told, dict) else None
    return value if isinstance(value, str) else ""


def _sent_at_ms(attributes: Any, now_ms: int) -> int:
    """Read when a message was sent; what is missing or cannot be such a time counts as now."""
    told = attributes.get("SentTimestamp") if isinstance(attributes, dict) else None
    try:
        at_ms = float(told)  # type: ignore[arg-type]  # what cannot be one raises
    except (TypeError, ValueError, OverflowError):
        return now_ms
    return int(at_ms) if math.isfinite(at_ms) and at_ms >= SQS_BEGAN_MS else now_ms


def _is_whole(body: str, digest: Any) -> bool:
    """Tell whether a body is the one of which the answer has the digest; without one it is taken for it."""
    if not MD5_AVAILABLE or not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        return True
    try:
        text = body.encode()
    except UnicodeEncodeError:  # no text at all: whoever reads it refuses it
        return True
    return hashlib.md5(text, usedforsecurity=False).hexdigest() == digest.lower()
