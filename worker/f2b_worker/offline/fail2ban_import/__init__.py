"""Turns fail2ban's jail configuration into a jails file: text in, text and notes out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from f2b_worker.domain.jails import JAIL_NAME, JAIL_NAME_RULE
from f2b_worker.offline.fail2ban_import.ini import DEFAULT, Fail2banFileError, Ini, Source
from f2b_worker.offline.fail2ban_import.options import (
    COUNTERPARTS,
    DAEMON_SECTIONS,
    RECIDIVE,
    Value,
    advice_on,
    flag,
    is_network,
    is_recidive,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Fail2banFileError", "Imported", "Source", "import_fail2ban"]

_NO_JAILS = (DEFAULT, "INCLUDES", *DAEMON_SECTIONS)
_SECTIONS_SHOWN = 4
_ORDER = (
    "in fail2ban .local files come after .conf files; here the files count in the order in which they are named"
)
_FED_BY_ALL = "f2b has no _jailname: the bans of all other jails count"


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of an import.

    Attributes:
        toml: A jails file.
        notes: What has no counterpart, once each, with what to do instead.
        wrong: What f2b could not take over although it has a counterpart.
    """

    toml: str
    notes: tuple[str, ...]
    wrong: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Wrong:
    """An option whose value cannot be taken over."""

    option: str
    text: str
    reason: str

    def __str__(self) -> str:
        return f"{self.option} = {self.text!r}: {self.reason}: left out"


_Settings = dict[str, Value | _Wrong]


def import_fail2ban(sources: Sequence[Source], *, all_jails: bool = False) -> Imported:
    """Turn fail2ban's files, in the order in which fail2ban reads them, into a jails file.

    Args:
        sources: Later files override earlier ones.
        all_jails: Whether jails that are not enabled are wanted too.

    Raises:
        Fail2banFileError: If a file is no INI of the kind that fail2ban reads.
    """
    ini = Ini(sources)
    findings = _Findings()
    names = list(_jail_names(ini, findings, all_jails=all_jails))
    defaults = _settings(ini, DEFAULT)
    settings = {name: _settings(ini, name) | _recidive(ini, name) for name in names}
    jails = {name: _difference(settings[name], defaults) for name in names}
    for name in names:
        findings.taken_back(name, settings[name], defaults)
    for name, own in {DEFAULT: defaults, **jails}.items():
        findings.wrong_values(name, own)
    findings.without_counterpart(ini, [DEFAULT, *names, *DAEMON_SECTIONS, "INCLUDES"])
    for name in names:
        if settings[name].get(RECIDIVE) and "_jailname" in _filter(ini, name):
            findings.note("filter", _FED_BY_ALL, name)
    _note_the_unusual(sources, names, findings)
    return Imported("\n".join(_lines(sources, defaults, jails)), tuple(findings.notes()), tuple(findings.wrong()))


def _note_the_unusual(sources: Sequence[Source], names: Sequence[str], findings: _Findings) -> None:
    ends = [source.name.rpartition(".")[2] for source in sources]
    if "local" in ends and "conf" in ends[ends.index("local") :]:
        findings.note("order of the files", _ORDER)
    if not names:
        findings.note("no jail is enabled", "--all takes over those that are not enabled, too")


def _jail_names(ini: Ini, findings: _Findings, *, all_jails: bool) -> Iterator[str]:
    for name in ini.sections:
        if name in _NO_JAILS or not (all_jails or _is_enabled(ini, name, findings)):
            continue
        if JAIL_NAME.fullmatch(name):
            yield name
        else:
            findings.add_wrong(f"[{name}]: a jail is named by {JAIL_NAME_RULE}: left out")


def _is_enabled(ini: Ini, name: str, findings: _Findings) -> bool:
    try:
        text = ini.value(name, "enabled")
        return bool(text) and flag(text)
    except ValueError as error:
        findings.add_wrong(str(_Wrong("enabled", ini.raw(name, "enabled") or "", str(error))), name)
        return False


def _settings(ini: Ini, section: str) -> _Settings:
    """Read all that f2b has a counterpart for, by f2b's key, as it holds in *section*."""
    found: _Settings = {}
    for option, (key, read) in COUNTERPARTS.items():
        place = "Definition" if option == "dbpurgeage" and ini.raw(section, option) is None else section
        try:
            if text := ini.value(place, option):
                found[key] = read(text)
        except ValueError as error:
            found[key] = _Wrong(option, ini.raw(place, option) or "", str(error))
    return found


def _recidive(ini: Ini, jail: str) -> _Settings:
    return {RECIDIVE: True} if is_recidive(jail, _filter(ini, jail)) else {}


def _filter(ini: Ini, jail: str) -> str:
    try:
        return ini.value(jail, "filter")
    except ValueError:  # its parameters name what these files do not set
        return ""


def _difference(jail: _Settings, defaults: _Settings) -> _Settings:
    """Keep what the defaults do not say already; ignoreip of a jail adds to theirs."""
    kept = {key: value for key, value in jail.items() if value != defaults.get(key)}
    if isinstance(kept.get("ignoreip"), tuple):
        kept["ignoreip"] = tuple(entry for entry in _entries(jail) if entry not in _entries(defaults))
    return {key: value for key, value in kept.items() if value != ()}


def _entries(settings: _Settings) -> tuple[str, ...]:
    value = settings.get("ignoreip", ())
    return tuple(str(entry) for entry in value) if isinstance(value, tuple) else ()


class _Findings:
    """Gathers what has to be told, each thing once with the sections that it stands in."""

    def __init__(self) -> None:
        self._notes: dict[tuple[str, str], list[str]] = {}
        self._wrong: dict[str, list[str]] = {}

    def note(self, what: str, advice: str, *sections: str) -> None:
        """Add something that has no counterpart."""
        self._notes.setdefault((what, advice), []).extend(sections)

    def add_wrong(self, what: str, *sections: str) -> None:
        """Add something that could not be taken over."""
        self._wrong.setdefault(what, []).extend(sections)

    def wrong_values(self, section: str, settings: _Settings) -> None:
        """Add what is wrong in *settings*."""
        for value in settings.values():
            if isinstance(value, _Wrong):
                self.add_wrong(str(value), section)
        for entry in _entries(settings):
            if not is_network(entry):
                reason = "neither an address nor a CIDR, and f2b asks no DNS for host names"
                self.add_wrong(str(_Wrong("ignoreip", entry, reason)), section)

    def taken_back(self, section: str, jail: _Settings, defaults: _Settings) -> None:
        """Add what a jail takes back of the defaults: in a jails file it cannot."""
        for key in defaults.keys() - jail.keys() - {"ignoreip"}:
            self.add_wrong(f"{key} is empty, but a jail of f2b cannot remove a default: left out", section)
        if set(_entries(defaults)) - set(_entries(jail)):
            self.note(
                "ignoreip", "a jail's own list adds to that of the defaults, and does not replace it", section
            )

    def without_counterpart(self, ini: Ini, sections: Sequence[str]) -> None:
        """Add the options of *sections* that f2b does not have, each once."""
        variables = ini.variables()
        recidive = {section for section in sections if _recidive(ini, section)}
        for section in sections:
            for option, text in ini.own(section).items():
                if text and (advice := advice_on(section, option, variables, recidive=section in recidive)):
                    self.note(option, advice, section)

    def notes(self) -> Iterator[str]:
        """Return what has no counterpart, a line each."""
        for (what, advice), sections in self._notes.items():
            yield f"{what}{_in(sections)}: {advice}"

    def wrong(self) -> Iterator[str]:
        """Return what could not be taken over, a line each."""
        for what, sections in self._wrong.items():
            yield f"{', '.join(sections)}: {what}" if sections else what


def _in(sections: Sequence[str]) -> str:
    more = len(sections) - _SECTIONS_SHOWN
    shown = [*sections[:_SECTIONS_SHOWN], *([f"{more} more"] if more > 0 else [])]
    return f" ({', '.join(shown)})" if shown else ""


def _lines(sources: Sequence[Source], defaults: _Settings, jails: Mapping[str, _Settings]) -> Iterator[str]:
    yield "# Made by f2b import-fail2ban from:"
    for source in sources:
        yield f"#   {_text(source.name)}"
    yield "# What f2b does otherwise than fail2ban: docs/fail2ban.md."
    yield from _table("[defaults]", defaults)
    for name, settings in jails.items():
        yield from _table(f"[jails.{_key(name)}]", settings)
    yield ""


def _table(head: str, settings: _Settings) -> Iterator[str]:
    yield ""
    yield head
    for key, value in settings.items():
        if not isinstance(value, _Wrong):
            yield f"{_key(key)} = {_literal(key, value)}"


def _key(name: str) -> str:
    return _text(name) if "." in name else name


def _literal(key: str, value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        shown = [_text(each) if isinstance(each, str) else repr(each) for each in value if _is_kept(key, each)]
        return f"[{', '.join(shown)}]"
    return _text(value) if isinstance(value, str) else repr(value)


def _is_kept(key: str, value: float | str) -> bool:
    return key != "ignoreip" or is_network(str(value))


def _text(text: str) -> str:
    # JSON's strings are TOML's, but for DEL, and for characters beyond U+FFFF as two escapes.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
