"""Command-line options made from a settings model, so that both have the same names, help and defaults."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
from pydantic_core import PydanticUndefined

from f2b_worker.config.loading import env_name, option_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

Command = Any

INSTALL_SHIM = "install f2b-worker with its extra [shim], as README.md shows"
"""No line to copy: which package f2b-worker is depends on where it came from."""

INSTALL_DASHBOARD = "install f2b-worker with its extra [dashboard], as README.md shows"
"""The same of the dashboard, which the shim's packages serve."""


def settings_options(model: type[BaseModel], *names: str) -> Callable[[Command], Command]:
    """Give a command one option for each field of *model*, or for those in *names*."""

    def decorate(command: Command) -> Command:
        for name in reversed(names or tuple(model.model_fields)):
            command = _option(name, model.model_fields[name])(command)
        return command

    return decorate


def _option(name: str, field: FieldInfo) -> Callable[[Command], Command]:
    several = isinstance(field.default, tuple)
    if field.annotation is bool:
        return click.option(option_name(name), name, is_flag=True, default=None, help=_help(name, field))
    return click.option(
        *_also(field),
        option_name(name),
        name,
        multiple=several,
        metavar=name.rsplit("_", maxsplit=1)[-1].upper(),
        help=_help(name, field),
    )


def _also(field: FieldInfo) -> Sequence[str]:
    """Find the further names of an option, such as its short one."""
    extra = field.json_schema_extra
    return cast("Sequence[str]", extra.get("also", ())) if isinstance(extra, dict) else ()


def _help(name: str, field: FieldInfo) -> str:
    return f"{field.description}  [env: {env_name(name)}{_shown(default_text(field))}]"


def _shown(default: str) -> str:
    if not default:
        return ""
    return f"; {default}" if default == "required" else f"; default: {default}"


def default_text(field: FieldInfo) -> str:
    """Show a field's default: `required`, or nothing where there is none."""
    if field.default is PydanticUndefined:
        return "required"
    return "" if field.default in (None, ()) else str(field.default)


config_option = click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar="F2B_CONFIG",
    help="A TOML file with the jails and, under [worker], these settings.  [env: F2B_CONFIG]",
)
