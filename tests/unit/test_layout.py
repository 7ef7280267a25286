"""The layout keeps what it promises: who may know AWS, what the domain does without, and no circles of imports."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import grimp
import pytest
from importlinter.adapters.user_options import TomlFileUserOptionReader
from importlinter.configuration import configure
from importlinter.contracts.forbidden import ForbiddenContract

if TYPE_CHECKING:
    from collections.abc import Iterator

configure()  # as its command does before anything else

ROOT = Path(__file__).resolve().parents[2]
AWS_CONTRACT = "Only adapters know AWS"
PRODUCER_CONTRACT = (
    "Of the producer the worker knows the reader of logs, and nothing else: they share the wire format"
)
DOMAIN_CONTRACT = "The domain is pure: no I/O, no clock, no AWS, no framework"


def modules_of(package: Path) -> Iterator[str]:
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


WORKER = list(modules_of(ROOT / "worker" / "f2b_worker"))
OUTSIDE_ADAPTERS = [name for name in WORKER if not name.startswith("f2b_worker.adapters")]
DOMAIN = [name for name in WORKER if name.startswith("f2b_worker.domain")]


@cache
def imports() -> grimp.ImportGraph:
    return grimp.build_graph("f2b_worker", "f2b_producer", include_external_packages=True)


@cache
def contract(name: str) -> ForbiddenContract:
    """Make one contract of pyproject.toml, as `make lint` does."""
    settings = TomlFileUserOptionReader().read_options(str(ROOT / "pyproject.toml"))
    assert settings
    (options,) = [each for each in settings.contracts_options if each["name"] == name]
    return ForbiddenContract(name, session_options=settings.session_options, contract_options=options)


def is_kept(name: str, *, importer: str, imported: str) -> bool:
    """Tell whether a contract would be kept if *importer* imported that as well."""
    graph = deepcopy(imports())  # a contract takes the imports that it ignores out of it
    if imported not in graph.modules:
        graph.add_module(imported, is_squashed=True)
    graph.add_import(importer=importer, imported=imported)
    return contract(name).check(graph, verbose=False).kept


@pytest.mark.parametrize("module", OUTSIDE_ADAPTERS)
def test_lint_refuses_boto3_in_every_module_outside_the_adapters(module: str) -> None:
    assert not is_kept(AWS_CONTRACT, importer=module, imported="boto3")


@pytest.mark.parametrize("module", DOMAIN)
def test_lint_refuses_a_clock_in_every_module_of_the_domain(module: str) -> None:
    assert not is_kept(DOMAIN_CONTRACT, importer=module, imported="time")


@pytest.mark.parametrize(
    ("imported", "kept"), [("f2b_producer._client", False), ("f2b_producer", False), ("f2b_producer.logs", True)]
)
def test_of_the_producer_the_worker_may_import_the_reader_of_logs_alone(imported: str, kept: bool) -> None:
    assert is_kept(PRODUCER_CONTRACT, importer="f2b_worker.offline.replay", imported=imported) is kept


def test_adapters_may_import_boto3() -> None:
    assert is_kept(AWS_CONTRACT, importer="f2b_worker.adapters.aws", imported="boto3")


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = grimp.build_graph("f2b_worker", "f2b_producer")
    assert [circle for circle in circles(graph) if len(circle) > 1] == []


def circles(graph: grimp.ImportGraph) -> Iterator[list[str]]:
    """Find the modules that reach themselves: take away, again and again, each that imports none of those left."""
    left = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    while left:
        ends = [name for name, used in left.items() if not used & left.keys()]
        for name in ends:
            del left[name]
        if not ends:
            yield sorted(left)
            return
