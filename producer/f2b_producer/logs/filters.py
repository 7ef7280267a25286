"""Finds infractions in log lines, by fail2ban's filters."""

import configparser
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import NamedTuple

from f2b_producer._address import BOM
from f2b_producer.logs.dates import Dates, Stamp
from f2b_producer.logs.failregex import FilterError, compile_failregexes, compile_ignoreregexes
from f2b_producer.logs.lines import LINE_MAX_CHARACTERS, cut
from f2b_producer.logs.time_limit import TimeLimit, TooSlowError
from f2b_producer.logs.timing import Timing

_SHOWN_CHARACTERS = 120


class Found(NamedTuple):
    """One infraction: an address, and when, in epoch milliseconds."""

    ip: str
    at_ms: int


@dataclass
class Counts:
    """What became of the lines: each is one of these, and `too_long`, `no_date` and `off_clock` beside it.

    Attributes:
        matched: Lines in which an infraction was found.
        ignored: Lines that a failregex matched and an ignoreregex too.
        no_match: Lines that no failregex matched.
        no_address: Lines that a failregex matched without an address: a host name, which is never resolved.
        too_slow: Lines at which the regexes took too long: they were given up, and report nothing.
        too_long: Lines of more than 16 KiB, of which a part was cut out before they were judged.
        undated: Lines that matched, and that nobody can date: old ones without a date.
        no_date: Lines without a date where the log has it; what counts is when they were read.
        off_clock: Lines whose date cannot be right; what counts is when they were read.
    """

    matched: int = 0
    ignored: int = 0
    no_match: int = 0
    no_address: int = 0
    too_slow: int = 0
    too_long: int = 0
    undated: int = 0
    no_date: int = 0
    off_clock: int = 0

    @property
    def lines(self) -> int:
        """How many lines were read."""
        return self.matched + self.ignored + self.no_match + self.no_address + self.too_slow + self.undated


class LogFilter:
    """Finds infractions in log lines by fail2ban's failregex lines.

    Args:
        failregexes: Each of one or several lines; the first that matches counts.
        ignoreregexes: Lines that match one of these are no infractions.
        zone: Of stamps that name none; None is the machine's local zone.
        tell: Told in one line of the first line that was given up as too slow, the second, the fourth, and so on;
            and once each of dates that are wrong, and of lines without a known one.

    Raises:
        FilterError: Naming the regex and the place, if one is wrong or unsupported.

    Attributes:
        counts: What became of the lines so far.
    """

    def __init__(
        self,
        failregexes: Iterable[str],
        ignoreregexes: Iterable[str] = (),
        *,
        zone: tzinfo | None = None,
        tell: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._failregexes = compile_failregexes(failregexes)
        self._ignoreregexes = compile_ignoreregexes(ignoreregexes)
        self._dates = Dates(zone)
        self._timing = Timing(self._dates, tell)
        self._limit = TimeLimit()
        self._tell = tell
        self._tried = ""
        self.counts = Counts()

    def learn(self, lines: Iterable[str]) -> None:
        """Learn from lines that are in the log already where it has its dates."""
        self._dates.learn(map(_whole, lines))

    def find(
        self, line: str, *, now_ms: int, since_ms: int | None = None, needs_date: bool = False
    ) -> Found | None:
        """Return the infraction that *line* reports; None if it reports none.

        Args:
            line: A line of the log, with or without its end.
            now_ms: When it was written at the latest. A line without a date counts as of then, and so does one
                whose date lies more than a minute outside of when it was written.
            since_ms: When it was written at the earliest; None, of an old log, is at any time.
            needs_date: Whether a line without a date is left out, and counted.
        """
        line = _whole(line)
        if len(line) > LINE_MAX_CHARACTERS:
            self.counts.too_long += 1
            line = cut(line)
        stamp = self._timing.find(line, now_ms=now_ms, since_ms=since_ms)
        at_ms = self._at_ms(stamp, now_ms=now_ms, since_ms=since_ms)
        if stamp:  # as fail2ban does: the date is cut out before the regexes see the line
            line = line[: stamp.start] + line[stamp.end :]
        try:
            ip, is_ignored = self._limit.run(self._judge, line)
        except TooSlowError:
            self._give_up(line)
            return None
        is_dated = stamp is not None or not needs_date
        self._count(ip, is_ignored=is_ignored, is_dated=is_dated)
        return Found(ip, at_ms) if ip and is_dated and not is_ignored else None

    def _at_ms(self, stamp: Stamp | None, *, now_ms: int, since_ms: int | None) -> int:
        if stamp is None:
            self.counts.no_date += 1
            return now_ms
        if not self._timing.agrees(stamp.at_ms, now_ms=now_ms, since_ms=since_ms):
            self.counts.off_clock += 1
            return stamp.at_ms if since_ms is None else now_ms
        return stamp.at_ms

    def _judge(self, line: str) -> tuple[str | None, bool]:
        """Find the address in *line*, and whether the line is to be ignored; it may be given up at any moment."""
        ip = self._search(line)
        return ip, ip is not None and self._is_ignored(line)

    def _search(self, line: str) -> str | None:
        for failregex in self._failregexes:
            self._tried = failregex.source
            ip = failregex.search(line)
            if ip is not None:
                return ip
        return None

    def _is_ignored(self, line: str) -> bool:
        for ignored in self._ignoreregexes:
            self._tried = ignored.pattern
            if ignored.search(line):
                return True
        return False

    def _count(self, ip: str | None, *, is_ignored: bool, is_dated: bool) -> None:
        if ip is None:
            self.counts.no_match += 1
        elif is_ignored:
            self.counts.ignored += 1
        elif ip and not is_dated:
            self.counts.undated += 1
        elif ip:
            self.counts.matched += 1
        else:
            self.counts.no_address += 1

    def _give_up(self, line: str) -> None:
        self.counts.too_slow += 1
        times = self.counts.too_slow
        if times & (times - 1) == 0:  # an attacker who writes such lines must not fill the log of this, too
            shown = line if len(line) <= _SHOWN_CHARACTERS else line[:_SHOWN_CHARACTERS] + "…"
            self._tell(
                f"too slow, {times} so far: the regex {self._tried!r} took too long for the line {shown!r}, which "
                'is left out. Write [^"]* or \\S+ instead of .*, and no + inside of (…)+'
            )


def _whole(line: str) -> str:
    return line.removeprefix(BOM).rstrip("\r\n")


def regexes(argument: str, option: str) -> list[str]:
    """Return the regexes that an argument gives.

    Args:
        argument: A regex, or ``@`` and a file: one regex a line, or a fail2ban filter without variables.
        option: Whose regexes are taken from a fail2ban filter: failregex or ignoreregex.

    Raises:
        FilterError: If the file cannot be read.
    """
    if not argument.startswith("@"):
        return [argument]
    try:
        text = Path(argument[1:]).read_text("utf-8-sig")  # editors of some systems begin a file with a BOM
    except (OSError, ValueError) as error:  # ValueError: not UTF-8
        raise FilterError(f"{argument[1:]} cannot be read: {error}") from None
    if "\n[Definition]" in "\n" + text:
        return [_defined(text, option, argument[1:])]
    return [line for line in text.split("\n") if not line.lstrip().startswith("#")]


def _defined(text: str, option: str, name: str) -> str:
    filter_file = configparser.RawConfigParser(delimiters=("=",), strict=False)
    try:
        filter_file.read_string(text)
    except configparser.Error as error:
        raise FilterError(f"{name} is no fail2ban filter: {' '.join(str(error).split())}") from None
    found = filter_file.get("Definition", option, fallback="")
    # Each % is written twice there; variables stay, to be refused by name.
    return found if "%(" in found.replace("%%", "") else found.replace("%%", "%")
