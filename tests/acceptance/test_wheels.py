"""The wheels, as somebody has them without a checkout: in an empty environment, each command runs."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from tests.acceptance.environments import empty_environment, install, output, uv
from tests.conftest import ROOT

LICENSE = (ROOT / "LICENSE").read_bytes()
INFRACTIONS = "".join(f'{{"ip": "203.0.113.7", "time": {at}}}\n' for at in (1, 2, 3))


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both, by package, as `make wheels` builds them."""
    folder = tmp_path_factory.mktemp("dist")
    assert uv("build", "--quiet", "--all-packages", "--wheel", "--out-dir", folder, cwd=ROOT) == ""
    return {path.name.partition("-")[0]: path for path in folder.glob("*.whl")}


@pytest.fixture
def bin_folder(tmp_path: Path) -> Path:
    """The commands of an empty environment."""
    return empty_environment(tmp_path, sys.executable)


def content(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def test_both_wheels_carry_the_licence_and_their_types(wheels: dict[str, Path]) -> None:
    assert wheels.keys() == {"f2b_producer", "f2b_worker"}
    for package, wheel in wheels.items():
        files = content(wheel)
        assert [text for name, text in files.items() if name.endswith("/licenses/LICENSE")] == [LICENSE]
        assert f"{package}/py.typed" in files
        assert {name.partition("/")[0].partition("-")[0] for name in files} == {package}


def test_the_workers_wheel_carries_the_file_to_start_from(wheels: dict[str, Path]) -> None:
    text = (ROOT / "worker" / "f2b_worker" / "config" / "f2b.toml").read_bytes()
    assert content(wheels["f2b_worker"])["f2b_worker/config/f2b.toml"] == text


def test_the_producer_runs_alone(wheels: dict[str, Path], bin_folder: Path) -> None:
    install(bin_folder, wheels["f2b_producer"])
    assert "usage: f2b-report" in output(bin_folder / "f2b-report", "--help")
    assert "203.0.113.7" in output(bin_folder / "f2b-report", "203.0.113.7", "--dry-run")
    told = output(bin_folder / "python", "-c", "import f2b_producer as f2b; print(f2b.__version__, f2b.__file__)")
    assert told.split()[0] in wheels["f2b_producer"].name
    assert Path(told.split()[1]).is_relative_to(bin_folder.parent)


def test_the_worker_and_the_shim_run(wheels: dict[str, Path], bin_folder: Path, tmp_path: Path) -> None:
    install(bin_folder, f"{wheels['f2b_worker']}[shim]", wheels["f2b_producer"])
    worker = bin_folder / "f2b-worker"
    assert "Usage: f2b-worker" in output(worker, "--help")
    assert "Usage: f2b-shim" in output(bin_folder / "f2b-shim", "--help")
    assert "uvicorn" in output(bin_folder / "python", "-c", "import f2b_worker.shim.serve as s; print(s.uvicorn)")
    operator = bin_folder / "f2b"
    output(operator, "init", tmp_path / "f2b.toml")
    (tmp_path / "attack.ndjson").write_text(INFRACTIONS, "utf-8")
    told = output(operator, "replay", tmp_path / "attack.ndjson", "--maxretry", "3")
    assert "203.0.113.7" in told
    assert "default" in output(operator, "check", "--config", tmp_path / "f2b.toml")


def test_the_producers_copy_of_the_licence_is_the_licence() -> None:
    assert (ROOT / "producer" / "LICENSE").read_bytes() == LICENSE
