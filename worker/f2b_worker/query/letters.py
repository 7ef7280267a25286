"""The dead letters, messages that nobody could judge."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from f2b_worker.query.wording import time_object

if TYPE_CHECKING:
    from collections.abc import Iterable

    from f2b_worker.ports import StoredLetter

KEYS = ("id", "time", "time_at", "reason", "detail", "body")
"""What a dead letter has as a JSON object."""


def letter_object(letter: StoredLetter) -> dict[str, Any]:
    """Return a dead letter as a JSON object."""
    return {
        "id": letter.id,
        **time_object("time", letter.at_ms),
        "reason": letter.reason,
        "detail": letter.detail,
        "body": letter.body,
    }


def reasons_of(letters: Iterable[StoredLetter]) -> Counter[str]:
    """Count them by reason: of a message in which several infractions were refused there are several."""
    return Counter(name for each in letters for name in each.reason.split())


def has_reason(letter: StoredLetter, reason: str | None) -> bool:
    """Tell whether one has that reason; None is any."""
    return reason is None or reason in letter.reason.split()
