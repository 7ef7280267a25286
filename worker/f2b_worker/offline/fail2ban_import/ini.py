"""Reads fail2ban's INI as fail2ban does.

`[DEFAULT]` under the sections, continuation lines, `;` comments after a blank, `%(name)s`, `%(known/name)s` for
what an earlier file said in the same section, `%(section/name)s`; the last two fall back to `[DEFAULT]`. Only what
is asked for is interpolated, so a port or path that names an unknown variable stops nothing.
"""

from __future__ import annotations

import configparser
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from f2b_worker.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DEFAULT = "DEFAULT"
INCLUDES = "INCLUDES"
_PERCENT = re.compile(r"%%|%\(([^)]*)\)s|%")
_DEPTH_MAX = 10  # configparser's own limit
# What an action may name although no file of ours sets it: fail2ban gives the first two to every jail, and its
# jail.conf, which need not be among the files, the others. What they say here is as much as an import needs.
_BUILT_IN = {
    "fail2ban_version": "1",
    "fail2ban_confpath": "/etc/fail2ban",
    **dict.fromkeys(("banaction", "banaction_allports"), "iptables"),
    **dict.fromkeys(("action_", "action_mw", "action_mwl", "action_xarf", "action_cf_mwl"), "%(banaction)s"),
    "action_blocklist_de": "blocklist_de",
    "action_abuseipdb": "abuseipdb",
    "mta": "sendmail",
    **dict.fromkeys(("port", "protocol", "chain", "logpath", "destemail", "sender", "fail2ban_agent"), ""),
}


class Fail2banFileError(RefusedError):
    """A file is not what fail2ban could read; the text names the file and its line."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file of fail2ban's.

    Attributes:
        name: For people.
        text: What is in it.
        is_server: Whether it belongs to fail2ban.conf, whose options are no jail's.
        knows_includes: Whether the files that it includes are among the sources.
    """

    name: str
    text: str
    is_server: bool = False
    knows_includes: bool = False


class Ini:
    """The sections of all files, each with its own options as they were written."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self.sections: dict[str, dict[str, str]] = {DEFAULT: {}}
        for source in sources:
            for name, options in parsed(source).items():
                if name != INCLUDES or not source.knows_includes:
                    self._add(name, options)

    def _add(self, section: str, options: Mapping[str, str]) -> None:
        merged = self.sections.setdefault(section, {})
        if section != DEFAULT:  # of which fail2ban keeps no earlier values
            merged.update({f"known/{key}": text for key, text in merged.items() if key in options})
        merged.update(options)

    def own(self, section: str) -> Mapping[str, str]:
        """Return what *section* itself says, as it was written."""
        options = self.sections.get(section, {})
        return {key: text for key, text in options.items() if not key.startswith("known/")}

    def raw(self, section: str, option: str) -> str | None:
        """Return what holds in *section*, as it was written."""
        return self.sections.get(section, {}).get(option, self.sections[DEFAULT].get(option))

    def value(self, section: str, option: str) -> str:
        """Return what holds in *section*, "" if nothing does.

        Raises:
            ValueError: Saying what cannot be interpolated.
        """
        return self._interpolated(section, self.raw(section, option) or "", 0).strip()

    def _interpolated(self, section: str, text: str, depth: int) -> str:
        if depth > _DEPTH_MAX:
            raise ValueError("its %(…)s refers to itself")

        def one(match: re.Match[str]) -> str:
            if match[1] is None:
                return _percent(match[0])
            return self._interpolated(section, self._variable(section, match[1]), depth + 1)

        return _PERCENT.sub(one, text)

    def _variable(self, section: str, name: str) -> str:
        if name == "__name__":
            return section
        there, _, option = name.rpartition("/")
        found = self.raw(section, name.lower())
        if found is None and (there in self.sections or there.lower() in {"default", "known"}):
            found = self.raw(there, option.lower())
        if found is None:
            found = _BUILT_IN.get(name.lower())
        if found is None:
            raise ValueError(f"%({name})s is set nowhere in these files")
        return found

    def variables(self) -> set[str]:
        """Name all that another option refers to."""
        texts = "\n".join(text for options in self.sections.values() for text in options.values())
        return {match[1].rpartition("/")[2].lower() for match in _PERCENT.finditer(texts) if match[1]}


def _percent(text: str) -> str:
    if text == "%":
        raise ValueError("a single % means nothing: write %%")
    return "%"


def parsed(source: Source) -> dict[str, dict[str, str]]:
    """Return the sections of one file, and `[DEFAULT]` as one of them.

    Raises:
        Fail2banFileError: If it is no INI of the kind that fail2ban reads.
    """
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";",))
    try:
        parser.read_string(source.text.removeprefix("\ufeff"), source.name)
    except configparser.Error as error:
        raise Fail2banFileError(f"{source.name}: {_told(error)}") from error
    defaults = cast("dict[str, str]", parser.defaults())
    sections = {DEFAULT: dict(defaults)}
    defaults.clear()  # or they would be among each section's own
    return sections | {name: dict(parser.items(name)) for name in parser.sections()}


def _told(error: configparser.Error) -> str:
    if isinstance(error, configparser.MissingSectionHeaderError):
        return f"line {error.lineno}: stands before the first [section]"
    if isinstance(error, configparser.DuplicateSectionError):
        return f"line {error.lineno}: [{error.section}] stands here twice"
    if isinstance(error, configparser.DuplicateOptionError):
        return f"line {error.lineno}: {error.option} stands twice in [{error.section}]"
    if isinstance(error, configparser.ParsingError):
        return "; ".join(f"line {line}: neither [section] nor name = value" for line, _ in error.errors)
    return error.message.replace("\n", " ")
