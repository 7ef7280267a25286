"""The tables and keys of the jails file, in fail2ban's words, and what each of them may hold."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

from f2b_worker.domain.blocklists import Action, Foreign, Scope
from f2b_worker.domain.durations import parse_duration_ms
from f2b_worker.domain.jails import DAY_MS, DEFAULT_BLOCKLIST, JAIL_NAME, MINUTE_MS
from f2b_worker.domain.networks import Networks

if TYPE_CHECKING:
    from collections.abc import Iterable

FILE_PREFIX = "file:"
_LIST_ERRORS_SHOWN = 10  # of a list that is something else, e.g. a picture, every line is wrong


class SeveralErrors(ValueError):
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
    return (_network(entry.strip()),)


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
        raise SeveralErrors([*errors[:_LIST_ERRORS_SHOWN], *([f"{path}: {more} more"] if more > 0 else [])])
    return tuple(networks)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")  # editors of some systems begin a file with a BOM
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:  # not UTF-8, or a NUL in the path
        raise ValueError(f"{path}: cannot be read: {error}") from error


def _names(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Ignored = Annotated[tuple[str, ...], BeforeValidator(_ignored)]
Maxretry = Annotated[int, Field(strict=True, ge=1, le=1000)]
Names = Annotated[tuple[str, ...], BeforeValidator(_names), Field(min_length=1)]
BanCount = Annotated[int, Field(ge=1, le=1000)]
Multiple = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Name = Annotated[str, Field(pattern=f"^{JAIL_NAME.pattern}$")]
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
    overalljails: Annotated[bool, Field(alias="bantime.overalljails")] = False
    dbpurgeage: DurationMs = DAY_MS
    ignoreip: tuple[Ignored, ...] = ()
    mode: Literal["enforce", "observe"] = "enforce"
    own_ranges: bool = True
    prefix_ipv4: Annotated[int, Field(alias="prefix.ipv4", strict=True, ge=1, le=32)] = 32
    prefix_ipv6: Annotated[int, Field(alias="prefix.ipv6", strict=True, ge=1, le=128)] = 64
    blocklist: Names = (DEFAULT_BLOCKLIST,)
    escalation: dict[BanCount, Names] = Field(default_factory=dict)
    recidive: bool = False


class CollapseTable(BaseModel):
    """When banned neighbours are written as one network."""

    model_config = _STRICT

    at_least: Annotated[int, Field(strict=True, ge=2, le=256)]
    ipv4: Annotated[int, Field(strict=True, ge=8, le=31)] = 24
    ipv6: Annotated[int, Field(strict=True, ge=16, le=63)] = 48


class BlocklistTable(BaseModel):
    """The keys of one blocklist."""

    model_config = _STRICT

    ip_set: Annotated[tuple[str, ...], BeforeValidator(_names)] = ()
    scope: Scope = Scope.REGIONAL
    foreign: Foreign = Foreign.KEEP
    collapse: CollapseTable | None = None
    action: Action | None = None


class JailsFile(BaseModel):
    """The whole file; `[worker]` and `[operator]` belong to the settings, `[notices]` has models of its own."""

    model_config = _STRICT

    worker: dict[str, Any] = Field(default_factory=dict)
    operator: dict[str, Any] = Field(default_factory=dict)
    defaults: JailTable = JailTable()
    jails: dict[Name, JailTable] = Field(default_factory=dict)
    blocklists: dict[Name, BlocklistTable] = Field(default_factory=dict)
    notices: dict[str, Any] = Field(default_factory=dict)


def did_you_mean(key: str, known: Iterable[str]) -> str:
    """Return a hint at the one of *known* that is most like *key*, or nothing."""
    near = difflib.get_close_matches(key, known, n=1)
    if not near:
        return ""
    return f"; did you mean {_as_written(near[0])}?"


def _as_written(key: str) -> str:
    return f'"{key}"' if "." in key else key
