"""Reads a command line of a deployment, with its environment, as the real commands do; nothing is started."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar
from unittest import mock

from f2b_producer import report
from f2b_producer._options import make_parser
from f2b_worker.cli.f2b import main as f2b
from f2b_worker.cli.shim import main as f2b_shim
from f2b_worker.cli.worker import main as f2b_worker
from f2b_worker.config.jails_file import read_jails
from f2b_worker.config.loading import load
from f2b_worker.config.operator import load_operator
from f2b_worker.config.settings import WorkerSettings
from f2b_worker.config.shim_settings import ShimSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from click import Command

SettingsT = TypeVar("SettingsT", WorkerSettings, ShimSettings)

_OF_AWS = ("AWS_REGION", "AWS_DEFAULT_REGION")


def understood(command: Sequence[str], environment: Mapping[str, str]) -> Any:
    """Answer the settings that a command would work with.

    Raises:
        Exception: Whatever the command itself says of an option, a variable or a file that is wrong.
    """
    name, *arguments = command
    strange = [each for each in environment if not each.startswith("F2B_") and each not in _OF_AWS]
    assert strange == [], "no variable of f2b's or of AWS's"
    with mock.patch.dict(os.environ, environment, clear=True):
        return _READERS[name.rpartition("/")[2]](arguments)


def _worker(arguments: list[str]) -> WorkerSettings:
    settings = _serving(f2b_worker, WorkerSettings, arguments)
    if settings.standalone:  # it takes those of the shim's settings that are no options of its own
        load(ShimSettings, {}, needs_queue=False, has_options=False)
    return settings


def _serving(command: Command, model: type[SettingsT], arguments: list[str]) -> SettingsT:
    given = command.make_context("", arguments).params
    config = given.pop("config")
    read_jails(config)
    return load(model, given, config)


def _operator(arguments: list[str]) -> Any:
    root = f2b.make_context("f2b", arguments)
    name, command, rest = f2b.resolve_command(root, [*root._protected_args, *root.args])
    assert command is not None, name
    given = command.make_context(name, rest, parent=root).params
    settings = load_operator(given)
    read_jails(settings.config)
    return settings


def _report(arguments: list[str]) -> Any:
    args = make_parser().parse_args(arguments)
    assert args.queue, "no queue"
    assert not args.tail or report._log_filter(make_parser(), args), "no failregex"
    return args


_READERS: dict[str, Callable[[list[str]], Any]] = {
    "f2b-worker": _worker,
    "f2b-shim": lambda arguments: _serving(f2b_shim, ShimSettings, arguments),
    "f2b": _operator,
    "f2b-report": _report,
}
