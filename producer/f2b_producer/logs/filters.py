"""Finds infractions in log lines, by fail2ban's filters."""

import configparser
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import NamedTuple

from f2b_producer._address import BOM
from f2b_producer.logs.dates import Dates
from f2b_producer.logs.failregex import FilterError, compile_failregexes, compile_ignoreregexes
from f2b_producer.logs.lines import LINE_MAX_CHARACTERS, cut
from f2b_producer.logs.time_limit import TimeLimit, TooSlowError

_SHOWN_CHARACTERS = 120


class Found(NamedTuple):
    """One infraction: an address, and when, in epoch milliseconds."""

    ip: str
    at_ms: int


@dataclass
class Counts:
    """What became of the lines: each is one of these, and `too_long` and `no_date` beside it.

    Attributes:
        matched: Lines in which an infraction was found.
        ignored: Lines that a failregex matched and an ignoreregex too.
        no_match: Lines that no failregex matched.
        no_address: Lines that a failregex matched without an address: a host name, which is never resolved.
        too_slow: Lines at which the regexes took too long: they were given up, and report nothing.
        too_long: Lines of more than 16 KiB, of which the middle was cut out before they were judged.
        no_date: Lines without a date; they have the time of the line before.
    """

    matched: int = 0
    ignored: int = 0
    no_match: int = 0
    no_address: int = 0
    too_slow: int = 0
    too_long: int = 0
    no_date: int = 0

    @property
    def lines(self) -> int:
        """How many lines were read."""
        return self.matched + self.ignored + self.no_match + self.no_address + self.too_slow


class LogFilter:
    """Finds infractions in log lines by fail2ban's failregex lines.

    Args:
        failregexes: Each of one or several lines; the first that matches counts.
        ignoreregexes: Lines that match one of these are no infractions.
        zone: Of stamps that name none; None is the machine's local zone.
        tell: Told in one line of the first line that was given up as too slow, the second, the fourth, and so on.

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
        self._last_ms: int | None = None
        self._limit = TimeLimit()
        self._tell = tell
        self._tried = ""
        self.counts = Counts()

    def find(self, line: str, *, now_ms: int) -> Found | None:
        """Return the infraction that *line* reports; None if it reports none.

        Args:
            line: A line of the log, with or without its end.
            now_ms: When it was written at the latest. Stamps without a year are of the latest year that does not
                lie after it, and lines before the first stamp have this time.
        """
        line = line.removeprefix(BOM).rstrip("\r\n")
        if len(line) > LINE_MAX_CHARACTERS:
            self.counts.too_long += 1
            line = cut(line)
        line = self._without_date(line, now_ms)
        try:
            ip, is_ignored = self._limit.run(self._judge, line)
        except TooSlowError:
            self._give_up(line)
            return None
        self._count(ip, is_ignored=is_ignored)
        if not ip or is_ignored:
            return None
        return Found(ip, now_ms if self._last_ms is None else self._last_ms)

    def _without_date(self, line: str, now_ms: int) -> str:
        """Take the time of *line* and cut it out, as fail2ban does before it looks for failures."""
        stamp = self._dates.find(line, now_ms)
        if stamp is None:
            self.counts.no_date += 1
            return line
        self._last_ms = stamp.at_ms
        return line[: stamp.start] + line[stamp.end :]

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

    def _count(self, ip: str | None, *, is_ignored: bool) -> None:
        if ip is None:
            self.counts.no_match += 1
        elif is_ignored:
            self.counts.ignored += 1
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
