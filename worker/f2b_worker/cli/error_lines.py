"""Finds in the source the lines that end a command, or are the reason in a line of the log."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from f2b_worker.cli.source import assigned_to, calls_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from f2b_worker.cli.source import Function

GAP = "…"
_SAYS_NOTHING = re.compile(r"[\W_]*")


class Line(NamedTuple):
    """A line that the code may say.

    Attributes:
        text: The line.
        kind: The class of the error.
        module: Where it is made, as a path below the folder.
    """

    text: str
    kind: str
    module: str


def lines_in(folder: Path, kinds: Mapping[str, object], package: str) -> list[Line]:
    """List the lines of errors that the modules of a package make.

    Args:
        folder: Where the package is.
        kinds: The names of the classes.
        package: Its name: a constant of a module is filled in.
    """
    found: dict[tuple[str, str], Line] = {}
    for path in sorted(folder.rglob("*.py")):
        module = path.relative_to(folder).as_posix()
        source = path.read_text("utf-8")
        if any(f"{kind}(" in source for kind in kinds):
            constants = vars(import_module(f"{package}.{module.removesuffix('.py').replace('/', '.')}"))
            for line in lines_of(source, module, kinds, constants):
                found.setdefault((line.text, line.kind), line)
    return list(found.values())


def lines_of(
    source: str, module: str, kinds: Mapping[str, object], constants: Mapping[str, object]
) -> Iterator[Line]:
    """List the lines of one module.

    Args:
        source: Its text.
        module: Its path.
        kinds: The names of the classes.
        constants: What its names stand for.
    """
    for function, call in calls_in(ast.parse(source)):
        kind = ast.unparse(call.func)
        kind = kind if kind in kinds else kind.rpartition(".")[2]
        if kind in kinds and call.args:
            for text in _texts(call.args[0], function, constants):
                if not _SAYS_NOTHING.fullmatch(text):
                    yield Line(text, kind, module)


def _texts(node: ast.expr, function: Function | None, constants: Mapping[str, object]) -> list[str]:
    """Tell what a line may be; what only a run can tell is a gap."""
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.IfExp):
        return [*_texts(node.body, function, constants), *_texts(node.orelse, function, constants)]
    if isinstance(node, ast.JoinedStr):
        return ["".join(_part(each, function, constants) for each in node.values)]
    if isinstance(node, ast.Name):
        return [_named(node.id, function, constants)]
    return [GAP]


def _part(node: ast.expr, function: Function | None, constants: Mapping[str, object]) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    inner = node.value if isinstance(node, ast.FormattedValue) else node
    return _named(inner.id, function, constants) if isinstance(inner, ast.Name) else GAP


def _named(name: str, function: Function | None, constants: Mapping[str, object]) -> str:
    """Fill in a constant of the module, or a local name that stands for one text."""
    given = list(assigned_to(name, function)) if function else []
    if not given and isinstance(constants.get(name), str | int):
        return str(constants[name])
    texts = _texts(given[0], function, constants) if len(given) == 1 else []
    return texts[0] if len(texts) == 1 else GAP
