"""The options that tell a command of `f2b` where queue, ledger and IP sets are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from f2b_worker.adapters.caller import act_as
from f2b_worker.config.operator import DESCRIPTIONS, SCOPES, VARIABLES, OperatorSettings, load_operator
from f2b_worker.domain.acts.act import AUDIT_DAYS, AUDIT_DAYS_MAX
from f2b_worker.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Command = Any

_LEDGER = ("table", "state", "region", "config")
_ALL = ("queue", "table", "state", "ip_set", "scope", "audit_days", "standalone", "region", "config")
_DEFAULTS = {"table": "f2b", "scope": SCOPES[0], "audit_days": AUDIT_DAYS}


def ledger_options(*further: str) -> Callable[[Command], Command]:
    """Give a command the options that say where the ledger is, and *further* ones."""
    return options(*(name for name in _ALL if name in _LEDGER or name in further))


def options(*names: str) -> Callable[[Command], Command]:
    """Give a command the options in *names*."""

    def decorate(command: Command) -> Command:
        for name in reversed(names):
            command = _option(name)(command)
        return command

    return decorate


def _option(name: str) -> Callable[[Command], Command]:
    option = f"--{name.replace('_', '-')}"
    if name == "standalone":
        return click.option(option, name, is_flag=True, help=_help(name))
    if name == "scope":
        return click.option(option, name, type=click.Choice(SCOPES), help=_help(name))
    if name == "audit_days":
        return click.option(option, name, type=click.IntRange(1, AUDIT_DAYS_MAX), metavar="DAYS", help=_help(name))
    if name == "config":
        file = click.Path(exists=True, dir_okay=False, path_type=Path)
        return click.option(option, name, type=file, metavar="FILE", help=_help(name))
    metavar = name.rsplit("_", maxsplit=1)[-1].upper()
    return click.option(option, name, multiple=name == "ip_set", metavar=metavar, help=_help(name))


def _help(name: str) -> str:
    default = f"; default: {_DEFAULTS[name]}" if name in _DEFAULTS else ""
    return f"{DESCRIPTIONS[name]}  [env: {VARIABLES.get(name, 'AWS_REGION')}{default}]"


def settings_of(given: Mapping[str, Any], *, role: str) -> OperatorSettings:
    """Load a command's settings, and say to AWS as whom it calls; an option may also stand before the command.

    Args:
        given: What stood after the command.
        role: The name of its policy in docs/iam.
    """
    before = click.get_current_context().find_root().params
    after = {name: value for name, value in given.items() if value not in (None, (), False)}
    settings = load_operator({**before, **after})
    act_as(role, settings.region)
    return settings


def table_of(settings: OperatorSettings, what: str) -> OperatorSettings:
    """See that the ledger is a table.

    Raises:
        StartError: If it is a file.
    """
    if settings.state_file:
        raise StartError(f"--state {settings.state_file} has no {what}: that is for the table of a fleet")
    return settings
