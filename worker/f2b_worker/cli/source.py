"""What the pages that are made of the source read in it: calls, what a name stands for, what a class means."""

from __future__ import annotations

import ast
import inspect
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


def calls_in(module: ast.Module) -> Iterator[tuple[Function | None, ast.Call]]:
    """Find each call, and the function that it stands in."""
    inside: dict[ast.AST, Function] = {}
    for node in ast.walk(module):  # outer functions come first
        if isinstance(node, Function):
            inside.update((each, node) for each in ast.walk(node) if each is not node)
        if isinstance(node, ast.Call):
            yield inside.get(node), node


def parameters_of(function: Function) -> list[str]:
    """Name what a caller gives."""
    arguments = function.args
    return [each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]


def assigned_to(variable: str, function: Function) -> Iterator[ast.expr]:
    """Find what a function lets a name stand for."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and any(ast.unparse(each) == variable for each in node.targets):
            yield node.value


def meaning_of(kind: type) -> str:
    """Tell what a class is, by the first line of its docstring."""
    return inspect.cleandoc(kind.__doc__ or "").splitlines()[0].rstrip(".")
