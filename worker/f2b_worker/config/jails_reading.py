"""The jails file, `f2b.toml`: `[defaults]` and `[jails.NAME]` in fail2ban's words, checked key by key.

TOML lets a key be a value or a table, not both: write fail2ban's `bantime.increment` in quotes,
`"bantime.increment" = true`, beside `bantime = "10m"`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from f2b_worker.config.fail2ban_options import ADVICE
from f2b_worker.config.jails import Jails
from f2b_worker.config.jails_schema import (
    BlocklistTable,
    CollapseTable,
    JailsFile,
    JailTable,
    SeveralErrors,
    WindowTable,
    did_you_mean,
)
from f2b_worker.config.toml_file import read_toml
from f2b_worker.config.wording import line, plain
from f2b_worker.domain.acts.hand_bans import MANUAL_JAIL
from f2b_worker.domain.blocklists import Blocklist, Collapse, usual_action
from f2b_worker.domain.jails import DEFAULT_BLOCKLIST, DEFAULT_JAIL, FOREVER_MS, Jail, Policy, Window
from f2b_worker.domain.networks import NEVER_BANNED, Networks
from f2b_worker.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydantic import BaseModel
    from pydantic_core import ErrorDetails

    from f2b_worker.config.notices import Notices

_REFUSED = {
    "enabled": "leave it out: every jail in this file is on",
    "bantime.formula": "f2b computes no formulas: write the multiples of bantime as "
    '"bantime.multipliers" = [1, 2, 4, 8]',
    "ignoreself": "write own_ranges (on by default): private, loopback and similar addresses are never banned. A "
    "worker does not run on the attacked hosts: add their public addresses to ignoreip",
}
"""fail2ban's keys that are refused with what to write instead."""


def read_file(path: Path) -> Jails:
    """Read the jails file, and the lists that it names.

    Raises:
        StartError: With the file, each wrong key and what is allowed.
    """
    jails, wrong = _read(path)
    if jails is None:
        raise StartError(f"{path}: {'; '.join(wrong)}")
    return jails


def errors_in(path: Path) -> list[str]:
    """Return all that `read_file` would refuse, one line each with the file, the key and what is allowed."""
    try:
        _, wrong = _read(path)
    except StartError as error:
        return [str(error)]
    return [f"{path}: {each}" for each in wrong]


def _read(path: Path) -> tuple[Jails | None, list[str]]:
    """Read the file; of one that cannot be used find everything that is wrong with it."""
    tables = read_toml(path)
    notices, wrong = _notices(tables.get("notices"))
    wrong += _unfit(tables)
    try:
        file = JailsFile.model_validate(tables, context={"folder": path.parent})
    except ValidationError as error:
        return None, _lines(error) + wrong
    return (None, wrong) if wrong else (_jails(file, notices), wrong)


def _notices(table: object) -> tuple[Notices | None, list[str]]:
    if not isinstance(table, dict):  # there is none, or `JailsFile` says what it must be
        return None, []
    from f2b_worker.config.notices_reading import read_notices  # noqa: PLC0415 - most files have none

    return read_notices(table)


def _unfit(tables: dict[str, Any]) -> Iterator[str]:
    """Name what each table may say, but not beside the others; what it may not say is left to the models."""
    blocklists = _tables(tables.get("blocklists"))
    for name, table in blocklists.items():
        if not table.get("ip_set") and name != DEFAULT_BLOCKLIST:
            yield f'blocklists.{name}: no ip_set: name one, as in ip_set = "f2b-{name}"'
    defaults = _tables({"defaults": tables.get("defaults")})
    if defaults.get("defaults", {}).get("recidive") is True:
        yield "defaults.recidive: every jail would be fed by the others; write it in one jail only"
    jails = _tables(tables.get("jails"))
    for place, table in (defaults | {f"jails.{name}": table for name, table in jails.items()}).items():
        for key, name in _blocklists_named(table):
            if name not in {DEFAULT_BLOCKLIST, *blocklists}:
                hint = did_you_mean(name, [DEFAULT_BLOCKLIST, *blocklists])
                yield f"{place}.{key}: no blocklist {name!r}{hint or f'; define it as [blocklists.{name}]'}"
    yield from _unknown_jails(_tables(tables.get("notices")), [MANUAL_JAIL, *jails])


def _unknown_jails(targets: dict[str, dict[str, Any]], jails: list[str]) -> Iterator[str]:
    """Name the jails of which a target would never hear anything."""
    for name, table in targets.items():
        named = table.get("jails")
        for jail in [named] if isinstance(named, str) else named if isinstance(named, list) else []:
            if isinstance(jail, str) and jail not in jails:
                hint = did_you_mean(jail, jails) or f"; define it as [jails.{jail}]"
                yield f"notices.{name}.jails: no jail {jail!r}{hint}"


def _tables(value: object) -> dict[str, dict[str, Any]]:
    return (
        {name: table for name, table in value.items() if isinstance(table, dict)}
        if isinstance(value, dict)
        else {}
    )


def _blocklists_named(table: dict[str, Any]) -> Iterator[tuple[str, str]]:
    named = {"blocklist": table.get("blocklist", [])}
    if isinstance(table.get("escalation"), dict):
        named |= {f"escalation.{count}": names for count, names in table["escalation"].items()}
    for key, names in named.items():
        for name in [names] if isinstance(names, str) else names if isinstance(names, list) else []:
            if isinstance(name, str):
                yield key, name


def _lines(error: ValidationError) -> list[str]:
    lines = []
    for one in error.errors(include_url=False, include_input=False):
        lines += [line(one["loc"], message) for message in _messages(one)]
    return lines


def _messages(one: ErrorDetails) -> tuple[str, ...]:
    if one["type"] == "extra_forbidden":
        return (_no_such_key(one["loc"]),)
    cause = one.get("ctx", {}).get("error")
    if isinstance(cause, SeveralErrors):
        return cause.messages
    return (plain(one),)


def _no_such_key(place: tuple[int | str, ...]) -> str:
    key = str(place[-1])
    model = _model_at(place)
    if model is JailTable and key in _REFUSED:
        return _REFUSED[key]
    if model is JailTable and key in ADVICE:
        return f"no such key: {ADVICE[key]}"
    if model is JailsFile and key in _keys(JailTable):
        return "no such key; write it under [defaults] or [jails.NAME]"
    hint = did_you_mean(key, _keys(model))
    return "no such key" + (hint or (f"; a jail is written as [jails.{key}]" if model is JailsFile else ""))


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_at(place: tuple[int | str, ...]) -> type[BaseModel]:
    """Find the table that a key stands in."""
    if len(place) == 1:
        return JailsFile
    if place[0] == "blocklists":
        return BlocklistTable if len(place) == 3 else CollapseTable
    # A window is known by its index: a jail may be called "windows".
    return WindowTable if isinstance(place[-2], int) else JailTable


def _jails(file: JailsFile, notices: Notices | None) -> Jails:
    jails = {name: _jail(name, _inherited(file.defaults, table)) for name, table in file.jails.items()}
    blocklists = tuple(_blocklist(name, table) for name, table in file.blocklists.items())
    policy = Policy(_jail(DEFAULT_JAIL, file.defaults), jails)
    return Jails(policy, _networks(file.defaults), _apart(policy), blocklists, notices)


def _apart(policy: Policy) -> Networks:
    ignored = (entry for jail in (policy.defaults, *policy.jails.values()) for entry in jail.ignore.entries)
    return Networks(dict.fromkeys((*NEVER_BANNED.entries, *ignored)))


def _blocklist(name: str, table: BlocklistTable) -> Blocklist:
    given = table.collapse
    collapse = Collapse(given.at_least, given.ipv4, given.ipv6) if given else None
    action = table.action or usual_action(name)
    return Blocklist(name, table.ip_set, table.scope, table.foreign, collapse, action)


def _inherited(defaults: JailTable, table: JailTable) -> JailTable:
    """Give a jail the defaults that it does not set; its own ignoreip adds to theirs."""
    update = {name: getattr(table, name) for name in table.model_fields_set}
    if {"maxretry", "findtime"} & update.keys():
        update.setdefault("windows", ())
    update["ignoreip"] = (*defaults.ignoreip, *table.ignoreip)
    return defaults.model_copy(update=update)


def _jail(name: str, table: JailTable) -> Jail:
    windows = tuple(Window(each.maxretry, each.findtime) for each in table.windows)
    return Jail(
        name=name,
        windows=windows or (Window(table.maxretry, table.findtime),),
        bantime_ms=table.bantime,
        increment=table.increment,
        factor=table.factor,
        multipliers=table.multipliers,
        maxtime_ms=table.maxtime,
        rndtime_ms=table.rndtime,
        forget_ms=None if table.dbpurgeage >= FOREVER_MS else table.dbpurgeage,
        overalljails=table.overalljails,
        ignore=_networks(table),
        observed=table.mode == "observe",
        own_ranges=table.own_ranges,
        ipv4_prefix=table.prefix_ipv4,
        ipv6_prefix=table.prefix_ipv6,
        blocklists=table.blocklist,
        escalation=tuple(sorted(table.escalation.items())),
        recidive=table.recidive,
    )


def _networks(table: JailTable) -> Networks:
    return Networks(network for entry in table.ignoreip for network in entry)
