"""What the Makefile checks and hands on, with the real make and without the network."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def make(folder: Path, *arguments: str, path: str = "/usr/bin:/bin") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "-C", str(folder), *arguments], env={"PATH": path}, capture_output=True, text=True, check=False
    )


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A fresh clone, as far as the Makefile looks."""
    folder = tmp_path / "a clone"
    (folder / "producer").mkdir(parents=True)
    for name in ("Makefile", "requirements.lock", "pyproject.toml", "producer/pyproject.toml"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def contents(folder: Path) -> set[str]:
    return {str(each.relative_to(folder)) for each in folder.rglob("*")}


@pytest.mark.parametrize("goal", ["run", "demo", "test", "install"])
@pytest.mark.parametrize("version", ["3.10.13", "3.9.2", "3.1.4", "2.7.18"])
def test_a_python_below_3_11_is_named_before_anything_is_made(
    goal: str, version: str, clone: Path, tmp_path: Path
) -> None:
    script(tmp_path / "bin" / "python3", f'[ "$1" = --version ] && echo Python {version} || exit 7')
    before = contents(clone)
    done = make(clone, goal, path=f"{tmp_path / 'bin'}:/usr/bin:/bin")
    assert done.returncode != 0
    (line,) = [each for each in done.stderr.splitlines() if not each.startswith("make: ")]
    assert line.startswith(f"f2b needs Python 3.11 or newer; python3: Python {version}. ")
    assert "PYTHON=" in line
    assert contents(clone) == before


def test_a_python_that_is_not_there_is_named_too(clone: Path) -> None:
    done = make(clone, "install", "PYTHON=no-such-python")
    assert done.returncode != 0
    assert "f2b needs Python 3.11 or newer; no-such-python: " in done.stderr
    assert not (clone / ".venv").exists()


@pytest.mark.parametrize("version", ["3.11.0", "3.12.1+", "3.20.0rc1", "4.0.0"])
def test_a_newer_python_passes(version: str, clone: Path, tmp_path: Path) -> None:
    script(
        tmp_path / "bin" / "python3", f'[ "$1" = --version ] && echo Python {version} || {{ echo "$@"; exit 7; }}'
    )
    done = make(clone, "install", path=f"{tmp_path / 'bin'}:/usr/bin:/bin")
    assert done.stdout.splitlines()[-1:] != []
    assert "needs Python" not in done.stderr
    assert "-m venv .venv" in done.stdout


@pytest.fixture
def installed(clone: Path) -> Path:
    """A clone whose Python says with what it is called."""
    script(clone / ".venv" / "bin" / "python", 'for each; do echo "<$each>"; done')
    script(clone / ".venv" / "bin" / "uv", "")
    (clone / ".venv" / ".installed").touch()
    return clone


def test_make_run_hands_the_port_on(installed: Path) -> None:
    assert "<--port>" not in make(installed, "run").stdout
    assert "<--port>\n<8123>\n" in make(installed, "run", "PORT=8123").stdout
    assert "<--dashboard-port>\n<8124>\n" in make(installed, "run", "DASHBOARD=8124").stdout


@pytest.mark.parametrize(
    "name", ["plain.ndjson", "with two  spaces.ndjson", "it's.ndjson", 'a "b" & (c); d.ndjson']
)
def test_make_demo_hands_the_path_on_as_it_is(name: str, installed: Path) -> None:
    assert f"<--data>\n</tmp/{name}>\n" in make(installed, "demo", f"DATA=/tmp/{name}").stdout
    assert f"\n</tmp/{name}>\n" in make(installed, "bench-judge", f"DATA=/tmp/{name}").stdout
