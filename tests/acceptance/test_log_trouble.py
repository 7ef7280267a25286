"""Real processes whose standard error is gone, full, unread or closed: they work on, and stop when told."""

from __future__ import annotations

import fcntl
import os
import re
import resource
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.fleet import BIN, eventually, free_port, get
from tests.acceptance.attacks import report, send_bodies
from tests.acceptance.processes import children_of
from tests.documented_metrics import missing, undocumented
from tests.promql import unanswered

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

    from demo.fleet import Fleet
    from localstack.local_aws import LocalAws

ROOM_BYTES = 4096

OF_A_POOL = "f2b_process_deaths_total"
OF_A_SHIM = "f2b_shim_"
OF_PROMETHEUS = "ALERTS"
EVENTS = (Path(__file__).resolve().parents[2] / "docs/log-events.md").read_text("utf-8")


class Pipe:
    """A pipe by name, as the log of a process; this test is who reads it, or does not."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        self.come()
        fcntl.fcntl(self._end, fcntl.F_SETPIPE_SZ, ROOM_BYTES)

    def come(self) -> None:
        """Open the pipe for reading."""
        self._end = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)

    def gone(self) -> None:
        """Close it: whoever writes gets EPIPE."""
        os.close(self._end)

    def unread(self) -> None:
        """Fill it: whoever writes waits."""
        writer = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
        self.read()
        os.write(writer, b"-" * (ROOM_BYTES - 1) + b"\n")
        os.close(writer)

    def read(self) -> str:
        """Take what is there."""
        read = b""
        try:
            while more := os.read(self._end, 65_536):
                read += more
        except BlockingIOError:
            pass
        return read.decode()


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Pipe]:
    made = Pipe(tmp_path / "log")
    yield made
    made.path.unlink()


def started(fleet: Fleet, log: Path, *options: str) -> tuple[subprocess.Popen[bytes], str]:
    """Start a worker; answer it and where its probes are, once it is ready."""
    port = free_port()
    worker = fleet.start_worker("--metrics-port", str(port), *options, log=log)
    url = f"http://127.0.0.1:{port}"
    eventually(lambda: get(f"{url}/readyz")[0] == 200, "it is ready", 60)
    return worker, url


def bans_three_in_turn(fleet: Fleet, send: Callable[[str], None]) -> None:
    """Report three addresses, each when the one before is banned: each ban is a log line."""
    for address in ("203.0.113.1", "203.0.113.2", "203.0.113.3"):
        send(address)
        eventually(lambda each=address: f"{each}/32" in fleet.ip_set_entries(), f"{address} is banned", 30, 0.6)  # type: ignore[misc]


def by_queue(fleet: Fleet) -> Callable[[str], None]:
    return lambda address: send_bodies(fleet, report(address, 3))


def stops(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    assert process.wait(12) == 0


@pytest.mark.parametrize("trouble", [Pipe.gone, Pipe.unread])
@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_worker_whose_log_nobody_reads_bans_on_and_obeys_sigterm(
    fleet: Fleet, pipe: Pipe, trouble: Callable[[Pipe], None], processes: str
) -> None:
    worker, url = started(fleet, pipe.path, "--processes", processes)
    trouble(pipe)

    bans_three_in_turn(fleet, by_queue(fleet))

    assert [get(f"{url}{path}") for path in ("/healthz", "/readyz")] == [(200, "ok\n")] * 2
    shown = get(f"{url}/metrics")[1]
    assert "f2b_log_lines_dropped_total 0.0" in shown
    assert undocumented(shown) == []
    assert processes != "1" or missing(shown, "The worker") == {OF_A_POOL}
    of_workers = {each for each in unanswered(shown) if not each.startswith(OF_A_SHIM)}
    assert processes != "1" or of_workers == {OF_A_POOL, OF_PROMETHEUS}
    stops(worker)


@pytest.mark.parametrize("trouble", [Pipe.gone, Pipe.unread])
def test_lines_that_nobody_read_come_in_order_once_somebody_reads_again(
    fleet: Fleet, pipe: Pipe, trouble: Callable[[Pipe], None]
) -> None:
    worker, _ = started(fleet, pipe.path)
    trouble(pipe)
    bans_three_in_turn(fleet, by_queue(fleet))

    if trouble is Pipe.gone:
        pipe.come()

    read = ""

    def has_all() -> bool:
        nonlocal read
        read += pipe.read()
        return "203.0.113.3" in read

    eventually(has_all, "the line about the last ban comes", 10)
    banned = [line for line in read.splitlines() if '"banned"' in line]
    assert ["203.0.113.1" in banned[0], "203.0.113.2" in banned[1], "203.0.113.3" in banned[2]] == [True] * 3
    assert set(re.findall(r'"event": "(\w+)"', read)) <= set(re.findall(r"^\| `(\w+)`", EVENTS, re.MULTILINE))
    stops(worker)


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_worker_on_a_full_disk_bans_on_and_obeys_sigterm(fleet: Fleet, processes: str) -> None:
    worker, url = started(fleet, Path("/dev/full"), "--processes", processes)

    bans_three_in_turn(fleet, by_queue(fleet))

    assert get(f"{url}/healthz") == (200, "ok\n")
    stops(worker)


def test_a_log_file_that_may_grow_again_gets_every_line(fleet: Fleet, tmp_path: Path) -> None:
    log = tmp_path / "log"
    worker, _ = started(fleet, log)
    _, most_bytes = resource.prlimit(worker.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (log.stat().st_size, most_bytes))
    bans_three_in_turn(fleet, by_queue(fleet))
    assert '"banned"' not in log.read_text()

    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

    eventually(lambda: log.read_text().count('"banned"') == 3, "the lines come", 10)
    stops(worker)


def test_a_pools_parent_whose_log_nobody_reads_replaces_a_dead_child(fleet: Fleet, pipe: Pipe) -> None:
    pool, url = started(fleet, pipe.path, "--processes", "2")
    pipe.unread()
    killed, _ = children_of(pool.pid)

    os.kill(killed, signal.SIGKILL)

    eventually(lambda: killed not in children_of(pool.pid), "it is dead", 10)
    eventually(lambda: get(f"{url}/readyz")[0] == 200, "its successor works", 60)
    eventually(lambda: len(children_of(pool.pid)) == 2, "it has a successor", 30)
    stops(pool)


@pytest.mark.parametrize("trouble", [Pipe.gone, Pipe.unread])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_shim_whose_log_nobody_reads_takes_reports_and_obeys_sigterm(
    fleet: Fleet, local_aws: LocalAws, pipe: Pipe, trouble: Callable[[Pipe], None], workers: str
) -> None:
    fleet.start_shim("--workers", workers, log=pipe.path)
    trouble(pipe)
    for _ in range(4):  # of each failure and each recovery it logs a line
        local_aws.edge.fault("sqs:*", "error")
        assert fleet.get("/infraction/203.0.113.7")[0] == 503
        local_aws.edge.clear_faults()
        assert fleet.get("/infraction/203.0.113.7") == (200, "ok\n")
    assert fleet.get("/healthz")[0] == 200
    shown = fleet.get("/metrics")[1]
    assert undocumented(shown) == []
    assert workers != "1" or missing(shown, "The shim") == set()
    assert workers != "1" or not [each for each in unanswered(shown) if each.startswith(OF_A_SHIM)]
    assert fleet.shim
    stops(fleet.shim)


@pytest.mark.parametrize("trouble", [Pipe.gone, Pipe.unread])
def test_standalone_mode_whose_log_nobody_reads_bans_on_and_obeys_sigterm(
    fleet: Fleet,
    pipe: Pipe,
    start: Callable[..., subprocess.Popen[bytes]],
    trouble: Callable[[Pipe], None],
) -> None:
    port = free_port()
    worker = start("--metrics-port", str(port))  # its log is the pipe: both have the name
    trouble(pipe)

    def send(address: str) -> None:
        for _ in range(3):
            assert fleet.get(f"/infraction/{address}")[0] == 200

    bans_three_in_turn(fleet, send)

    assert fleet.get("/readyz")[0] == 200
    of_both = fleet.get("/metrics")[1], get(f"http://127.0.0.1:{port}/metrics")[1]
    assert [undocumented(shown) for shown in of_both] == [[], []]
    assert [missing(of_both[0], "The shim"), missing(of_both[1], "The worker")] == [set(), {OF_A_POOL}]
    stops(worker)


@pytest.mark.parametrize("options", [["--processes", "1"], ["--processes", "2"]])
def test_a_worker_that_was_started_without_standard_error_works(fleet: Fleet, options: list[str]) -> None:
    closed = ("sh", "-c", 'exec "$0" "$@" 2>&-', str(BIN / "f2b-worker"))
    worker = fleet.start_worker(*options, program=closed)

    bans_three_in_turn(fleet, by_queue(fleet))

    stops(worker)
