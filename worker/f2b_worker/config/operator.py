"""The settings of `f2b`, the operator's command: made without pydantic, which alone takes longer than a question.

The command line wins over the environment (`F2B_…`), that over the file's `[operator]` table, that over its
`[worker]` table, that over the default.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from f2b_worker.config.values import split, standard_queue, unbroken, unbroken_each
from f2b_worker.domain.acts.act import AUDIT_DAYS, AUDIT_DAYS_MAX
from f2b_worker.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

STATE_FILE = "f2b.db"
SCOPES = ("REGIONAL", "CLOUDFRONT")
ENV_PREFIX = "F2B_"

DESCRIPTIONS = {
    "table": "The DynamoDB table of the ledger, shared by all workers of a fleet.",
    "state": "The file of a standalone worker. With it, the command uses this file instead of the table.",
    "region": "The AWS Region of the fleet, e.g. eu-west-1. By default AWS's own settings say which.",
    "queue": "The SQS queue that infractions come from: its URL, or its name. A standard queue.",
    "ip_set": 'A WAF IP set of the blocklist "block". NAME also means NAME-ipv4 and NAME-ipv6, and the sets '
    "numbered after them: NAME-ipv4-2 and so on. May be repeated.",
    "scope": "The scope of the --ip-set; CLOUDFRONT is always reached in us-east-1.",
    "audit_days": "Days for which it is remembered what people do, 1 to 3650. The default has the year that an "
    "auditor asks for, and a month to spare. Each act keeps what held when it was done. Workers have it, too.",
    "standalone": "The fleet is one standalone worker: there is neither queue nor table.",
    "config": "A TOML file with the jails and, under [operator] or [worker], these settings. By default "
    "~/.config/f2b/f2b.toml, if it is there.",
}
"""What each setting is; help and docs show it."""

WORKER_NAMES = frozenset(
    [
        "queue",
        "table",
        "ip_set",
        "scope",
        "processes",
        "max_age",
        "poll_s",
        "linger_s",
        "extend_resolution_s",
        "offenders_per_s",
        "receivers",
        "unban_lag_s",
        "max_new_bans_per_minute",
        "audit_days",
        "enforce_only",
        "metrics_port",
        "metrics_host",
        "http_port",
        "http_host",
        "dashboard_token",
        "standalone",
        "state",
        "port",
        "host",
        "uds",
        "log_level",
    ]
)
"""What a worker's settings are called; a test holds them against the model."""

SHIM_NAMES = frozenset(
    [
        "queue",
        "port",
        "host",
        "uds",
        "workers",
        "token",
        "peer_share",
        "rate_limit",
        "body_bytes",
        "waiting",
        "request_s",
        "idle_s",
        "drain_s",
        "expose_state",
        "log_level",
    ]
)
"""The same of the shim."""

_TRUE = frozenset({"1", "true", "t", "yes", "y", "on"})
_FALSE = frozenset({"0", "false", "f", "no", "n", "off"})
_FOREIGN = ("F2B_TEST_", "F2B_PYTHON")
_OF_A_FLEET = ("table", "queue")
_OF_A_FILE = ("state", "standalone")


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """Where queue, ledger and IP sets are, and the file with the jails."""

    table: str = "f2b"
    state: str | None = None
    region: str | None = None
    queue: str | None = None
    ip_set: tuple[str, ...] = ()
    scope: str = "REGIONAL"
    audit_days: int = AUDIT_DAYS
    standalone: bool = False
    config: Path | None = None

    @property
    def required_queue(self) -> str:
        """The queue.

        Raises:
            StartError: If none is named.
        """
        if self.queue is None:
            raise StartError("--queue: is missing: give --queue, or set F2B_QUEUE")
        return self.queue

    @property
    def state_file(self) -> Path | None:
        """The file that takes the place of queue and table, if any."""
        if self.state:
            return Path(self.state)
        return Path(STATE_FILE) if self.standalone else None


NAMES = tuple(each.name for each in fields(OperatorSettings))
_OF_THE_FILE = frozenset(NAMES) - {"config"}

VARIABLES = {name: f"{ENV_PREFIX}{name.upper()}" for name in NAMES if name != "region"}
"""The variable of each setting; for the Region AWS has one of its own, AWS_REGION."""

KNOWN_VARIABLES = frozenset(
    {*VARIABLES.values(), *(f"{ENV_PREFIX}{name.upper()}" for name in WORKER_NAMES | SHIM_NAMES)}
)
"""Every variable that is a setting of f2b; a test holds them against the models."""


def load_operator(given: Mapping[str, Any]) -> OperatorSettings:
    """Build the settings from the command line's values, the environment and the file.

    Args:
        given: What stood on the command line; None and empty values count as not given.

    Raises:
        StartError: Naming each setting that is wrong, and a misspelt environment variable.
    """
    _refuse_misspelt_environment()
    line = {name: value for name, value in given.items() if name in NAMES and value not in (None, (), False)}
    variables = {name: os.environ.get(variable) for name, variable in VARIABLES.items()}
    environment = {name: value for name, value in variables.items() if value}
    environment.pop("config", None)
    path = config_file(line.pop("config", None))
    levels = [line, environment, *(_tables(path) if path else ())]
    places = ["", "", *(f"{path}: {name}." for name in ("operator", "worker"))]
    wrong: list[str] = []
    read = [dict(_read(level, place, wrong)) for level, place in zip(levels, places, strict=False)]
    if wrong:
        raise StartError("; ".join(wrong))
    return OperatorSettings(**_chosen(read), config=path)


def config_file(given: Path | None) -> Path | None:
    """Find the file: the one that is given, that of F2B_CONFIG, or the usual one if it is there."""
    chosen = given or os.environ.get("F2B_CONFIG")
    return Path(chosen) if chosen else _usual_file()


def operator_errors(path: Path) -> list[str]:
    """Return all that is wrong with the file's `[operator]` table, one line each."""
    wrong: list[str] = []
    try:
        level = dict(_read(_table(_read_file(path), path, "operator", _OF_THE_FILE), f"{path}: operator.", wrong))
        _chosen([level])
    except StartError as error:
        wrong.append(str(error))
    return wrong


def _read_file(path: Path) -> dict[str, Any]:
    from f2b_worker.config.toml_file import read_toml  # noqa: PLC0415 - most commands, and the help, need none of it

    return read_toml(path)


def _usual_file() -> Path | None:
    home = os.environ.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser()
    file = Path(home) / "f2b" / "f2b.toml"
    return file if file.is_file() else None


def _tables(path: Path) -> Iterator[dict[str, Any]]:
    """Read what the file's two tables say of an operator's settings, the stronger one first."""
    tables = _read_file(path)
    yield _table(tables, path, "operator", _OF_THE_FILE)
    worker = _table(tables, path, "worker", WORKER_NAMES)
    yield {key: value for key, value in worker.items() if key in NAMES}


def _table(tables: Mapping[str, Any], path: Path, name: str, known: frozenset[str]) -> dict[str, Any]:
    table = tables.get(name, {})
    if not isinstance(table, dict):
        raise StartError(f"{path}: {name}: must be a table: begin it with [{name}]")
    misspelt = [key for key in table if key not in known]
    if misspelt:
        raise StartError("; ".join(f"{path}: {name}.{key}: no such key{_near(key, known)}" for key in misspelt))
    return table


def _near(key: str, known: frozenset[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only where something is misspelt

    near = get_close_matches(key, sorted(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _read(level: Mapping[str, Any], place: str, wrong: list[str]) -> Iterator[tuple[str, Any]]:
    for name, value in level.items():
        try:
            yield name, _READERS.get(name, _name)(value)
        except ValueError as error:
            wrong.append(f"{place or '--'}{name if place else name.replace('_', '-')}: {error}")


def _name(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text, in quotes")  # noqa: TRY004 - a wrong value, of whatever type
    if not value:
        raise ValueError("must not be empty")
    return unbroken(value) or ""


def _queue(value: object) -> str | None:
    return standard_queue(_name(value))


def _sets(value: object) -> tuple[str, ...]:
    parts = split(value)
    if not isinstance(parts, list):
        raise ValueError("must be a list of names")  # noqa: TRY004 - as above
    return unbroken_each(tuple(parts))


def _scope(value: object) -> str:
    if value not in SCOPES:
        raise ValueError("must be 'REGIONAL' or 'CLOUDFRONT'")
    return str(value)


def _switch(value: object) -> bool:
    word = str(value).lower()
    if word not in _TRUE | _FALSE:
        raise ValueError("must be true or false")
    return word in _TRUE


def _days(value: object) -> int:
    text = str(value)
    if not text.isdecimal() or not 1 <= int(text) <= AUDIT_DAYS_MAX:
        raise ValueError(f"must be a whole number of days from 1 to {AUDIT_DAYS_MAX}")
    return int(text)


_READERS: Mapping[str, Any] = {
    "queue": _queue,
    "ip_set": _sets,
    "scope": _scope,
    "audit_days": _days,
    "standalone": _switch,
}


def _chosen(levels: list[dict[str, Any]]) -> dict[str, Any]:
    """Let the strongest level win, each setting by itself; the ledger is what is named first.

    Raises:
        StartError: If one level names both.
    """
    chosen: dict[str, Any] = {}
    ledger: str | None = None
    for level in levels:
        file = level.get("state") or level.get("standalone")
        if ledger is None and file and any(level.get(name) for name in _OF_A_FLEET):
            raise StartError(
                "--state and --standalone keep queue and ledger in a file: leave them out, or --queue and --table"
            )
        if ledger is None:
            ledger = "file" if file else "table" if level.get("table") else None
        kept = level if ledger != "table" else {name: level[name] for name in level if name not in _OF_A_FILE}
        chosen = {**kept, **chosen}
    return chosen


def _refuse_misspelt_environment() -> None:
    for name in os.environ:
        if name.upper().startswith(ENV_PREFIX) and name not in KNOWN_VARIABLES and not name.startswith(_FOREIGN):
            from f2b_worker.config.loading import refuse_misspelt_environment  # noqa: PLC0415 - it takes 0.2 s

            refuse_misspelt_environment()
            return
