"""The producer's wheel on every Python from 3.11 on that is here, with every warning an error.

`python -m localstack.pythons` says on which it is not tried, because they are not here.
"""

from __future__ import annotations

import re
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.environments import PYTHONS, empty_environment, install, ran, uv
from tests.conftest import ROOT
from tests.servers.local_queue import LocalQueue

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AT_AWS = "https://sqs.eu-west-1.amazonaws.com/123456789012/f2b"
STRICT = {"PYTHONDEVMODE": "1", "PYTHONWARNINGS": "error"}
# An old release may call what a Python that is newer than it has deprecated.
STRICT_BUT_OLD = {"PYTHONDEVMODE": "1", "PYTHONWARNINGS": "error,ignore::DeprecationWarning"}

IMPORT_ALL = """
import importlib, pkgutil, sys
import f2b_producer
for module in pkgutil.walk_packages(f2b_producer.__path__, "f2b_producer."):
    if module.name != "f2b_producer.django":  # it needs Django
        importlib.import_module(module.name)
assert f2b_producer.__file__.startswith(sys.prefix), f2b_producer.__file__
"""

REPORT = """
import sys
from f2b_producer import Producer
f2b = Producer(sys.argv[1])
assert f2b.warm_up()
f2b.report("203.0.113.7", jail="login", note="flushed")
assert f2b.flush(), f2b.health()
f2b.report("203.0.113.7", jail="login", note="at exit")
"""

WITH_A_CLIENT_OF_ITS_OWN = """
from f2b_producer import Producer
from f2b_producer.testing import RecordingClient
queue = RecordingClient()
with Producer("memory:", client=queue) as f2b:
    f2b.report("203.0.113.7", jail="login")
assert [seen.jail for seen in queue.infractions()] == ["login"]
"""

FORK = """
import os, sys
from f2b_producer import Producer
f2b = Producer(sys.argv[1])
assert f2b.warm_up()
if os.fork() == 0:
    f2b.report("203.0.113.7", note="child")
    os._exit(0 if f2b.close() else 1)
assert os.wait()[1] == 0
f2b.report("203.0.113.7", note="parent")
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the sdist, and the wheel that is built from nothing else."""
    folder = tmp_path_factory.mktemp("dist")
    assert uv("build", "--quiet", "--package", "f2b-producer", "--out-dir", folder, cwd=ROOT) == ""
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (found,) = built.glob("f2b_producer-*.whl")
    return found


@pytest.fixture(params=PYTHONS)
def bin_folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The commands of an empty environment of each Python."""
    return empty_environment(tmp_path, PYTHONS[request.param])


@pytest.fixture
def queue() -> Iterator[LocalQueue]:
    with LocalQueue() as queue:
        yield queue


def ended_well(bin_folder: Path, *command: str, environment: dict[str, str]) -> None:
    """Run a command that must say nothing, not even a warning."""
    done = ran(bin_folder / command[0], *command[1:], environment=environment)
    assert (done.returncode, done.stderr) == (0, "")


def test_this_python_is_among_those_that_are_tried() -> None:
    assert f"3.{sys.version_info.minor}" in PYTHONS


def test_with_boto3_it_reports_to_sqs_and_no_warning_is_told(
    wheel: Path, bin_folder: Path, queue: LocalQueue
) -> None:
    install(bin_folder, f"{wheel}[aws]")
    environment = STRICT | queue.environment
    ended_well(bin_folder, "python", "-c", IMPORT_ALL, environment=environment)
    ended_well(bin_folder, "python", "-c", REPORT, queue.url, environment=environment)
    command = ("f2b-report", "203.0.113.7", "--note", "by hand", "--queue", queue.url)
    ended_well(bin_folder, *command, environment=environment)
    assert queue.arrived == {"flushed": 1, "at exit": 1, "by hand": 1}


def test_alone_it_reports_with_a_client_of_the_application(wheel: Path, bin_folder: Path) -> None:
    install(bin_folder, wheel)
    ended_well(bin_folder, "python", "-c", WITH_A_CLIENT_OF_ITS_OWN, environment=STRICT)
    shown = ran(bin_folder / "f2b-report", "203.0.113.7", "--dry-run", environment=STRICT)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "203.0.113.7" in shown.stdout


def test_alone_it_says_what_to_install_for_sqs(wheel: Path, bin_folder: Path) -> None:
    install(bin_folder, wheel)
    command = f"203.0.113.7 --queue {AT_AWS} --timeout 3".split()
    done = ran(bin_folder / "f2b-report", *command, environment=STRICT)
    assert done.returncode == 1
    assert "boto3 is not installed: pip install boto3" in done.stderr


def test_the_lowest_boto3_that_it_allows_does(wheel: Path, bin_folder: Path, queue: LocalQueue) -> None:
    install(bin_folder, wheel, f"boto3=={lowest_boto3(wheel)}")
    ended_well(bin_folder, "python", "-c", REPORT, queue.url, environment=STRICT_BUT_OLD | queue.environment)
    assert queue.arrived == {"flushed": 1, "at exit": 1}


def test_a_parent_that_made_and_warmed_up_its_producer_forks_without_a_warning(
    wheel: Path, bin_folder: Path, queue: LocalQueue
) -> None:
    """From 3.12 on Python warns of a fork while another thread runs; there is none before the first report."""
    install(bin_folder, f"{wheel}[aws]")
    # Not as an error, which Python itself swallows in a fork.
    environment = {"PYTHONDEVMODE": "1"} | queue.environment
    ended_well(bin_folder, "python", "-c", FORK, queue.url, environment=environment)
    assert queue.arrived == {"child": 1, "parent": 1}


def test_the_sdist_can_be_installed(built: Path, bin_folder: Path) -> None:
    (sdist,) = built.glob("f2b_producer-*.tar.gz")
    install(bin_folder, sdist)
    ended_well(bin_folder, "python", "-c", WITH_A_CLIENT_OF_ITS_OWN, environment=STRICT)


def lowest_boto3(wheel: Path) -> str:
    """Read what the wheel itself asks for."""
    with zipfile.ZipFile(wheel) as opened:
        (name,) = (each for each in opened.namelist() if each.endswith("/METADATA"))
        found = re.search(r"^Requires-Dist: boto3>=([\d.]+)", opened.read(name).decode(), re.MULTILINE)
    assert found
    return found[1]
