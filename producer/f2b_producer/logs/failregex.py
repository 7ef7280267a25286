"""Compiles fail2ban's failregex and ignoreregex lines to Python's `re`.

The tags become named groups, by fail2ban's own names (`ip4`, `ip6`, `dns`, `fid`, `user` …), so that what
`fail2ban-client get JAIL failregex` prints, where they are expanded already, is understood too.
"""

import re
import warnings
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from f2b_producer._address import plain

_SHOWN_CHARACTERS = 120

_QUAD = r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}"
_HEX = r"[0-9A-Fa-f]{1,4}"
_HEXES = rf"{_HEX}(?::{_HEX}){{0,6}}"
# An address is taken whole or not at all: neither the end of a longer number, nor the beginning of the host
# name 203.0.113.7.example.net, which an attacker can choose.
_IP4 = rf"(?<![0-9.])(?:::[Ff]{{4}}:)?(?P<ip4>{_QUAD})(?!\w|[.-][\w.-]{{0,253}}[A-Za-z])"
_IP6 = (
    r"(?<![0-9A-Fa-f])(?<![0-9A-Fa-f:]:)\[?"
    rf"(?P<ip6>(?=:{{0,2}}[0-9A-Fa-f])(?:(?:{_HEX}:){{7}}{_HEX}|(?:{_HEX}:){{6}}{_QUAD}"
    rf"|(?:{_HEXES})?::(?:(?:{_HEX}:){{0,5}}{_QUAD}|{_HEXES})?))"
    r"(?:%[\w.-]+)?\]?(?!\w)"
)
_DNS = r"(?<![\w.:-])(?P<dns>[\w.-]*\w)"
_TAGS = {
    "HOST": f"(?:{_IP4}|{_IP6}|{_DNS})",
    "ADDR": f"(?:{_IP4}|{_IP6})",
    "IP4": _IP4,
    "IP6": _IP6,
    "DNS": _DNS,
}
_SEVERAL_LINES = "failures told over several lines are not supported: write a regex for the one line that counts"
_UNSUPPORTED = {
    "SUBNET": "f2b judges addresses, not networks: use <ADDR>",
    "CIDR": "f2b judges addresses, not networks: use <ADDR>",
    **dict.fromkeys(("SKIPLINES", "F-MLFID", "F-MLFFORGET", "F-MLFGAINED", "F-NOFAIL"), _SEVERAL_LINES),
}
_UNSUPPORTED_GROUPS = ("mlfid", "mlfforget", "mlfgained", "nofail", "skiplines")  # the same, expanded
_TAG = re.compile(r"<(?P<close>/?)(?P<name>HOST|ADDR|IP[46]|DNS|SUBNET|CIDR|SKIPLINES|F-[A-Z0-9_]+)(?P<empty>/?)>")
_GROUP = re.compile(r"\(\?P<(\w+)>")
_INTERPOLATION = re.compile(r"%%|%\([\w/.-]+\)s")
_ADDRESS_GROUPS = ("fid", "ip4", "ip6", "host")  # the first that took part names who did it


class FilterError(ValueError):
    """A regex or a filter file that cannot be used; its text is one line for the user."""


@dataclass(frozen=True, slots=True)
class Failregex:
    """One failregex, compiled.

    Attributes:
        source: As it was written.
        pattern: As Python searches it.
        groups: The groups that may hold an address, the deciding one first.
    """

    source: str
    pattern: re.Pattern[str]
    groups: tuple[str, ...]

    def search(self, line: str) -> str | None:
        """Return the address that *line* is about.

        Args:
            line: A line without its time stamp and line end.

        Returns:
            The address, "" if the line matches but names none (a host name: they are never resolved), None
            if it does not match.
        """
        found = self.pattern.search(line)
        if found is None:
            return None
        return next((plain(text) for group in self.groups if (text := found[group])), None) or ""


def compile_failregexes(texts: Iterable[str]) -> tuple[Failregex, ...]:
    """Compile failregex options, each of one or several lines.

    Raises:
        FilterError: Naming the regex and the place, if one is wrong, unsupported or cannot name an address,
            or if there is none.
    """
    compiled = tuple(_failregex(line) for line in _lines(texts))
    if not compiled:
        raise FilterError("no failregex is given")
    return compiled


def compile_ignoreregexes(texts: Iterable[str]) -> tuple[re.Pattern[str], ...]:
    """Compile ignoreregex options, each of one or several lines; they need no tag.

    Raises:
        FilterError: Naming the regex and the place, if one is wrong or unsupported.
    """
    return tuple(_compile("ignoreregex", line) for line in _lines(texts))


def _lines(texts: Iterable[str]) -> list[str]:
    return [line.strip() for text in texts for line in text.split("\n") if line.strip()]


def _failregex(source: str) -> Failregex:
    pattern = _compile("failregex", source)
    ranked = [(_ADDRESS_GROUPS.index(kind), name) for name in pattern.groupindex if (kind := _kind(name))]
    if not ranked:
        raise _wrong("failregex", source, "has no <HOST>, <ADDR>, <IP4>, <IP6> or <F-ID>, so it can ban nobody")
    return Failregex(source, pattern, tuple(name for _, name in sorted(ranked)))


def _kind(group: str) -> str | None:
    """Return the one of `_ADDRESS_GROUPS` that *group* is, perhaps for the second time."""
    name = re.sub(r"_[0-9]+$", "", group)
    return name if name in _ADDRESS_GROUPS else None


def _compile(option: str, source: str) -> re.Pattern[str]:
    if interpolation := _INTERPOLATION.search(source):
        raise _wrong(
            option,
            source,
            f"{interpolation[0]} is for fail2ban's configuration files: give the expanded regex, which"
            " `fail2ban-client get JAIL failregex` and `fail2ban-regex` show (a plain %% is %{2})",
            interpolation.start(),
        )
    expanded = _Expanded(option, source)
    # .* finds the same from the start as from anywhere, only slower by the length of the line.
    anchor = "^" if source.startswith(".*") else ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # "possible nested set": it means today what it meant
            pattern = re.compile(anchor + expanded.text)
    except (re.error, OverflowError, RecursionError) as error:
        place = getattr(error, "pos", None)
        reason = getattr(error, "msg", str(error))
        raise _wrong(
            option, source, reason, None if place is None else expanded.place(place - len(anchor))
        ) from None
    for group in pattern.groupindex:
        if group.startswith(_UNSUPPORTED_GROUPS):
            raise _wrong(option, source, f"(?P<{group}>: {_SEVERAL_LINES}")
    return pattern


class _Expanded:
    """A regex with its tags replaced, which knows where each piece came from."""

    def __init__(self, option: str, source: str) -> None:
        self._option, self._source = option, source
        self._used = Counter(_GROUP.findall(source))
        self._pieces: list[tuple[int, int, bool]] = []  # where it is, where it came from, whether it is a tag
        self.text = ""
        end = 0
        for tag in _TAG.finditer(source):
            self._add(source[end : tag.start()], end, is_tag=False)
            self._add(self._replace(tag), tag.start(), is_tag=True)
            end = tag.end()
        self._add(source[end:], end, is_tag=False)

    def place(self, position: int) -> int:
        """Return where in the source *position* of the text came from."""
        at, origin, is_tag = self._pieces[bisect_right(self._pieces, (position, len(self._source), True)) - 1]
        return origin if is_tag else origin + position - at

    def _add(self, text: str, origin: int, *, is_tag: bool) -> None:
        if text:
            self._pieces.append((len(self.text), origin, is_tag))
            self.text += text

    def _replace(self, tag: re.Match[str]) -> str:
        name = tag["name"]
        if name in _UNSUPPORTED:
            raise _wrong(self._option, self._source, f"{tag[0]}: {_UNSUPPORTED[name]}", tag.start())
        if tag["close"]:
            return ")" if name.startswith("F-") else tag[0]
        if not name.startswith("F-"):
            return _GROUP.sub(lambda group: self._open(group[1]), _TAGS[name])
        opened = self._open("fid" if name == "F-ID" else name[2:].lower())
        return rf"{opened}\S+)" if tag["empty"] else opened

    def _open(self, group: str) -> str:
        """Open a group; Python wants a new name for each, fail2ban's users write <HOST> twice."""
        self._used[group] += 1
        return f"(?P<{group}>" if self._used[group] == 1 else f"(?P<{group}_{self._used[group]}>"


def _wrong(option: str, source: str, reason: str, place: int | None = None) -> FilterError:
    shown = source if len(source) <= _SHOWN_CHARACTERS else source[:_SHOWN_CHARACTERS] + "…"
    where = "" if place is None else f" at character {place + 1}"
    return FilterError(f"{option} {shown!r}{where}: {reason}")
