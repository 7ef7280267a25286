"""The units of deploy/systemd: systemd finds nothing wrong, and the commands need nothing that they forbid."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.fleet import BIN, NAME, Fleet, eventually, free_port
from tests.conftest import ROOT, skip_or_fail
from tests.deploy.command_lines import understood
from tests.deploy.units import Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from localstack.local_aws import LocalAws

FOLDER = ROOT / "deploy" / "systemd"
NAMES = sorted(path.name for path in FOLDER.glob("*.service"))
SOCKETS = sorted(path.name for path in FOLDER.glob("*.socket"))
INSTALLED = "/opt/f2b/bin"
EXPOSURE_MAX = 1.2
"""Of 10 by `systemd-analyze security`; docs/how-to/systemd.md says it, too. What is left is mostly the network."""
OF_ONE_ALONE = {"Description", "EnvironmentFile", "Environment", "ExecStartPre", "ExecStart", "ExecReload"}
OF_ONE_ALONE |= {"Wants", "TimeoutStartSec", "StateDirectory", "StateDirectoryMode"}
TRIES = """
import ctypes, errno, mmap, os, socket, sys
own, elsewhere = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)

def mount():
    if libc.mount(b"none", own.encode(), b"tmpfs", 0, None):
        raise OSError(ctypes.get_errno(), "mount")

for name, do in {
    "own-folder": lambda: open(own + "/file", "w").close(),
    "elsewhere": lambda: open(elsewhere + "/file", "w").close(),
    "chown": lambda: os.chown(own + "/file", 1, 1),
    "written-and-run": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC),
    "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "mount": mount,
    "priority": lambda: os.nice(5),
}.items():
    try:
        do()
        print(name + ":yes")
    except OSError as error:
        print(name + ":" + errno.errorcode[error.errno])
"""
EACH = pytest.mark.parametrize("name", NAMES)


def unit(name: str) -> Unit:
    return Unit(FOLDER / name)


def analyzed(*arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        skip_or_fail("no systemd-analyze: install Debian's package systemd")
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)


def installed(name: str, folder: Path, text: str | None = None) -> str:
    """Put a unit where its commands are: those of this test's Python."""
    path = folder / name
    path.write_text((text or (FOLDER / name).read_text()).replace(INSTALLED, str(BIN)))
    return str(path)


@EACH
def test_systemd_finds_nothing_wrong_in_a_unit(name: str, tmp_path: Path) -> None:
    done = analyzed("verify", "--man=no", installed(name, tmp_path))

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("name", SOCKETS)
def test_systemd_finds_nothing_wrong_in_a_socket_and_its_service_wants_it(name: str, tmp_path: Path) -> None:
    service = name.replace(".socket", ".service")
    paths = [installed(each, tmp_path) for each in (name, service)]

    done = analyzed("verify", "--man=no", *paths)

    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert name in unit(service).all("Wants")


@pytest.mark.parametrize("name", SOCKETS)
def test_a_socket_listens_for_this_host_alone_at_the_port_of_its_services_example(name: str) -> None:
    variables = unit(name.replace(".socket", ".service")).environment()

    assert unit(name).one("ListenStream") == f"{variables['F2B_HOST']}:{variables['F2B_PORT']}"


def test_a_key_that_is_misspelt_and_a_command_that_is_missing_are_noticed(tmp_path: Path) -> None:
    text = (FOLDER / "f2b-shim.service").read_text()
    text = text.replace("RestartSec=", "RestartSecs=").replace("bin/f2b-shim", "bin/f2b-shin")

    done = analyzed("verify", "--man=no", installed("f2b-shim.service", tmp_path, text))

    assert "RestartSecs" in done.stderr
    assert "f2b-shin" in done.stderr


@EACH
def test_a_unit_is_hardly_exposed_by_systemds_own_measure(name: str, tmp_path: Path) -> None:
    path = installed(name, tmp_path)
    done = analyzed("security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE_MAX * 10:.0f}", path)

    (exposure,) = re.findall(r"exposure level for \S+: (\d+\.\d)", done.stdout)
    assert done.returncode == 0, f"{exposure} of 10"
    assert float(exposure) <= EXPOSURE_MAX
    assert f"Each of these has {EXPOSURE_MAX}" in (ROOT / "docs/how-to/systemd.md").read_text()


@EACH
def test_every_command_of_a_unit_is_understood_with_the_variables_that_it_has(name: str, tmp_path: Path) -> None:
    (tmp_path / "f2b.toml").write_text("[defaults]\nmaxretry = 5\n")
    environment = {
        key: value.replace("/etc/f2b", str(tmp_path)) for key, value in unit(name).environment().items()
    }

    for command in unit(name).commands("ExecStartPre") + unit(name).commands("ExecStart"):
        assert command[0].startswith(f"{INSTALLED}/f2b")
        settings = understood(command, environment)
        assert settings.standalone if name == "f2b-standalone.service" else settings.queue == "f2b"


@EACH
def test_the_example_of_the_variables_lets_nobody_in_from_outside_and_has_no_secret(name: str) -> None:
    variables = unit(name).environment()

    assert not {"F2B_TOKEN", "AWS_SECRET_ACCESS_KEY"} & variables.keys()
    assert "F2B_PORT" not in variables or variables["F2B_HOST"] == "127.0.0.1"
    assert "F2B_METRICS_HOST" not in variables


@EACH
def test_a_unit_is_started_again_but_not_where_the_next_start_would_end_in_the_same_way(name: str) -> None:
    one = unit(name)
    page = (ROOT / "docs/operations.md").read_text()
    codes = re.findall(r"^\| (\d) \| (?:wrong usage|cannot start)", page, re.MULTILINE)

    assert one.one("Restart") == "always"
    assert one.words("RestartPreventExitStatus") == codes
    assert one.one("StartLimitIntervalSec") == "0", "it would give up while AWS is away"


@EACH
def test_the_page_says_of_a_step_before_the_start_that_it_is_tried_again_for_ever(name: str) -> None:
    # systemd holds RestartPreventExitStatus against the exit code of the main process alone (systemd.service(5)).
    first = [" ".join(command).removeprefix(f"{INSTALLED}/") for command in unit(name).commands("ExecStartPre")]
    page = " ".join((ROOT / "docs/how-to/systemd.md").read_text().split())
    told = re.findall(
        rf"`{name}` first runs `([^`]+)`, its `ExecStartPre`. Where that fails, systemd tries again for", page
    )

    assert told == first


@EACH
def test_a_unit_waits_longer_than_the_worst_stop_takes(name: str) -> None:
    (worst_s,) = re.findall(r"0 after (\d+\.\d) s", (ROOT / "docs/operations.md").read_text())

    assert unit(name).seconds("TimeoutStopSec") > float(worst_s)
    assert (unit(name).one("KillSignal"), unit(name).one("KillMode")) == ("SIGTERM", "mixed")


def test_all_units_forbid_the_same() -> None:
    """So it is enough to run one of them confined."""
    lines = [
        [line for line in (FOLDER / name).read_text().splitlines() if line.partition("=")[0] not in OF_ONE_ALONE]
        for name in NAMES
    ]
    first, *others = [[line for line in each if line and line[0] != "#"] for each in lines]

    assert len(first) > 30
    assert others == [first] * (len(NAMES) - 1)


@pytest.fixture
def state() -> Iterator[Path]:
    """The one folder that can be written, as that of StateDirectory=."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="f2b-state-") as folder:
        yield Path(folder)


@pytest.fixture
def fleet(aws_in_process: LocalAws, account: str, state: Path) -> Iterator[Fleet]:
    """Two IP sets, jails, and no worker."""
    aws_in_process.edge.set_waf_rate(None)
    jails = state / "f2b.toml"
    jails.write_text("[defaults]\nmaxretry = 2\n")
    with Fleet(aws_in_process, jails, account=account) as fleet:
        for family in ("IPV4", "IPV6"):
            name = f"{NAME}-{family.lower()}"
            fleet.waf.create_ip_set(Name=name, Scope="REGIONAL", IPAddressVersion=family, Addresses=[])
        yield fleet


@contextmanager
def confined(one: Unit, state: Path, environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run what a unit starts as the unit confines it, with the state in a folder of this test's."""
    if os.geteuid() != 0:
        skip_or_fail("only root can confine a process as systemd does")
    (command,) = one.commands("ExecStart")
    command = [each.replace(INSTALLED, str(BIN)).replace("/var/lib/f2b", str(state)) for each in command]
    confine = [sys.executable, "-m", "tests.deploy.confined", str(one.path), str(state), "--", *command]
    unshare = ["unshare", "--mount", "--propagation", "private", *confine]
    with log.open("wb") as sink:
        process = subprocess.Popen(unshare, env=environment, stdout=sink, stderr=sink)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_standalone_mode_bans_reloads_and_stops_in_order_while_it_is_confined_as_its_unit_says(
    fleet: Fleet, state: Path, tmp_path: Path
) -> None:
    one, log, port = unit("f2b-standalone.service"), tmp_path / "log", free_port()
    own = {"F2B_CONFIG": str(state / "f2b.toml"), "F2B_PORT": str(port), "F2B_METRICS_PORT": str(free_port())}
    of_aws = {name: value for name, value in fleet.environment.items() if not name.startswith("F2B_")}
    environment = one.environment() | of_aws | own | {"PYTHONPATH": str(ROOT)}
    fleet.shim_url = f"http://127.0.0.1:{port}"
    with confined(one, state, environment, log) as process:
        eventually(lambda: fleet.get("/readyz")[0] == 200 or process.poll() is not None, "it is ready", 30)
        assert process.poll() is None, log.read_text()
        assert [fleet.get("/infraction/203.0.113.7")[0] for _ in range(2)] == [200, 200]
        eventually(lambda: "203.0.113.7/32" in fleet.ip_set_entries(), "it is banned", 30, 0.25)

        assert one.commands("ExecReload") == [["/bin/kill", "-HUP", "$MAINPID"]]
        process.send_signal(signal.SIGHUP)
        eventually(lambda: '"jails_reloaded"' in log.read_text(), "it reads the jails again", 20)

        process.send_signal(signal.Signals[one.one("KillSignal")])
        assert process.wait(one.seconds("TimeoutStopSec")) == 0, log.read_text()
    assert {path.name for path in state.glob("f2b.db*")} >= {"f2b.db"}


def test_what_a_unit_forbids_is_forbidden_to_a_process_that_is_confined(state: Path, tmp_path: Path) -> None:
    """So the test above would notice a command that needs it."""
    tries = tmp_path / "tries.py"
    tries.write_text(TRIES)
    one, log = unit("f2b-standalone.service"), tmp_path / "log"
    one.replace("ExecStart", f"{sys.executable} {tries} /var/lib/f2b {tmp_path}")

    with confined(one, state, {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}, log) as process:
        assert process.wait(30) == 0, log.read_text()

    assert log.read_text().split() == [
        "own-folder:yes",
        "elsewhere:EROFS",
        "chown:EPERM",
        "written-and-run:EPERM",
        "netlink:EAFNOSUPPORT",
        "mount:EPERM",
        "priority:yes",
    ]
