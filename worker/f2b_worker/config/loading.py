"""Builds settings: command line over environment (`F2B_…`) over the file's `[worker]` table over the default."""

from __future__ import annotations

import difflib
import os
import re
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from f2b_worker.config.settings import WorkerSettings
from f2b_worker.config.shim_settings import ShimSettings
from f2b_worker.config.toml_file import read_toml
from f2b_worker.config.wording import plain
from f2b_worker.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pydantic_core import ErrorDetails

ENV_PREFIX = "F2B_"
_OTHERS = {"F2B_CONFIG", "F2B_REPORTER"}  # known, but no setting of a model; the second is f2b-report's
_LOCKS = {"token"}
_FOREIGN_PREFIXES = ("F2B_TEST_", "F2B_PYTHON")
_OF_A_SERVICE = re.compile(r"_SERVICE_(HOST|PORT)|_PORT_\d+_(TCP|UDP|SCTP)")
"""Variables of a Service whose name begins so:
https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables."""

SettingsT = TypeVar("SettingsT", bound=BaseModel)


def load(
    model: type[SettingsT],
    given: dict[str, Any],
    config: Path | None = None,
    *,
    needs_queue: bool = True,
    has_options: bool = True,
) -> SettingsT:
    """Build settings from the command line's values, the environment and the file.

    Args:
        model: Which settings.
        given: What stood on the command line; None and empty values count as not given.
        config: The TOML file, if any.
        needs_queue: Whether there must be a queue; else there is none, whatever file and environment say.
        has_options: Whether the command has these settings as options; else errors name the variables.

    Raises:
        StartError: Naming each setting that is wrong, and a misspelt environment variable.
    """
    refuse_misspelt_environment()
    table = _worker_table(config) if config and model is WorkerSettings else {}
    chosen = {name: value for name, value in given.items() if value is not None and value != ()}
    no_queue = {} if needs_queue else {"queue": None}
    try:
        return model.model_validate(table | _environment(model) | chosen | no_queue)
    except ValidationError as error:
        name = option_name if has_options else env_name
        lines = [_line(one["loc"], plain(one) + _where_to_give(one), name) for one in error.errors()]
        raise StartError("; ".join(lines)) from error


def _environment(model: type[BaseModel]) -> dict[str, str]:
    """Read the variables that say something; an empty one counts as not given, unless that would unlock a door."""
    values = {field: os.environ.get(env_name(field)) for field in model.model_fields}
    return {field: value for field, value in values.items() if value or (value is not None and field in _LOCKS)}


def _line(place: tuple[int | str, ...], message: str, name: Callable[[str], str]) -> str:
    return f"{name(str(place[0]))}: {message}" if place else message


def _where_to_give(error: ErrorDetails) -> str:
    field = str(error["loc"][0]) if error["type"] == "missing" else ""
    return f": give {option_name(field)}, or set {env_name(field)}" if field else ""


def _worker_table(config: Path) -> dict[str, Any]:
    table = read_toml(config).get("worker", {})
    if not isinstance(table, dict):
        raise StartError(f"{config}: worker: write it as a table, [worker]")
    return table


def option_name(field: str) -> str:
    """Name a field as the command line does."""
    return f"--{field.replace('_', '-')}"


def env_name(field: str) -> str:
    """Name a field as the environment does."""
    return f"{ENV_PREFIX}{field.upper()}"


def refuse_misspelt_environment() -> None:
    """See that every variable of ours is a setting.

    Raises:
        StartError: Naming the first that is none.
    """
    known = _OTHERS | {env_name(field) for model in (WorkerSettings, ShimSettings) for field in model.model_fields}
    for name in os.environ:
        capitals = name.upper()
        if capitals.startswith(ENV_PREFIX) and name not in known and not capitals.startswith(_FOREIGN_PREFIXES):
            raise StartError(f"environment variable {name} is not a setting of f2b{_hint(name, known)}")


def _hint(name: str, known: set[str]) -> str:
    if _OF_A_SERVICE.search(name) or os.environ[name].startswith(("tcp://", "udp://")):
        return ": Kubernetes makes it of a Service; write enableServiceLinks: false into the Pod"
    capitals = name.upper()
    near = difflib.get_close_matches(capitals if capitals in known else name, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""
