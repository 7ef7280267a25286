"""Finds in the source what a program may log: the events of the worker, and the lines of the producer."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.cli.source import assigned_to, calls_in, parameters_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from f2b_worker.cli.source import Function

_LEVELS = {"debug": "debug", "info": "info", "warning": "warning", "error": "error", "exception": "error"}
_RINGS = "ring"  # of `enforcer.alarms.Alarms`
_LOGS = {"log", "_log"}


class Logged(NamedTuple):
    """One place that logs.

    Attributes:
        name: The event; of the producer, the line with its gaps.
        level: How bad it is.
        keys: What the line says besides.
    """

    name: str
    level: str
    keys: tuple[str, ...]


class UnclearError(Exception):
    """Nobody can tell from the source what is logged there."""


def events_in(folder: Path) -> list[Logged]:
    """List what the modules of a folder log as an event and keys."""
    return [
        each for path in sorted(folder.rglob("*.py")) for each in events_of(path.read_text("utf-8"), path.name)
    ]


def events_of(source: str, name: str = "") -> list[Logged]:
    """List what one module logs as an event and keys.

    Raises:
        UnclearError: If the name of an event is no literal, and no parameter that a caller gives.
    """
    module = ast.parse(source)
    found: list[Logged] = []
    for function, call in calls_in(module):
        level = _level(call)
        if level is not None and call.args:
            keys = tuple(dict.fromkeys(_keys(call, function, module)))
            found += [Logged(each, level, keys) for each in _texts(call.args[0], function, name)]
    return found


def lines_in(folder: Path) -> list[Logged]:
    """List the lines that the modules of a folder log by the standard library."""
    found: list[Logged] = []
    for path in sorted(folder.glob("*.py")):
        for function, call in calls_in(ast.parse(path.read_text("utf-8"))):
            found += _lines(call, function, path.name)
    return found


def _lines(call: ast.Call, function: Function | None, name: str) -> Iterator[Logged]:
    called = ast.unparse(call.func)
    arguments = call.args
    if called == "_say" and arguments and ast.unparse(arguments[0]).startswith("logging."):
        level, text = ast.unparse(arguments[0]).removeprefix("logging.").lower(), arguments[1]
    elif called == "_say" and arguments:
        level, text = "info", arguments[0]
    elif called.startswith("_log.") and called.removeprefix("_log.") in _LEVELS:
        level, text = called.removeprefix("_log."), arguments[0]
    else:
        return
    for each in _texts(text, function, name):
        yield Logged(each, level, ())


def _level(call: ast.Call) -> str | None:
    if not isinstance(call.func, ast.Attribute):
        return None
    owner = ast.unparse(call.func.value).rpartition(".")[2]
    if call.func.attr == _RINGS and owner in {"alarms", "_alarms"}:
        return "error"
    return _LEVELS.get(call.func.attr) if owner in _LOGS else None


def _texts(node: ast.expr, function: Function | None, name: str) -> list[str]:
    """Tell what a text may be: a literal, one of two, or a local name for such; nothing if the caller gives it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.IfExp):
        return [*_texts(node.body, function, name), *_texts(node.orelse, function, name)]
    if isinstance(node, ast.Name) and function is not None:
        if node.id in parameters_of(function):
            return []
        given = list(assigned_to(node.id, function))
        if given:
            return [text for each in given for text in _texts(each, function, name)]
    raise UnclearError(
        f"{name}:{node.lineno}: log a literal, not {ast.unparse(node)}: docs/log-events.md lists them"
    )


def _keys(call: ast.Call, function: Function | None, module: ast.Module) -> Iterator[str]:
    if len(call.args) > 1:
        yield "about"  # of an alarm
    for keyword in call.keywords:
        if keyword.arg is None:
            yield from _unpacked(keyword.value, function, module)
        elif keyword.arg == "exc_info":
            yield "exception"
        else:
            yield keyword.arg
    if isinstance(call.func, ast.Attribute) and call.func.attr == "exception":
        yield "exception"


def _unpacked(node: ast.expr, function: Function | None, module: ast.Module) -> Iterator[str]:
    """Tell which keys a dictionary brings, as far as the source says."""
    if isinstance(node, ast.Dict):
        names = (each.value for each in node.keys if isinstance(each, ast.Constant))
        yield from ("exception" if each == "exc_info" else str(each) for each in names)
    elif isinstance(node, ast.IfExp):
        yield from _unpacked(node.body, function, module)
        yield from _unpacked(node.orelse, function, module)
    elif isinstance(node, ast.Name) and function is not None:
        for each in assigned_to(node.id, function):
            yield from _unpacked(each, function, module)
        if function.args.kwarg and function.args.kwarg.arg == node.id:
            yield from _given_to(function, module)


def _given_to(function: Function, module: ast.Module) -> Iterator[str]:
    """Tell what callers give beyond the parameters that have a name."""
    for _, call in calls_in(module):
        if ast.unparse(call.func) == function.name:
            names = (each.arg for each in call.keywords if each.arg)
            yield from (each for each in names if each not in parameters_of(function))
