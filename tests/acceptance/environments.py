"""Empty environments, and what is installed there: as somebody has it without a checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from localstack.pythons import NEWEST_MINOR, OLDEST_MINOR, find_python
from tests.conftest import skip_or_fail

if TYPE_CHECKING:
    from collections.abc import Mapping

PYTHONS = {
    f"3.{minor}": python
    for minor in range(OLDEST_MINOR, NEWEST_MINOR + 1)
    if (python := find_python(minor)) is not None
}
UV = Path(sys.executable).with_name("uv")


def uv(*arguments: str | Path, cwd: Path) -> str:
    """Run uv, and return what it complains of."""
    if not UV.exists():
        skip_or_fail(f"no uv beside {sys.executable}: make install")
    done = subprocess.run([UV, *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    return done.stderr if done.returncode else ""


def empty_environment(folder: Path, python: str | Path) -> Path:
    """Make an environment for that Python, and return the folder of its commands."""
    assert uv("venv", "--quiet", "--python", python, folder / "env", cwd=folder) == ""
    return folder / "env" / "bin"


def install(bin_folder: Path, *what: str | Path) -> None:
    complaint = uv("pip", "install", "--quiet", "--python", bin_folder / "python", *what, cwd=bin_folder)
    if complaint:  # a laptop may be offline
        skip_or_fail(complaint)


def ran(
    command: Path, *arguments: str | Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command that sees neither the checkout nor settings of whoever tests it."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("F2B_", "PYTHON", "AWS_"))}
    return subprocess.run(
        [command, *arguments],
        cwd=command.parents[2],
        env=kept | dict(environment or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def output(command: Path, *arguments: str | Path) -> str:
    """Run a command that must do well, and return what it says."""
    done = ran(command, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout
