"""A UNIX socket instead of a port: for nginx and curl on the same host, in the shim and in standalone mode."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from demo import proxies
from demo.fleet import BIN, NAME, eventually, free_port, get
from tests.acceptance.kept_clients import KeptClients, OnSocketFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from demo.fleet import Fleet

    Start = Callable[..., subprocess.Popen[bytes]]

CLIENTS = 16
IP = "203.0.113.7"


def curl(path: Path, target: str) -> str:
    command = ["curl", "-s", "--max-time", "10", "--unix-socket", str(path), f"http://f2b{target}"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "f2b.sock"


@pytest.fixture
def shim(fleet: Fleet, path: Path, tmp_path: Path) -> Start:
    """Start a shim at a UNIX socket, and wait until it answers."""

    def started(*options: str) -> subprocess.Popen[bytes]:
        command = [str(BIN / "f2b-shim"), "--queue", NAME, "--uds", str(path), *options]
        process = fleet._start(command, tmp_path / "log", role="shim")
        fleet.workers.append(process)
        eventually(lambda: curl(path, "/readyz") == "ok\n", "it is ready", 30)
        return process

    return started


@pytest.mark.parametrize("workers", ["1", "2"])
def test_curl_and_nginx_report_at_a_unix_socket_which_is_gone_after_the_stop(
    path: Path, tmp_path: Path, shim: Start, workers: str
) -> None:
    process = shim("--workers", workers)
    assert curl(path, f"/infraction/{IP}") == "ok\n"
    port = free_port()
    http = f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://unix:{path}; }} }}"
    with proxies.nginx(tmp_path / "nginx", port, http):
        assert get(f"http://127.0.0.1:{port}/infraction/{IP}") == (200, "ok\n")
    process.terminate()
    assert process.wait(15) == 0
    assert not path.exists()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_stop_cuts_nobody_at_a_unix_socket(path: Path, shim: Start, workers: str) -> None:
    process = shim("--workers", workers)
    with KeptClients(lambda: OnSocketFile(str(path)), CLIENTS) as clients:
        eventually(lambda: clients.seen.stored > CLIENTS, "they report", 30)
        process.terminate()
        assert process.wait(15) == 0
        seen = clients.wait()
    assert (seen.cut, seen.others) == ([], [])


def test_a_second_shim_is_refused_in_one_line_and_one_after_a_kill_takes_over(
    fleet: Fleet, path: Path, shim: Start
) -> None:
    first = shim()
    command = [str(BIN / "f2b-shim"), "--queue", NAME, "--uds", str(path)]
    second = subprocess.run(command, env=fleet.environment, capture_output=True, text=True, check=False)
    assert (second.returncode, second.stderr) == (3, f"f2b-shim: --uds {path}: another process listens on it\n")
    assert curl(path, f"/infraction/{IP}") == "ok\n"
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert path.exists()
    shim()
    assert curl(path, f"/infraction/{IP}") == "ok\n"


def test_standalone_mode_serves_at_a_unix_socket_and_the_health_check_asks_it(
    fleet: Fleet, state: Path, path: Path, tmp_path: Path
) -> None:
    command = [str(BIN / "f2b-worker"), "--standalone", "--state", str(state), "--uds", str(path)]
    command += ["--config", str(tmp_path / "f2b.toml")]
    worker = fleet._start(command, tmp_path / "log", role="standalone")
    fleet.workers.append(worker)
    eventually(lambda: curl(path, "/readyz") == "ok\n", "it is ready", 30)
    assert curl(path, f"/infraction/{IP}") == "ok\n"
    probe = [sys.executable, "-m", "f2b_worker.probe"]
    environment = fleet.environment | {"F2B_UDS": str(path)}
    asked = subprocess.run(probe, env=environment, capture_output=True, text=True, check=False)
    assert (asked.returncode, asked.stdout) == (0, "ok\n")
    worker.terminate()
    assert worker.wait(15) == 0
    assert not path.exists()
