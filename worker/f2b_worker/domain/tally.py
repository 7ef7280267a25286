"""The numbers over time: what was counted in an hour, by kind, jail and minute."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.domain.jails import DAY_MS, MINUTE_MS
from f2b_worker.domain.judge.soundness import NUMBER_MAX, is_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

HOUR_MS = 60 * MINUTE_MS
MINUTES = 60

KEPT_MS = 8 * DAY_MS
"""For so long numbers are kept: seven days, and what a reader's clock may be off."""

JAILS_MAX = 64
"""So many jails have numbers of their own in an hour: what is stored stays small, however many there are."""

OTHERS = "(others)"
"""The name under which the jails beyond these are counted together."""

UNKNOWN = "(unknown)"
"""The name under which all jails are counted together that the jails file does not have: a sender names them."""


class Kind(StrEnum):
    """What is counted."""

    INFRACTIONS = "infractions"
    BANS = "bans"
    UNBANS = "unbans"


def hour_of(at_ms: int) -> int:
    """Find the beginning of the hour of a moment."""
    return at_ms // HOUR_MS * HOUR_MS


@dataclass(slots=True)
class Sheet:
    """What was counted in one hour.

    Attributes:
        hour_ms: When the hour began.
        numbers: By kind and jail, one number for each minute.
    """

    hour_ms: int
    numbers: dict[Kind, dict[str, list[int]]] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was counted."""
        return not self.numbers

    def add(self, kind: Kind, jail: str, at_ms: int, number: int = 1) -> None:
        """Count something at a moment of this hour."""
        of_kind = self.numbers.setdefault(kind, {})
        if jail not in of_kind and len(of_kind) >= JAILS_MAX:
            jail = OTHERS
        minutes = of_kind.setdefault(jail, [0] * MINUTES)
        minutes[min(max(0, (at_ms - self.hour_ms) // MINUTE_MS), MINUTES - 1)] += number

    def counts(self) -> Iterator[tuple[Kind, str, int, int]]:
        """Go through all numbers that are not 0: kind, jail, the minute's begin, number."""
        for kind, of_kind in self.numbers.items():
            for jail, minutes in of_kind.items():
                for minute, number in enumerate(minutes):
                    if number:
                        yield kind, jail, self.hour_ms + minute * MINUTE_MS, number

    def as_text(self) -> str:
        """Write it as JSON: of each jail the first minute that has a number, and the numbers from there on."""
        numbers = {
            kind.value: {jail: _shortened(minutes) for jail, minutes in of_kind.items()}
            for kind, of_kind in self.numbers.items()
        }
        return json.dumps(numbers, separators=(",", ":"))


def sheet_of(hour_ms: int, text: str) -> Sheet:
    """Read what `Sheet.as_text` wrote; kinds that this f2b does not know are left out.

    Raises:
        ValueError: If no f2b writes that; LookupError, TypeError and AttributeError likewise.
    """
    known = {kind.value: kind for kind in Kind}
    numbers = {
        known[name]: {str(jail): _lengthened(short) for jail, short in of_kind.items()}
        for name, of_kind in json.loads(text).items()
        if name in known
    }
    return Sheet(hour_ms, numbers)


def _shortened(minutes: list[int]) -> list[int]:
    with_numbers = [minute for minute, number in enumerate(minutes) if number]
    first, last = (with_numbers[0], with_numbers[-1]) if with_numbers else (0, -1)
    return [first, *minutes[first : last + 1]]


def _lengthened(short: list[int]) -> list[int]:
    first, *numbers = short
    after = MINUTES - first - len(numbers)
    if not all(is_whole(each, 0, NUMBER_MAX) for each in (first, after, *numbers)):
        raise ValueError("numbers")
    return [0] * first + numbers + [0] * after


class Counted(NamedTuple):
    """Up to where bans were counted.

    Attributes:
        epoch: Of which ban log; empty of a state file.
        number: Every change up to this number is counted.
        heard_ms: Whatever was known then is counted.
        ended_ms: The bans are counted as ended that had ended before this moment.
    """

    epoch: str
    number: int
    heard_ms: int
    ended_ms: int


class BanSheets(NamedTuple):
    """What was counted of bans, and up to where: stored as one, so that a takeover counts nothing twice.

    Attributes:
        upto: Up to where.
        sheet: The hour that is not over.
        before: The hour before it, if it may not be stored on its own yet.
        by: Who stored it.
        version: How often it was stored.
    """

    upto: Counted
    sheet: Sheet
    before: Sheet | None = None
    by: str = ""
    version: int = 0


class Noted(NamedTuple):
    """What one process counted in one hour; the bans of all of them have the name `BANS`."""

    name: str
    sheet: Sheet


BANS = "bans"
"""Under this name the hours of bans are stored; no process has it."""
