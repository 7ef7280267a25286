"""Our own limits: whoever passes one has a module or a function that does two things."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("worker", "producer", "localstack", "demo", "benchmarks", "tests")
MODULE_LINES_MAX = 500
FUNCTION_LINES_MAX = 60


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_module_is_longer_than_500_lines_and_no_function_than_60(folder: str) -> None:
    too_long = [
        f"{path.relative_to(ROOT)}: {what}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        for what in too_long_in(path.read_text("utf-8"))
    ]

    assert too_long == []


def too_long_in(source: str) -> list[str]:
    found = []
    if source.count("\n") > MODULE_LINES_MAX:
        found.append(f"{source.count(chr(10))} lines")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines = (node.end_lineno or 0) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                found.append(f"{node.name}: {lines} lines")
    return found


def test_the_check_notices_what_is_too_long() -> None:
    body = "    pass\n" * 60
    assert too_long_in(f"def f():\n{body}") == ["f: 61 lines"]
    assert too_long_in("x = 1\n" * 501) == ["501 lines"]
