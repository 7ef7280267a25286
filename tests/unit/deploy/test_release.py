"""What deploy/release.sh refuses before it builds anything."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

TAG = "v1.2.3"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A commit of the script, with linters that find nothing and a builder that says that it builds."""
    for folder in ("deploy", ".github/workflows", ".release-tools/bin", ".venv/bin"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(ROOT / "deploy" / "release.sh", tmp_path / "deploy")
    (tmp_path / "pyproject.toml").write_text('version = "1.2.3"\n')
    (tmp_path / ".gitignore").write_text("/.venv\n/.release-tools\n")
    for tool, does in {
        ".release-tools/bin/check-jsonschema": "exit 0",
        ".release-tools/bin/zizmor": "exit 0",
        ".venv/bin/uv": "echo builds; exit 42",
    }.items():
        (tmp_path / tool).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / tool).chmod(0o755)
    author = ("-c", "user.name=f2b", "-c", "user.email=f2b@example.org", "-c", "commit.gpgsign=false")
    for command in (["init", "-q"], ["add", "."], [*author, "commit", "-q", "-m", "All"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def released(checkout: Path, tag: str) -> tuple[int, str]:
    environment = {"PATH": os.environ["PATH"], "RELEASE_TAG": tag}
    done = subprocess.run(
        [checkout / "deploy" / "release.sh"], env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_a_commit_is_built_whose_version_is_that_of_the_tag(checkout: Path) -> None:
    assert released(checkout, TAG) == (42, "builds\n")


def test_a_tag_of_another_version_is_refused(checkout: Path) -> None:
    told = "release: the tag is v1.2.4 and pyproject.toml says 1.2.3: set one right\n"
    assert released(checkout, "v1.2.4") == (1, told)


@pytest.mark.parametrize(("name", "mark"), [("pyproject.toml", " M"), ("forgotten.py", "??")])
def test_a_release_of_files_that_are_not_in_its_commit_is_refused_and_a_rehearsal_is_not(
    name: str, mark: str, checkout: Path
) -> None:
    with (checkout / name).open("a") as file:
        file.write("# changed\n")

    code, told = released(checkout, TAG)

    assert code == 1
    assert told.splitlines() == [
        "release: these files are not as the commit has them: commit them, or take them away",
        f"{mark} {name}",
    ]
    assert released(checkout, "") == (42, "builds\n")
