"""The image of deploy/Dockerfile, built and run: as nobody, with a read-only root, on the local AWS."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.fleet import NAME, Fleet, eventually, free_port, get
from demo.prove import CONFIG, RULES, compared, running_entries
from tests.deploy.attacked import judged_attack
from tests.deploy.containers import Container
from tests.deploy.image import BASE, REVISION, Image, built, version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from localstack.local_aws import LocalAws

MB = 1_000_000
SIZE_MAX_MB = 130
"""Our goal for what the image adds to the base; docs/how-to/image.md says what it is."""

NAMES = {"F2B_QUEUE": NAME, "F2B_TABLE": NAME, "F2B_IP_SET": NAME, "F2B_CONFIG": "/mnt/f2b.toml"}
READ_ONLY = "Read-only file system"


@pytest.fixture(scope="module")
def image() -> Image:
    return built()


@pytest.fixture
def start(image: Image, local_aws: LocalAws, account: str, tmp_path: Path) -> Iterator[Callable[..., Container]]:
    """Start a command in a container of its own, whose variables point it at the local AWS."""
    config = tmp_path / "config"
    config.mkdir()
    (config / "f2b.toml").write_text(CONFIG)
    with ExitStack() as stack:

        def started(*command: str, state: Path | None = None, **variables: str) -> Container:
            log = tmp_path / f"{command[0]}.log"
            environment = local_aws.environment(account) | variables
            return stack.enter_context(Container(image, command, environment, config=config, log=log, state=state))

        yield started


@pytest.fixture
def fleet(local_aws: LocalAws, account: str, tmp_path: Path) -> Iterator[Fleet]:
    """Looks at AWS from outside; what runs is in containers."""
    with Fleet(local_aws, tmp_path, account=account) as fleet:
        yield fleet


def wait_until_healthy(container: Container, page: str = "healthz") -> None:
    """Wait as an engine does, by the health check."""

    def is_healthy() -> bool:
        assert container.exit_code is None, container.log.read_text()
        return container.health(page)[0] == 0

    eventually(is_healthy, f"{page} of {container.log.name}", 60, 0.2)


def assert_is_confined(container: Container) -> None:
    """See that the container is what this page promises; else nothing else here proves anything."""
    lines = Path(f"/proc/{container.pid}/status").read_text("ascii").splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    assert status["Uid"].split() == status["Gid"].split() == ["65532"] * 4
    assert (status["CapEff"], status["CapBnd"], status["NoNewPrivs"]) == ("0" * 16, "0" * 16, "1")
    assert status["NSpid"].split()[-1] == "1"
    for folder in ("/", "/tmp", "/opt/f2b", "/var/lib/f2b", "/dev"):
        code, said = container.run("touch", f"{folder}/written")
        assert code != 0, folder
        assert READ_ONLY in said or "Permission denied" in said, said
    assert READ_ONLY in container.run("touch", "/var/lib/f2b/written")[1], (
        "its own folder: only the root forbids it"
    )


def test_worker_and_shim_do_the_demo_as_nobody_on_a_read_only_root_and_stop_in_order(
    fleet: Fleet, local_aws: LocalAws, start: Callable[..., Container]
) -> None:
    provisioning = start("f2b", "provision", **NAMES)
    assert provisioning.wait() == 0, provisioning.log.read_text()
    port = free_port()
    fleet.shim_url = f"http://127.0.0.1:{port}"
    worker = start("f2b-worker", "--max-age", "0", F2B_METRICS_PORT=str(free_port()), F2B_PROCESSES="1", **NAMES)
    # Nobody listens on the port that the image sets for a worker's metrics: here it could be another's.
    shim = start("f2b-shim", F2B_QUEUE=NAME, F2B_PORT=str(port), F2B_METRICS_PORT=str(free_port()))
    for each in (worker, shim):
        wait_until_healthy(each, "readyz")
        assert_is_confined(each)
    prove(fleet)
    assert "203.0.113.254" in worker.run("f2b", "list")[1], "an operator looks from within"
    assert [shim.stop(), worker.stop()] == [0, 0], worker.log.read_text() + shim.log.read_text()
    logs = worker.log.read_text() + shim.log.read_text()
    assert "Traceback" not in logs
    assert [line for line in logs.splitlines() if '"level": "error"' in line] == []


def prove(fleet: Fleet) -> None:
    """Have an attack judged and an address reported by HTTP, and hold the bans against the demo's checker."""
    wanted = judged_attack(fleet)
    for _ in range(RULES.maxretry):
        assert fleet.get("/infraction/203.0.113.254")[0] == 200

    def are_equal() -> bool:
        return compared(fleet.ip_set_entries()) == running_entries(wanted) | {"203.0.113.254/32"}

    eventually(are_equal, "the IP sets hold the bans that run", 20, 0.6)


def test_the_health_check_turns_bad_when_the_worker_or_a_process_of_it_hangs_and_good_again(
    fleet: Fleet, start: Callable[..., Container]
) -> None:
    fleet.provision()
    worker = start("f2b-worker", F2B_METRICS_PORT=str(free_port()), F2B_PROCESSES="2", **NAMES)
    wait_until_healthy(worker, "readyz")
    judge = max(worker.children("multiprocessing.spawn"))
    os.kill(judge, signal.SIGSTOP)
    eventually(lambda: "hangs: it gave no sign of life" in worker.health()[1], "a process is missed", 60, 0.5)
    assert worker.health()[0] == 1
    os.kill(judge, signal.SIGCONT)
    wait_until_healthy(worker)
    os.kill(worker.pid, signal.SIGSTOP)
    code, line = worker.health()
    assert (code, line.endswith("no answer within 5 s: the process hangs")) == (1, True), line
    os.kill(worker.pid, signal.SIGCONT)
    wait_until_healthy(worker)
    assert worker.stop() == 0, worker.log.read_text()


def test_standalone_mode_writes_its_volume_alone_and_goes_on_there_in_the_next_container(
    start: Callable[..., Container], tmp_path: Path
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    port = free_port()
    variables = {"F2B_PORT": str(port), "F2B_METRICS_PORT": str(free_port()), "F2B_CONFIG": "/mnt/f2b.toml"}
    variables |= {"F2B_STANDALONE": "true", "F2B_STATE": "f2b.db"}
    started = partial(start, "f2b-worker", state=state, **variables)
    first = started()
    wait_until_healthy(first, "readyz")
    for _ in range(RULES.maxretry):
        assert get(f"http://127.0.0.1:{port}/infraction/203.0.113.7")[0] == 200
    eventually(lambda: "203.0.113.7" in first.run("f2b", "list")[1], "the ban", 20, 0.2)
    (http,) = first.children("f2b_worker.process.standalone.http")
    os.kill(http, signal.SIGSTOP)
    assert first.health()[0] == 1, "the process for HTTP hangs"
    os.kill(http, signal.SIGCONT)
    wait_until_healthy(first)
    assert first.run("touch", "/tmp/written")[1].endswith(READ_ONLY)
    assert first.stop() == 0, first.log.read_text()
    second = started()
    wait_until_healthy(second, "readyz")
    assert "203.0.113.7" in second.run("f2b", "list")[1]
    assert second.stop() == 0, second.log.read_text()


def test_a_shim_that_listens_at_a_unix_socket_alone_is_asked_there_by_the_health_check(
    fleet: Fleet, start: Callable[..., Container], tmp_path: Path
) -> None:
    fleet.provision()
    run = tmp_path / "run"
    run.mkdir()
    # Nobody listens on the ports: here they could be another's.
    ports = {"F2B_PORT": str(free_port()), "F2B_METRICS_PORT": str(free_port())}
    shim = start("f2b-shim", state=run, F2B_QUEUE=NAME, F2B_UDS="/var/lib/f2b/shim.sock", **ports)
    wait_until_healthy(shim, "readyz")
    os.kill(shim.pid, signal.SIGSTOP)
    code, line = shim.health()
    assert (code, "/var/lib/f2b/shim.sock: no answer within 5 s" in line) == (1, True), line
    os.kill(shim.pid, signal.SIGCONT)
    wait_until_healthy(shim)
    assert shim.stop() == 0, shim.log.read_text()
    assert list(run.iterdir()) == []


def test_the_image_holds_each_command_and_nothing_to_install_more_with(start: Callable[..., Container]) -> None:
    container = start("sleep", "60")
    eventually(lambda: container.run("true")[0] == 0, "it runs", 20)
    for command in ("f2b", "f2b-worker", "f2b-shim"):
        assert container.run(command, "--version") == (0, f"{command}, version {version()}")
    assert container.run("f2b-report", "203.0.113.7", "--dry-run")[0] == 0
    assert container.run("python", "-c", "import iptocc, uvloop, httptools")[0] == 0, "the extras geo and shim"
    for tool in ("pip", "pip3", "uv", "gcc"):
        assert container.run("sh", "-c", f"command -v {tool}")[0] != 0, tool
    assert "No module named pip" in container.run("python", "-m", "pip")[1]


def test_nobody_in_the_image_may_change_f2b_and_each_module_has_its_bytecode(image: Image) -> None:
    code = image.root / "opt/f2b"
    files = [each for each in code.rglob("*") if not each.is_symlink()]
    assert len(files) > 1000
    assert [each for each in files if each.stat().st_uid or each.stat().st_mode & 0o022] == []
    modules = [each for each in files if each.suffix == ".py" and (each.parent / "__init__.py").exists()]
    compiled = {each.name.split(".")[0] + str(each.parent.parent) for each in files if each.suffix == ".pyc"}
    assert [each for each in modules if each.stem + str(each.parent) not in compiled] == []


def test_the_image_says_who_it_is_and_how_it_is_run(image: Image) -> None:
    config = image.config
    assert config["User"] == "65532:65532"
    assert config["StopSignal"] == "SIGTERM"
    assert (config["Entrypoint"], config["Cmd"]) == ([], ["f2b-worker"])
    assert set(config["ExposedPorts"]) == {"8000/tcp", "9100/tcp"}
    labels = {name.removeprefix("org.opencontainers.image."): text for name, text in config["Labels"].items()}
    assert (labels["version"], labels["revision"], labels["licenses"]) == (version(), REVISION, "Apache-2.0")
    assert labels["base.name"] == BASE


def test_the_image_adds_130_mb_to_its_base_at_most(image: Image) -> None:
    assert 30 * MB < image.bytes_over_base < SIZE_MAX_MB * MB
