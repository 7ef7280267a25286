"""Reads infractions out of log lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

from f2b_worker.logs.dates import Dates
from f2b_worker.logs.failregex import Failregex, compile_failregexes, compile_ignoreregexes

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import tzinfo

LINE_MAX_CHARACTERS = 16 * 1024  # a regex that backtracks is only slow on what is long


class Found(NamedTuple):
    """One infraction: an address, epoch milliseconds, and the line, counted from 1."""

    ip: str
    at_ms: int
    line_number: int


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the lines: each is one of these, and `no_date` beside it.

    Attributes:
        matched: Infractions that were found.
        ignored: Lines that a failregex matched and an ignoreregex too.
        no_match: Lines that no failregex matched.
        no_address: Lines that a failregex matched without an address: a host name, which is never resolved.
        too_long: Lines of more than 16 KiB, which are skipped.
        no_date: Lines without a date; they have the time of the line before.
    """

    matched: int = 0
    ignored: int = 0
    no_match: int = 0
    no_address: int = 0
    too_long: int = 0
    no_date: int = 0

    @property
    def lines(self) -> int:
        """How many lines were read."""
        return self.matched + self.ignored + self.no_match + self.no_address + self.too_long


class Reading:
    """The infractions in a log, found while it is iterated; `counts` says how far it is."""

    def __init__(
        self,
        lines: Iterable[str],
        failregexes: Sequence[Failregex],
        ignoreregexes: Sequence[re.Pattern[str]],
        dates: Dates,
        reference_ms: int,
    ) -> None:
        self._failregexes = failregexes
        self._ignoreregexes = ignoreregexes
        self._dates = dates
        self._reference_ms = self._last_ms = reference_ms
        self._matched = self._ignored = self._no_match = 0
        self._no_address = self._too_long = self._no_date = 0
        self._found = self._read(lines)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Found:
        return next(self._found)

    @property
    def counts(self) -> Counts:
        """What became of the lines so far."""
        return Counts(
            matched=self._matched,
            ignored=self._ignored,
            no_match=self._no_match,
            no_address=self._no_address,
            too_long=self._too_long,
            no_date=self._no_date,
        )

    def _read(self, lines: Iterable[str]) -> Iterator[Found]:
        for number, line in enumerate(lines, start=1):
            if len(line) > LINE_MAX_CHARACTERS:
                self._too_long += 1
            elif ip := self._judge(self._without_date(line.rstrip("\r\n"))):
                self._matched += 1
                yield Found(ip, self._last_ms, number)

    def _without_date(self, line: str) -> str:
        """Take the time of *line* and cut it out, as fail2ban does before it looks for failures."""
        stamp = self._dates.find(line, self._reference_ms)
        if stamp is None:
            self._no_date += 1
            return line
        self._last_ms = stamp.at_ms
        return line[: stamp.start] + line[stamp.end :]

    def _judge(self, line: str) -> str | None:
        for failregex in self._failregexes:
            ip = failregex.search(line)
            if ip is not None:
                break
        else:
            self._no_match += 1
            return None
        if any(ignored.search(line) for ignored in self._ignoreregexes):
            self._ignored += 1
            return None
        self._no_address += not ip
        return ip


def read_log(
    lines: Iterable[str],
    failregexes: Iterable[str],
    ignoreregexes: Iterable[str] = (),
    *,
    zone: tzinfo | None = None,
    reference_ms: int,
) -> Reading:
    """Find the infractions in *lines*.

    Args:
        lines: The log, with or without line ends.
        failregexes: In fail2ban's syntax, each of one or several lines; the first that matches counts.
        ignoreregexes: Lines that match one of these are no infractions.
        zone: Of stamps that name none; None is the machine's local zone.
        reference_ms: When the log was written at the latest: stamps without a year are of the latest year that
            does not lie after it, and lines before the first stamp have this time.

    Returns:
        An iterator over what is found, in the order of the lines, with its `counts`.

    Raises:
        StartError: Naming the regex and the place, if one is wrong or unsupported.
    """
    return Reading(
        lines,
        compile_failregexes(failregexes),
        compile_ignoreregexes(ignoreregexes),
        Dates(zone),
        reference_ms,
    )
