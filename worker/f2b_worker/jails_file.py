"""The jails file, `f2b.toml`: `[defaults]` and `[jails.NAME]` in fail2ban's words, checked key by key.

TOML lets a key be a value or a table, not both: write fail2ban's `bantime.increment` in quotes,
`"bantime.increment" = true`, beside `bantime = "10m"`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from f2b_worker.domain.addresses import Networks
from f2b_worker.domain.durations import parse_duration_ms
from f2b_worker.domain.jails import DAY_MS, DEFAULT_JAIL, FOREVER_MS, MINUTE_MS, Jail, Policy, Window
from f2b_worker.errors import StartError
from f2b_worker.toml_file import read_toml

if TYPE_CHECKING:
    from pathlib import Path

DurationMs = Annotated[int, BeforeValidator(parse_duration_ms)]


def _network(entry: object) -> str:
    if not isinstance(entry, str):
        raise ValueError(f"{entry!r} is no text")  # noqa: TRY004 - pydantic reports ValueError
    try:
        Networks([entry])
    except ValueError:
        raise ValueError(f"{entry!r} is neither an address nor a CIDR") from None
    return entry


NetworkText = Annotated[str, BeforeValidator(_network)]
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
    bantime: Annotated[DurationMs, Field(gt=0)] = 10 * MINUTE_MS
    increment: Annotated[bool, Field(alias="bantime.increment")] = False
    factor: Annotated[Multiple, Field(alias="bantime.factor")] = 1.0
    multipliers: Annotated[tuple[Multiple, ...], Field(alias="bantime.multipliers")] = ()
    maxtime: Annotated[DurationMs | None, Field(alias="bantime.maxtime", gt=0)] = None
    rndtime: Annotated[DurationMs, Field(alias="bantime.rndtime", ge=0)] = 0
    dbpurgeage: DurationMs = DAY_MS
    ignoreip: tuple[NetworkText, ...] = ()
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
    """Read the jails file; without one, fail2ban's defaults are the only jail.

    Raises:
        StartError: With the file, each wrong key and what is allowed.
    """
    if path is None:
        return _jails(JailsFile())
    try:
        return _jails(JailsFile.model_validate(read_toml(path)))
    except ValidationError as error:
        raise StartError(f"{path}: {'; '.join(_lines(error))}") from error


def _lines(error: ValidationError) -> list[str]:
    lines = []
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        place = ".".join(str(part) for part in one["loc"] if part != "[key]")
        message = "no such key" if one["type"] == "extra_forbidden" else one["msg"]
        lines.append(f"{place}: {message.removeprefix('Value error, ')}")
    return lines


def _jails(file: JailsFile) -> Jails:
    jails = {name: _jail(name, _inherited(file.defaults, table)) for name, table in file.jails.items()}
    return Jails(Policy(_jail(DEFAULT_JAIL, file.defaults), jails), Networks(file.defaults.ignoreip))


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
        ignore=Networks(table.ignoreip),
        own_ranges=table.own_ranges,
        ipv4_prefix=table.prefix_ipv4,
        ipv6_prefix=table.prefix_ipv6,
    )
