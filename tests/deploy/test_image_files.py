"""What the image is built of: locked, by hash, and nothing else of the repository."""

from __future__ import annotations

import re
from importlib.metadata import requires
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT
from tests.deploy.image import DEBIAN, INPUTS

if TYPE_CHECKING:
    from collections.abc import Iterable

EXTRAS = frozenset({"geo", "shim"})
DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text("utf-8")
_ENTRY = re.compile(r"^([\w.-]+)==([^\\\n]+?) \\\n((?:    --hash=\S+(?: \\)?\n)+)", re.MULTILINE)


def locked(name: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Read a file of requirements: version, with its marker, and hashes by package."""
    entries = _ENTRY.findall((ROOT / name).read_text("utf-8"))
    return {
        package: (version, frozenset(re.findall(r"sha256:[0-9a-f]{64}", hashes)))
        for package, version, hashes in entries
    }


def needed(package: str, extras: Iterable[str]) -> set[str]:
    """Name what a package needs here, however far down."""
    found: set[str] = set()
    for each in map(Requirement, requires(package) or ()):
        name = canonicalize_name(each.name)
        if name not in found and any(each.marker is None or each.marker.evaluate({"extra": e}) for e in extras):
            found |= {name} | needed(name, each.extras or {""})
    return found


def test_the_image_installs_the_versions_of_the_lock_by_hashes_of_the_lock() -> None:
    ours, all_of_them = locked("deploy/requirements.txt"), locked("requirements.lock")
    assert len(ours) > 10
    for name, (version, hashes) in ours.items():
        assert version == all_of_them[name][0], name
        assert hashes, name
        assert hashes <= all_of_them[name][1], name


def test_the_image_installs_what_worker_shim_and_countries_need_and_nothing_else() -> None:
    assert locked("deploy/requirements.txt").keys() == needed("f2b-worker", EXTRAS) - {"f2b-producer"}


def test_the_image_is_built_by_the_uv_of_the_makefile() -> None:
    (asked,) = re.findall(r"^UV_VERSION := (\S+)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    ((name, (version, hashes)),) = locked("deploy/uv.txt").items()
    assert (name, version) == ("uv", asked)
    assert hashes


def test_each_stage_starts_from_the_one_base_and_that_is_pinned_by_its_digest() -> None:
    (base,) = re.findall(r"^ARG PYTHON=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert re.fullmatch(r"python:3\.\d+-slim@sha256:[0-9a-f]{64}", base)
    assert {line.split()[1] for line in DOCKERFILE.splitlines() if line.startswith("FROM ")} == {"${PYTHON}"}
    assert f"-slim-{DEBIAN}." in DOCKERFILE, "the tests' base is of the same release of Debian"


def test_the_build_sees_what_it_copies_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    let_through = {line[1:] for line in lines if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    assert {name for names in copied for name in names.split()} == let_through
    assert set(INPUTS) == let_through | {".dockerignore", "deploy/Dockerfile"}


@pytest.mark.parametrize("word", ["index-url", "INDEX_URL", "http://", "https://", "trusted-host", "curl", "wget"])
def test_the_dockerfile_asks_nobody_but_the_default_index(word: str) -> None:
    assert word not in DOCKERFILE
