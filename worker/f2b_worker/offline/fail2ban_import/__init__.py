"""Turns fail2ban's jail configuration into a jails file: text in, text and notes out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from f2b_worker.domain.durations import parse_duration_ms
from f2b_worker.domain.jails import FOREVER_MS, JAIL_NAME, JAIL_NAME_RULE, SECOND_MS
from f2b_worker.offline.fail2ban_import.actions import why_no_ban
from f2b_worker.offline.fail2ban_import.formula import multiples_by_formula
from f2b_worker.offline.fail2ban_import.ini import DEFAULT, INCLUDES, Fail2banFileError, Ini, Source
from f2b_worker.offline.fail2ban_import.jails_toml import Settings, lines
from f2b_worker.offline.fail2ban_import.options import (
    COUNTERPARTS,
    DAEMON_SECTIONS,
    FIRST_FAILURE,
    NEUTRAL,
    RECIDIVE,
    SERVER,
    Wrong,
    advice_on,
    flag,
    is_network,
    is_recidive,
    names_somebody,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["Fail2banFileError", "Imported", "Source", "import_fail2ban"]

_NO_JAILS = (DEFAULT, INCLUDES, *DAEMON_SECTIONS)
_SECTIONS_SHOWN = 4
_ORDER = (
    "in fail2ban .local files come after .conf files; here the files count in the order in which they are named"
)
_INCREMENT, _FORMULA = "bantime.increment", "bantime.formula"
_NEEDED = ("maxretry", "findtime", "bantime")
_BANTIME_S = 600  # fail2ban's default, and f2b's
_NO_DATABASE = "fail2ban has no database (dbfile), so it never makes a ban longer: false"
_FED_BY_ALL = "f2b has no _jailname: the bans of all other jails count"


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of an import.

    Attributes:
        toml: A jails file.
        notes: What has no counterpart, once each, with what to do instead.
        wrong: What f2b could not take over although it has a counterpart.
        observed: The jails that only observe, and "defaults", because something of them was lost.
    """

    toml: str
    notes: tuple[str, ...]
    wrong: tuple[str, ...]
    observed: tuple[str, ...] = ()


def import_fail2ban(
    sources: Sequence[Source],
    *,
    all_jails: bool = False,
    action_files: Callable[[str], Sequence[Source]] = lambda _name: (),
) -> Imported:
    """Turn fail2ban's files, in the order in which fail2ban reads them, into a jails file.

    Args:
        sources: Later files override earlier ones.
        all_jails: Whether jails that are not enabled are wanted too.
        action_files: The files of an action by its name; without them, only fail2ban's own actions are known.

    Raises:
        Fail2banFileError: If a file is no INI of the kind that fail2ban reads.
    """
    ini = Ini(source for source in sources if not source.is_server)
    server = Ini(source for source in sources if source.is_server)
    findings = _Findings()
    names = list(_jail_names(ini, findings, all_jails=all_jails))
    settings = {name: _settings(ini, server, name) | _recidive(ini, name) for name in (DEFAULT, *names)}
    losses = {name: _losses(own) for name, own in settings.items()}
    for name in names:
        if reason := _why_no_ban(ini, name, action_files):
            findings.add_wrong(f"{reason}: left out", name)
            losses[name].append(reason)
    unspared = {name: list(_unspared(ini, name, own)) for name, own in settings.items()}
    observed = [name for name in settings if losses[name] or unspared[name]]
    for name in observed:
        settings[name]["mode"] = "observe"
    defaults = settings.pop(DEFAULT)
    settings = {name: _with_neutral(own, defaults) for name, own in settings.items()}
    tables = {DEFAULT: defaults, **{name: _difference(own, defaults) for name, own in settings.items()}}
    _tell(ini, server, findings, settings, tables)
    _note_the_unusual(sources, names, findings)
    reasons = {name: [*losses[name], *(r for r in unspared[name] if _is_own(ini, name, r))] for name in tables}
    reasons = {name: told for name, told in reasons.items() if told}
    for name in reasons:
        tables[name]["mode"] = "observe"  # also where the defaults say so: somebody will mend them first
    toml = lines(sources, tables, reasons, [name for name in names if losses[name]])
    shown = tuple("defaults" if name == DEFAULT else name for name in observed)
    return Imported("\n".join(toml), tuple(findings.notes()), tuple(findings.wrong()), shown)


def _is_own(ini: Ini, section: str, reason: str) -> bool:
    return section == DEFAULT or reason.partition(":")[0] in ini.own(section)


def _tell(
    ini: Ini, server: Ini, findings: _Findings, settings: Mapping[str, Settings], tables: Mapping[str, Settings]
) -> None:
    """Gather what is wrong, and what f2b does otherwise."""
    for name, own in settings.items():
        findings.taken_back(name, own, tables[DEFAULT])
    for name, own in tables.items():
        findings.wrong_values(name, own)
    findings.without_counterpart(ini, [DEFAULT, *settings, *DAEMON_SECTIONS, INCLUDES])
    for name, own in tables.items():
        if own.get("maxretry") == 1 and ini.value(name, "maxretry") != "1":
            findings.note(f"maxretry = {ini.value(name, 'maxretry')}", FIRST_FAILURE, name)
        if own.get(_INCREMENT) is False and _has_no_database(server) and flag(ini.value(name, _INCREMENT) or "no"):
            findings.note(_INCREMENT, _NO_DATABASE, name)
        if own.get(RECIDIVE) and "_jailname" in _filter(ini, name):
            findings.note("filter", _FED_BY_ALL, name)
    said = {option for section in (DEFAULT, *DAEMON_SECTIONS) for option in server.own(section)} - {"dbpurgeage"}
    if said:
        findings.note(", ".join(sorted(said)), SERVER, "fail2ban.conf")


def _note_the_unusual(sources: Sequence[Source], names: Sequence[str], findings: _Findings) -> None:
    paths = [PurePath(source.name) for source in sources]
    # A .local of an included file, or of fail2ban.conf, comes before jail.conf in fail2ban, too.
    ends = [path.suffix for path in paths if path.stem == "jail" or path.parent.name == "jail.d"]
    if ".local" in ends and ".conf" in ends[ends.index(".local") :]:
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
        findings.add_wrong(str(Wrong("enabled", ini.raw(name, "enabled") or "", str(error))), name)
        return False


def _settings(ini: Ini, server: Ini, section: str) -> Settings:
    """Read all that f2b has a counterpart for, by f2b's key, as it holds in *section*."""
    found: Settings = {}
    for option, (key, read) in COUNTERPARTS.items():
        place, there = _place(ini, server, section, option)
        raw = place.raw(there, option)
        try:
            if text := place.value(there, option):
                found[key] = read(text)
            elif raw is not None and option in _NEEDED:
                found[key] = Wrong(option, raw, "it is empty, and fail2ban does not start with it")
        except ValueError as error:
            found[key] = Wrong(option, raw or "", str(error))
    if found.get(_INCREMENT) is True and _has_no_database(server):
        found[_INCREMENT] = False
    return found | _by_formula(ini, section, found)


def _place(ini: Ini, server: Ini, section: str, option: str) -> tuple[Ini, str]:
    if option != "dbpurgeage" or ini.raw(section, option) is not None:
        return ini, section
    return (ini if server.raw("Definition", option) is None else server), "Definition"


def _has_no_database(server: Ini) -> bool:
    return (server.raw("Definition", "dbfile") or "").strip().lower() == "none"


def _by_formula(ini: Ini, section: str, found: Settings) -> Settings:
    """Compute the multiples that a formula gives; it counts only where nothing else says them."""
    formula = ini.raw(section, _FORMULA)
    bantime, factor = found.get("bantime", _BANTIME_S), found.get("bantime.factor", 1)
    if not formula or found.get(_INCREMENT) is not True or found.get("bantime.multipliers"):
        return {}
    if isinstance(bantime, Wrong) or not isinstance(factor, int | float):
        return {}
    bantime_ms = parse_duration_ms(bantime)
    if bantime_ms >= FOREVER_MS:
        return {}
    maxtime = found.get("bantime.maxtime", -1)
    longest_ms = FOREVER_MS if isinstance(maxtime, Wrong) else parse_duration_ms(maxtime)
    try:
        multiples = multiples_by_formula(
            ini.value(section, _FORMULA), bantime_ms / SECOND_MS, factor, longest_s=longest_ms / SECOND_MS
        )
    except ValueError as error:
        return {"bantime.multipliers": Wrong(_FORMULA, formula, str(error))}
    return {"bantime.multipliers": multiples, "bantime.factor": 1}


def _losses(settings: Settings) -> list[str]:
    """Say which values were lost that decide who is banned, and for how long."""
    lost = [value for value in settings.values() if isinstance(value, Wrong) and value.option != "ignoreself"]
    if settings.get(_INCREMENT, False) is False:  # what only later bans need harms nobody
        lost = [value for value in lost if not value.option.startswith(("bantime.", "dbpurgeage"))]
    return [f"{value.option} = {value.text!r}: {value.reason}" for value in lost]


def _why_no_ban(ini: Ini, jail: str, action_files: Callable[[str], Sequence[Source]]) -> str | None:
    """Say why a jail is none that bans, or why nobody can tell."""
    if ini.raw(jail, "action") is None:  # jail.conf, whose actions ban, was not named
        return None
    try:
        return why_no_ban(ini.value(jail, "action"), action_files)
    except ValueError as error:
        return f"f2b cannot tell whether its action bans: {error}"


def _unspared(ini: Ini, section: str, settings: Settings) -> Iterator[str]:
    """Say whom fail2ban would spare and f2b cannot."""
    if any(names_somebody(entry) for entry in _entries(settings)):
        yield "ignoreip: f2b asks no DNS for the addresses of its host names"
    if (ini.raw(section, "ignorecommand") or "").strip():
        yield "ignorecommand: f2b runs no command to ask whom to spare"


def _with_neutral(jail: Settings, defaults: Settings) -> Settings:
    """Take back the defaults that fail2ban does not have for this jail."""
    return jail | {key: value for key, value in NEUTRAL.items() if key in defaults and key not in jail}


def _recidive(ini: Ini, jail: str) -> Settings:
    return {RECIDIVE: True} if is_recidive(jail, _filter(ini, jail)) else {}


def _filter(ini: Ini, jail: str) -> str:
    try:
        return ini.value(jail, "filter")
    except ValueError:  # its parameters name what these files do not set
        return ""


def _difference(jail: Settings, defaults: Settings) -> Settings:
    """Keep what the defaults do not say already; ignoreip of a jail adds to theirs."""
    kept = {key: value for key, value in jail.items() if value != defaults.get(key)}
    if isinstance(kept.get("ignoreip"), tuple):
        kept["ignoreip"] = tuple(entry for entry in _entries(jail) if entry not in _entries(defaults))
    return {key: value for key, value in kept.items() if (key, value) != ("ignoreip", ())}


def _entries(settings: Settings) -> tuple[str, ...]:
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

    def wrong_values(self, section: str, settings: Settings) -> None:
        """Add what is wrong in *settings*."""
        for value in settings.values():
            if isinstance(value, Wrong):
                self.add_wrong(str(value), section)
        for entry in _entries(settings):
            if not is_network(entry):
                reason = "neither an address nor a CIDR, and f2b asks no DNS for host names"
                self.add_wrong(str(Wrong("ignoreip", entry, reason)), section)

    def taken_back(self, section: str, jail: Settings, defaults: Settings) -> None:
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
