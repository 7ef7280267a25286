"""What can be imported from outside: `__all__` names it, and all that it names is there and explained."""

from __future__ import annotations

import ast
import functools
import importlib
import itertools
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import f2b_producer
import f2b_worker
import f2b_worker.testing

FOLDERS = {package.__name__: Path(str(package.__file__)).parent for package in (f2b_producer, f2b_worker)}
COMMANDS = {"f2b_producer.report"}


def files(package: str) -> dict[str, Path]:
    """Find all modules of a package, by name."""
    folder = FOLDERS[package]
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder.parent).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


FILES = {package: files(package) for package in FOLDERS}
MODULES = FILES["f2b_producer"] | FILES["f2b_worker"]


@functools.cache
def source(module: str) -> ast.Module:
    """Parse a module, which is not done to find the tests: to parse all takes a second."""
    return ast.parse(MODULES[module].read_text("utf-8"))


def assigned(node: ast.stmt) -> list[str]:
    """Name the constants that a statement makes."""
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign):
        targets = [node.target]
    return [each.id for each in targets if isinstance(each, ast.Name)]


def defined(source: ast.Module) -> set[str]:
    """Name all that is public and made here; what is imported and not used, ruff finds."""
    names: set[str] = set()
    for node in source.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            names.add(node.name)
        names.update(assigned(node))
    return {name for name in names if not name.startswith("_")} - {"TYPE_CHECKING"}


def explained_constants(source: ast.Module) -> set[str]:
    """Name those with a text right behind them."""
    return {
        name
        for node, after in itertools.pairwise(source.body)
        for name in assigned(node)
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
    }


def is_for_others(module: str) -> bool:
    """Whatever has no underscore in the producer, but for the parts of `logs`; in the worker what says so."""
    if module.startswith("f2b_producer"):
        return not any(part in module for part in ("._", ".logs.")) and module not in COMMANDS
    if "__all__" not in MODULES[module].read_text("utf-8"):
        return False
    return any("__all__" in assigned(node) for node in source(module).body)


@functools.cache
def explained_in(package: str) -> set[str]:
    """Name all constants of a package that have a text right behind them."""
    return set[str]().union(*map(explained_constants, map(source, FILES[package])))


FOR_OTHERS = [module for module in MODULES if is_for_others(module)]


def test_the_packages_for_others_are_looked_at() -> None:
    assert set(FOR_OTHERS) >= {
        *("f2b_producer", "f2b_producer.asgi", "f2b_producer.django", "f2b_producer.testing", "f2b_producer.wsgi"),
        *("f2b_worker.enforcer", "f2b_worker.testing"),
    }


@pytest.mark.parametrize("module", FOR_OTHERS)
def test_all_that_a_module_names_is_there_once_and_explained(module: str) -> None:
    found = importlib.import_module(module)
    named: list[str] = found.__all__
    assert len(set(named)) == len(named)
    for name in named:
        value = getattr(found, name)
        # An alias of a type is called by nobody, and has a text behind it as a constant has.
        is_explained = (callable(value) and value.__doc__) or name in explained_in(module.partition(".")[0])
        assert is_explained, f"{name} is not explained"


@pytest.mark.parametrize("module", FOR_OTHERS)
def test_a_module_names_all_that_is_public_in_it(module: str) -> None:
    assert defined(source(module)) <= set(importlib.import_module(module).__all__)


def test_every_twin_can_be_imported_from_the_package_of_twins() -> None:
    modules = [source(name) for name in MODULES if name.startswith("f2b_worker.testing")]
    assert set[str]().union(*map(defined, modules)) == set(f2b_worker.testing.__all__)


@pytest.mark.parametrize(("package", "distribution"), [(f2b_producer, "f2b-producer"), (f2b_worker, "f2b-worker")])
def test_a_package_knows_its_version(package: object, distribution: str) -> None:
    assert getattr(package, "__version__", None) == version(distribution)
    assert not hasattr(package, "__versoin__")


@pytest.mark.parametrize("package", FOLDERS)
def test_the_version_is_looked_up_only_when_it_is_asked_for(package: str) -> None:
    code = f"import sys; sys.path[:] = {sys.path!r}; import {package}; print('importlib.metadata' in sys.modules)"
    told = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "False\n"
