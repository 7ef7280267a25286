"""Finds in the source what a program may log: the events of the worker, and the lines of the producer."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LEVELS = {"debug": "debug", "info": "info", "warning": "warning", "error": "error", "exception": "error"}
_RINGS = "ring"  # of `enforcer.alarms.Alarms`
_LOGS = {"log", "_log"}

_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


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
    for function, call in _calls(module):
        level = _level(call)
        if level is not None and call.args:
            keys = tuple(dict.fromkeys(_keys(call, function, module)))
            found += [Logged(each, level, keys) for each in _texts(call.args[0], function, name)]
    return found


def lines_in(folder: Path) -> list[Logged]:
    """List the lines that the modules of a folder log by the standard library."""
    found: list[Logged] = []
    for path in sorted(folder.glob("*.py")):
        for function, call in _calls(ast.parse(path.read_text("utf-8"))):
            found += _lines(call, function, path.name)
    return found


def _lines(call: ast.Call, function: _Function | None, name: str) -> Iterator[Logged]:
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


def _calls(module: ast.Module) -> Iterator[tuple[_Function | None, ast.Call]]:
    """Find each call, and the function that it stands in."""
    inside: dict[ast.AST, _Function] = {}
    for node in ast.walk(module):  # outer functions come first
        if isinstance(node, _Function):
            inside.update((each, node) for each in ast.walk(node) if each is not node)
        if isinstance(node, ast.Call):
            yield inside.get(node), node


def _level(call: ast.Call) -> str | None:
    if not isinstance(call.func, ast.Attribute):
        return None
    owner = ast.unparse(call.func.value).rpartition(".")[2]
    if call.func.attr == _RINGS and owner in {"alarms", "_alarms"}:
        return "error"
    return _LEVELS.get(call.func.attr) if owner in _LOGS else None


def _texts(node: ast.expr, function: _Function | None, name: str) -> list[str]:
    """Tell what a text may be: a literal, one of two, or a local name for such; nothing if the caller gives it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.IfExp):
        return [*_texts(node.body, function, name), *_texts(node.orelse, function, name)]
    if isinstance(node, ast.Name) and function is not None:
        if node.id in _parameters(function):
            return []
        given = list(_assigned(node.id, function))
        if given:
            return [text for each in given for text in _texts(each, function, name)]
    raise UnclearError(
        f"{name}:{node.lineno}: log a literal, not {ast.unparse(node)}: docs/log-events.md lists them"
    )


def _parameters(function: _Function) -> list[str]:
    arguments = function.args
    return [each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]


def _assigned(variable: str, function: _Function) -> Iterator[ast.expr]:
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and any(ast.unparse(each) == variable for each in node.targets):
            yield node.value


def _keys(call: ast.Call, function: _Function | None, module: ast.Module) -> Iterator[str]:
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


def _unpacked(node: ast.expr, function: _Function | None, module: ast.Module) -> Iterator[str]:
    """Tell which keys a dictionary brings, as far as the source says."""
    if isinstance(node, ast.Dict):
        names = (each.value for each in node.keys if isinstance(each, ast.Constant))
        yield from ("exception" if each == "exc_info" else str(each) for each in names)
    elif isinstance(node, ast.IfExp):
        yield from _unpacked(node.body, function, module)
        yield from _unpacked(node.orelse, function, module)
    elif isinstance(node, ast.Name) and function is not None:
        for each in _assigned(node.id, function):
            yield from _unpacked(each, function, module)
        if function.args.kwarg and function.args.kwarg.arg == node.id:
            yield from _given_to(function, module)


def _given_to(function: _Function, module: ast.Module) -> Iterator[str]:
    """Tell what callers give beyond the parameters that have a name."""
    for _, call in _calls(module):
        if ast.unparse(call.func) == function.name:
            names = (each.arg for each in call.keywords if each.arg)
            yield from (each for each in names if each not in _parameters(function))
