"""Every port that we open, with clients beside it that sit idle, drip or grab: honest ones notice nothing."""

from __future__ import annotations

import re
import resource
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.doors.attacking import KINDS, attacked
from demo.fleet import BIN, eventually, free_port, get

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from demo.fleet import Fleet

FILES_MAX = 768  # of 1,024: the others are for what a process has to do itself
ENFORCED_WITHIN_S = 20.0
FEW_FILES = 'ulimit -n 1024; exec "$0" "$@"'
"""As many as most platforms allow, and fewer than the attackers have."""


def few_files(program: str) -> tuple[str, ...]:
    return ("sh", "-c", FEW_FILES, str(BIN / program))


def ban(fleet: Fleet, ip: str) -> None:
    """Report an address until it has to be banned, and wait until it is in its IP set."""
    for _ in range(3):
        assert fleet.get(f"/infraction/{ip}") == (200, "ok\n")
    eventually(lambda: f"{ip}/32" in fleet.ip_set_entries(), f"{ip} is enforced", ENFORCED_WITHIN_S, 0.3)


def started(fleet: Fleet) -> list[subprocess.Popen[bytes]]:
    return [*fleet.workers, *([fleet.shim] if fleet.shim else [])]


def probe(url: str, *paths: str) -> None:
    """See that probes are answered, within the ten seconds that `get` waits; `make bench-doors` has the times."""
    for path in paths:
        assert get(url + path)[0] == 200, path


def open_files(process: subprocess.Popen[bytes]) -> int:
    """Count the open files of a process, or of its child that has more."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return max(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in (process.pid, *children))


def metrics_of_a_worker(fleet: Fleet, _start: object, *, processes: int = 1) -> int:
    port = free_port()
    options = ("--metrics-port", str(port), "--processes", str(processes))
    fleet.start_worker(*options, program=few_files("f2b-worker"))
    fleet.start_shim()
    return port


def metrics_of_a_pool(fleet: Fleet, _start: object) -> int:
    return metrics_of_a_worker(fleet, _start, processes=2)


def shim(fleet: Fleet, _start: object) -> int:
    fleet.start_worker()
    fleet.start_shim(program=few_files("f2b-shim"))
    return fleet.shim_port


def standalone(fleet: Fleet, start: Callable[..., subprocess.Popen[bytes]]) -> int:
    start(program=few_files("f2b-worker"))
    return fleet.shim_port


def metrics_of_standalone(_fleet: Fleet, start: Callable[..., subprocess.Popen[bytes]]) -> int:
    port = free_port()
    start("--metrics-port", str(port), program=few_files("f2b-worker"))
    return port


@pytest.mark.parametrize(
    "open_door", [metrics_of_a_worker, metrics_of_a_pool, shim, standalone, metrics_of_standalone]
)
def test_probes_are_answered_and_bans_enforced_whatever_1100_other_connections_do(
    fleet: Fleet,
    start: Callable[..., subprocess.Popen[bytes]],
    open_door: Callable[[Fleet, Callable[..., subprocess.Popen[bytes]]], int],
) -> None:
    port = open_door(fleet, start)
    url = f"http://127.0.0.1:{port}"
    eventually(lambda: get(f"{url}/readyz")[0] == 200, "it is ready", 60)
    for number, kind in enumerate(KINDS):
        with attacked(kind, port) as did:
            probe(url, "/healthz", "/readyz", "/metrics")
            eventually(lambda: max(map(open_files, started(fleet))) <= FILES_MAX, "it has files left", 5)
            ban(fleet, f"203.0.113.{number}")
            probe(url, "/healthz", "/readyz", "/metrics")
        assert did["connected"] >= 1_000
    cut = re.findall(
        r'(?:f2b_metrics_connections_cut|f2b_shim_refused)_total\{reason="(\w+)"\}', get(f"{url}/metrics")[1]
    )
    assert "crowded_out" in cut, "the attack was none"
    assert all(process.poll() is None for process in started(fleet))


def test_each_process_that_opens_a_port_raises_its_limit_of_open_files(fleet: Fleet, tmp_path: Path) -> None:
    soft_only = ("sh", "-c", 'ulimit -Sn 256; ulimit -Hn 2000; exec "$0" "$@"')
    log = tmp_path / "worker.log"
    alone = fleet.start_worker(program=(*soft_only, str(BIN / "f2b-worker")), log=log)
    port = str(free_port())
    pool = fleet.start_worker(
        "--processes", "2", "--metrics-port", port, program=(*soft_only, str(BIN / "f2b-worker"))
    )
    fleet.start_shim(program=(*soft_only, str(BIN / "f2b-shim")))
    assert fleet.shim
    eventually(lambda: '"working"' in log.read_text(), "the worker works", 30)
    eventually(lambda: get(f"http://127.0.0.1:{port}/healthz")[0] == 200, "the pool answers", 30)
    for process in (alone, pool, fleet.shim):
        assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE) == (2000, 2000)


def test_metrics_are_for_this_machine_alone_unless_a_host_is_named(fleet: Fleet) -> None:
    ports = [free_port(), free_port()]
    fleet.start_worker("--metrics-port", str(ports[0]))
    fleet.start_worker("--metrics-port", str(ports[1]), "--metrics-host", "0.0.0.0")
    for port in ports:
        eventually(lambda port=port: get(f"http://127.0.0.1:{port}/healthz")[0] == 200, "it answers", 30)  # type: ignore[misc]
    # Another address of this machine, as somebody from outside would ask for.
    assert get(f"http://127.0.0.2:{ports[0]}/healthz")[0] == 0
    assert get(f"http://127.0.0.2:{ports[1]}/healthz")[0] == 200
