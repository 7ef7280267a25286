"""Finds the time stamps of a log's lines, where the log has them."""

from collections.abc import Iterable
from datetime import tzinfo
from typing import NamedTuple

from f2b_producer.logs.forms import Moment, read
from f2b_producer.logs.places import Places, cut_span

_SAME_MOMENT_MS = 60_000


class Stamp(NamedTuple):
    """A time stamp: epoch milliseconds, and where in the line it begins and ends."""

    at_ms: int
    start: int
    end: int


class Dates:
    """Finds stamps where this log has them, and nowhere else.

    Args:
        zone: Of stamps that name none; None is the machine's local zone.

    Attributes:
        last: What the last stamp that was found says.
    """

    def __init__(self, zone: tzinfo | None = None) -> None:
        self._zone = zone
        self._places = Places()
        self._text = ""
        self._reference_ms = 0
        self.last: Moment | None = None

    @property
    def are_known(self) -> bool:
        """Whether any line so far had a date."""
        return self._places.is_known

    @property
    def are_undecided(self) -> bool:
        """Whether the lines so far have dates that may be the log's own, or somebody's words."""
        return self._places.is_undecided

    def learn(self, lines: Iterable[str]) -> None:
        """Learn from lines of the log where its dates are."""
        for line in lines:
            self._places.learn(line)

    def find(self, line: str, reference_ms: int, *, nearest: bool = False) -> Stamp | None:
        """Find the stamp of *line*.

        Args:
            line: One line of a log.
            reference_ms: A stamp without a year is of the latest year that does not lie after this moment.
            nearest: Whether it is of the year next to that moment instead, as in a log that is written now; so it
                is with the hour that comes twice when summer ends.

        Returns:
            The stamp, or None if there is none that is a date.
        """
        found = self._places.find(line)
        if found is None:
            return None
        text = found["stamp"]
        # A busy log has many lines of one second.
        if text != self._text or abs(reference_ms - self._reference_ms) > _SAME_MOMENT_MS:
            self.last = read(found, self._zone, reference_ms, nearest=nearest)
            self._text, self._reference_ms = text, reference_ms
        if self.last is None:
            return None
        return Stamp(self.last.at_ms, *cut_span(line, found))
