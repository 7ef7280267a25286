"""The wheels, as somebody has them without a checkout: in an empty environment, each command runs."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.fleet import NAME, eventually, free_port
from tests.acceptance.environments import PYTHONS, empty_environment, install, output, ran, uv
from tests.conftest import ROOT

if TYPE_CHECKING:
    from demo.fleet import Fleet

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


@pytest.mark.parametrize("python", PYTHONS)
def test_on_every_python_the_wheels_carry_a_fleet_and_a_host(
    python: str, wheels: dict[str, Path], fleet: Fleet, tmp_path: Path
) -> None:
    folder = empty_environment(tmp_path, PYTHONS[python])
    install(folder, f"{wheels['f2b_worker']}[shim]", wheels["f2b_producer"])
    for package in wheels:
        where = output(folder / "python", "-c", f"import {package}; print({package}.__file__)")
        assert Path(where.strip()).is_relative_to(folder.parent)
    _a_file_is_judged(folder, tmp_path)
    _a_fleet_bans(folder, fleet)
    _a_host_bans(folder, fleet, tmp_path)


def _a_file_is_judged(folder: Path, tmp_path: Path) -> None:
    output(folder / "f2b", "init", tmp_path / "jails.toml")
    assert "default" in output(folder / "f2b", "check", "--config", tmp_path / "jails.toml")
    (tmp_path / "attack.ndjson").write_text(INFRACTIONS, "utf-8")
    told = output(folder / "f2b", "replay", tmp_path / "attack.ndjson", "--maxretry", "3")
    assert "203.0.113.7" in told


def _a_fleet_bans(folder: Path, fleet: Fleet) -> None:
    fleet.start_shim(program=(str(folder / "f2b-shim"),))
    worker = fleet.start_worker(program=(str(folder / "f2b-worker"),))
    for _ in range(2):
        assert fleet.get("/infraction/203.0.113.7")[0] == 200
    queue = fleet.sqs.get_queue_url(QueueName=NAME)["QueueUrl"]
    said = ran(folder / "f2b-report", "203.0.113.7", "--queue", queue, environment=fleet.environment)
    assert (said.returncode, said.stderr) == (0, "")
    eventually(lambda: "203.0.113.7/32" in fleet.ip_set_entries(), "the address is in its IP set", 30, 0.2)
    listed = ran(folder / "f2b", "list", "--table", NAME, "--ip-set", NAME, environment=fleet.environment)
    assert (listed.returncode, "203.0.113.7" in listed.stdout) == (0, True), listed.stderr
    worker.terminate()
    assert worker.wait(12) == 0


def _a_host_bans(folder: Path, fleet: Fleet, tmp_path: Path) -> None:
    port, state = free_port(), tmp_path / "f2b.db"
    command = [str(folder / "f2b-worker"), "--standalone", "--state", str(state), "--host", "127.0.0.1"]
    host = fleet._start([*command, "--port", str(port), "--config", str(tmp_path / "f2b.toml")], None)
    fleet.workers.append(host)
    fleet.shim_url = f"http://127.0.0.1:{port}"
    eventually(lambda: fleet.get("/readyz")[0] == 200, "it is ready", 30)
    for _ in range(3):
        assert fleet.get("/infraction/203.0.113.9")[0] == 200
    banned = (folder / "f2b", "banned", "203.0.113.9", "--state", state)
    eventually(lambda: ran(*banned).returncode == 0, "the address is banned", 20, 0.2)
    host.terminate()
    assert host.wait(12) == 0


def test_wheels_and_sdists_are_the_same_bytes_whoever_builds_them_when_and_where(tmp_path: Path) -> None:
    first, second = (_built(tmp_path / name) for name in ("first", "second"))
    assert len(first) == 4
    assert first == second
    for sdist in (tmp_path / "first" / "dist").glob("*.tar.gz"):
        folder = tmp_path / sdist.name.partition("-")[0]
        assert uv("build", "--quiet", "--wheel", sdist, "--out-dir", folder, cwd=tmp_path) == ""
        (wheel,) = folder.glob("*.whl")
        assert (wheel.name, wheel.read_bytes()) in first.items()


def _built(folder: Path) -> dict[str, bytes]:
    """Build a copy of what git keeps, whose files have another age and other modes than these."""
    for name in subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True).split("\0")[:-1]:
        copy = folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((ROOT / name).read_bytes())
        copy.chmod(0o600 if folder.name == "first" else 0o664)
        os.utime(copy, (len(folder.name) * 1e8,) * 2)
    assert uv("build", "--quiet", "--all-packages", "--out-dir", folder / "dist", cwd=folder) == ""
    return {each.name: each.read_bytes() for each in (folder / "dist").glob("f2b_*")}


def test_both_distributions_are_of_one_version() -> None:
    files = (ROOT / "pyproject.toml", ROOT / "producer" / "pyproject.toml")
    assert len({tomllib.loads(each.read_text("utf-8"))["project"]["version"] for each in files}) == 1


def test_the_producers_copy_of_the_licence_is_the_licence() -> None:
    assert (ROOT / "producer" / "LICENSE").read_bytes() == LICENSE
