"""The jails file, `f2b.toml`: `[defaults]` and `[jails.NAME]` in fail2ban's words, checked key by key.

TOML lets a key be a value or a table, not both: write fail2ban's `bantime.increment` in quotes,
`"bantime.increment" = true`, beside `bantime = "10m"`.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo

from f2b_worker.domain.addresses import Networks
from f2b_worker.domain.durations import parse_duration_ms
from f2b_worker.domain.jails import DAY_MS, DEFAULT_JAIL, FOREVER_MS, MINUTE_MS, Jail, Policy, Window
from f2b_worker.errors import StartError
from f2b_worker.toml_file import read_toml

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic_core import ErrorDetails

FILE_PREFIX = "file:"
_LIST_ERRORS_SHOWN = 10  # of a list that is something else, e.g. a picture, every line is wrong

_REFUSED = {
    "bantime.formula": "f2b computes no formulas: write the multiples of bantime as "
    '"bantime.multipliers" = [1, 2, 4, 8]',
    "bantime.overalljails": "not supported yet: every jail counts its own bans only",
    "ignoreself": "write own_ranges (on by default): it spares private, loopback and similar addresses. A worker "
    "does not run on the hosts that are attacked; their public addresses belong into ignoreip",
}
"""fail2ban's keys that are refused with what to write instead."""


class _SeveralErrors(ValueError):
    """More than one thing is wrong with one value."""

    def __init__(self, messages: Iterable[str]) -> None:
        self.messages = tuple(messages)
        super().__init__("; ".join(self.messages))


def _bantime_ms(value: object) -> int:
    if isinstance(value, dict) and value:
        keys = ", ".join(f'"bantime.{key}"' for key in value)
        raise ValueError(f"TOML needs quotes around a key with a dot: write {keys}")
    return parse_duration_ms(value)


DurationMs = Annotated[int, BeforeValidator(parse_duration_ms)]
BantimeMs = Annotated[int, BeforeValidator(_bantime_ms)]


def _ignored(entry: object, info: ValidationInfo) -> tuple[str, ...]:
    """Read one entry of ignoreip: a network, or a file of them relative to the folder of the jails file."""
    if not isinstance(entry, str):
        raise ValueError(f"{entry!r} is no text")  # noqa: TRY004 - pydantic reports ValueError
    if entry.startswith(FILE_PREFIX):
        folder: Path = (info.context or {}).get("folder", Path())
        return _listed(folder / entry.removeprefix(FILE_PREFIX).strip())
    return (_network(entry),)


def _network(entry: str) -> str:
    try:
        Networks([entry])
    except ValueError:
        raise ValueError(f"{entry!r} is neither an address nor a CIDR") from None
    return entry


def _listed(path: Path) -> tuple[str, ...]:
    networks, errors = [], []
    for number, line in enumerate(_text(path).splitlines(), start=1):
        entry = line.partition("#")[0].strip()
        try:
            networks += [_network(entry)] if entry else []
        except ValueError as error:
            errors.append(f"{path}:{number}: {error}")
    if errors:
        more = len(errors) - _LIST_ERRORS_SHOWN
        raise _SeveralErrors([*errors[:_LIST_ERRORS_SHOWN], *([f"{path}: {more} more"] if more > 0 else [])])
    return tuple(networks)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")  # editors of some systems begin a file with a BOM
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:  # not UTF-8, or a NUL in the path
        raise ValueError(f"{path}: cannot be read: {error}") from error


Ignored = Annotated[tuple[str, ...], BeforeValidator(_ignored)]
Maxretry = Annotated[int, Field(strict=True, ge=1, le=1000)]
Multiple = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_STRICT = ConfigDict(extra="forbid", frozen=True)


class WindowTable(BaseModel):
    """One of several windows of a jail."""

    model_config = _STRICT

    maxretry: Maxretry
    findtime: Annotated[DurationMs, Field(gt=0)]


class JailTable(BaseModel):
    """The keys of `[defaults]` and of each jail; what a jail leaves out, the defaults give."""

    model_config = _STRICT

    maxretry: Maxretry = 5
    findtime: Annotated[DurationMs, Field(gt=0)] = 10 * MINUTE_MS
    windows: tuple[WindowTable, ...] = ()
    bantime: Annotated[BantimeMs, Field(gt=0)] = 10 * MINUTE_MS
    increment: Annotated[bool, Field(alias="bantime.increment")] = False
    factor: Annotated[Multiple, Field(alias="bantime.factor")] = 1.0
    multipliers: Annotated[tuple[Multiple, ...], Field(alias="bantime.multipliers")] = ()
    maxtime: Annotated[DurationMs | None, Field(alias="bantime.maxtime", gt=0)] = None
    rndtime: Annotated[DurationMs, Field(alias="bantime.rndtime", ge=0)] = 0
    dbpurgeage: DurationMs = DAY_MS
    ignoreip: tuple[Ignored, ...] = ()
    mode: Literal["enforce", "observe"] = "enforce"
    own_ranges: bool = True
    prefix_ipv4: Annotated[int, Field(alias="prefix.ipv4", strict=True, ge=1, le=32)] = 32
    prefix_ipv6: Annotated[int, Field(alias="prefix.ipv6", strict=True, ge=1, le=128)] = 64


class JailsFile(BaseModel):
    """The whole file; `[worker]` belongs to the settings."""

    model_config = _STRICT

    worker: dict[str, Any] = Field(default_factory=dict)
    defaults: JailTable = JailTable()
    jails: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")], JailTable] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Jails:
    """What the jails file says.

    Attributes:
        policy: The jails to judge by.
        allowed: The addresses that no jail may ban: the defaults' ignoreip. The enforcer checks them again.
    """

    policy: Policy
    allowed: Networks


def read_jails(path: Path | None) -> Jails:
    """Read the jails file, and the lists that it names; without one, fail2ban's defaults are the only jail.

    Raises:
        StartError: With the file, each wrong key and what is allowed.
    """
    if path is None:
        return _jails(JailsFile())
    try:
        return _jails(_read(path))
    except ValidationError as error:
        raise StartError(f"{path}: {'; '.join(_lines(error))}") from error


def jails_errors(path: Path) -> list[str]:
    """Return all that `read_jails` would refuse, one line each with the file, the key and what is allowed."""
    try:
        _read(path)
    except ValidationError as error:
        return [f"{path}: {line}" for line in _lines(error)]
    except StartError as error:
        return [str(error)]
    return []


def did_you_mean(key: str, known: Iterable[str]) -> str:
    """Return a hint at the one of *known* that is most like *key*, or nothing."""
    near = difflib.get_close_matches(key, known, n=1)
    if not near:
        return ""
    return f"; did you mean {_as_written(near[0])}?"


def _as_written(key: str) -> str:
    return f'"{key}"' if "." in key else key


def _read(path: Path) -> JailsFile:
    return JailsFile.model_validate(read_toml(path), context={"folder": path.parent})


def _lines(error: ValidationError) -> list[str]:
    lines = []
    for one in error.errors(include_url=False, include_input=False):
        place = ".".join(str(part) for part in one["loc"] if part != "[key]")
        lines += [f"{place}: {message}" for message in _messages(one)]
    return lines


def _messages(one: ErrorDetails) -> tuple[str, ...]:
    if one["type"] == "extra_forbidden":
        return (_no_such_key(one["loc"]),)
    cause = one.get("ctx", {}).get("error")
    if isinstance(cause, _SeveralErrors):
        return cause.messages
    return (one["msg"].removeprefix("Value error, "),)


def _no_such_key(place: tuple[int | str, ...]) -> str:
    key = str(place[-1])
    in_window = isinstance(place[-2:][0], int)  # by its index; a jail may be called "windows"
    model = JailsFile if len(place) == 1 else WindowTable if in_window else JailTable
    if model is JailTable and key in _REFUSED:
        return _REFUSED[key]
    return "no such key" + did_you_mean(key, [field.alias or name for name, field in model.model_fields.items()])


def _jails(file: JailsFile) -> Jails:
    jails = {name: _jail(name, _inherited(file.defaults, table)) for name, table in file.jails.items()}
    return Jails(Policy(_jail(DEFAULT_JAIL, file.defaults), jails), _networks(file.defaults))


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
        ignore=_networks(table),
        observed=table.mode == "observe",
        own_ranges=table.own_ranges,
        ipv4_prefix=table.prefix_ipv4,
        ipv6_prefix=table.prefix_ipv6,
    )


def _networks(table: JailTable) -> Networks:
    return Networks(network for entry in table.ignoreip for network in entry)
