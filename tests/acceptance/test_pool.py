"""Several processes under one parent: what they are asked together, and what happens when one fails."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from demo.fleet import BIN, eventually, free_port
from f2b_worker.domain.backoff import RESTARTS_MAX
from f2b_worker.process.pool.liveness import SILENT_S
from tests.acceptance.attacks import hang_in_judging, report, send_bodies
from tests.acceptance.processes import children_of, of_process
from tests.log_lines import logged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from demo.fleet import Fleet
    from localstack.local_aws import LocalAws

own_policies = pytest.mark.own_policies

PAUSE_S = 0.5

QUICKLY_AGAIN = f"""
from functools import partial
from f2b_worker.process.pool import child
child.Restarts = partial(child.Restarts, pause_max_s={PAUSE_S})
from f2b_worker.cli import main
main()
"""
"""The command; otherwise its pauses between the lives of a child would be 31 s in all."""

BLOCKED_OR_CAUGHT = re.compile(r"^Sig(?:Blk|Cgt):\t([0-9a-f]+)$", re.MULTILINE)


class Pool:
    """Two processes with one port for their health and metrics."""

    def __init__(
        self, fleet: Fleet, *, log: Path | None = None, program: Sequence[str] = (str(BIN / "f2b-worker"),)
    ) -> None:
        self.port = free_port()
        options = ("--processes", "2", "--metrics-port", str(self.port))
        self.process = fleet.start_worker(*options, log=log, program=program)
        eventually(lambda: self.get("/readyz") == (200, "ok\n"), "it is ready", 60)
        self.children = children_of(self.process.pid)

    def get(self, path: str) -> tuple[int, str]:
        try:
            answer = httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=10, trust_env=False)
        except httpx.TransportError:
            return 0, ""
        return answer.status_code, answer.text

    def metric(self, name: str) -> float:
        (value,) = re.findall(rf"^f2b_{name} (.+)$", self.get("/metrics")[1], re.MULTILINE)
        return float(value)


@pytest.fixture
def pool(fleet: Fleet) -> Pool:
    return Pool(fleet)


@own_policies
def test_a_dead_child_is_replaced_and_the_pool_works_on(fleet: Fleet) -> None:
    pool = fleet.start_worker("--processes", "2")
    eventually(lambda: len(children_of(pool.pid)) >= 2, "two children run", 30)
    first, second = children_of(pool.pid)

    os.kill(first, signal.SIGKILL)

    eventually(lambda: first not in children_of(pool.pid), "it is dead", 10)
    eventually(lambda: len(children_of(pool.pid)) == 2, "there are two again", 30)
    assert second in children_of(pool.pid)
    send_bodies(fleet, report("203.0.113.4", 3))
    eventually(lambda: "203.0.113.4/32" in fleet.ip_set_entries(), "it is banned", 30, 0.6)
    pool.terminate()
    assert pool.wait(15) == 0


def test_a_pool_whose_children_cannot_start_ends_with_their_code_and_one_line(
    fleet: Fleet, tmp_path: Path
) -> None:
    log = tmp_path / "worker.log"
    pool = fleet.start_worker("--processes", "2", "--table", "there-is-none", log=log)
    assert pool.wait(60) == 3
    assert re.fullmatch(r"f2b-worker: table there-is-none: .*; make it with: f2b provision .*\n", log.read_text())


@own_policies
def test_sigterm_stops_a_pool_with_code_0(fleet: Fleet) -> None:
    pool = fleet.start_worker("--processes", "2")
    eventually(lambda: len(children_of(pool.pid)) >= 2, "two children run", 30)

    pool.terminate()

    assert pool.wait(15) == 0


@own_policies
def test_a_process_that_stops_late_says_so_before_the_pool_ends(
    fleet: Fleet, local_aws: LocalAws, tmp_path: Path
) -> None:
    pool = fleet.start_worker("--processes", "2", log=tmp_path / "log")
    hang_in_judging(fleet, local_aws, report("203.0.113.4", 1))

    pool.terminate()

    assert pool.wait(10) == 0
    assert "stopped_late" in (tmp_path / "log").read_text()


@own_policies
def test_a_killed_process_is_named_and_replaced_and_what_it_counted_stays(fleet: Fleet, pool: Pool) -> None:
    for last in range(1, 21):
        send_bodies(fleet, report(f"203.0.113.{last}", 3))
    fleet.wait_until_judged()
    eventually(lambda: pool.metric("infractions_judged_total") == 60, "all are counted", 10)
    eventually(lambda: pool.metric("messages_settled_total") == 60, "and deleted", 10)
    eventually(lambda: 'f2b_bans_active{region="us-east-1"} 20.0' in pool.get("/metrics")[1], "all are active", 20)

    told, counted = set(), []

    def is_replaced() -> bool:
        told.add(pool.get("/readyz")[1])
        counted.append(pool.metric("infractions_judged_total"))
        return pool.metric("process_deaths_total") == 1 and pool.get("/readyz") == (200, "ok\n")

    os.kill(pool.children[0], signal.SIGKILL)
    eventually(is_replaced, "it is replaced", 30)

    assert any(line.startswith("worker-") and "is dead, and is started again" in line for line in told)
    assert set(counted) == {60}
    assert pool.get("/healthz") == (200, "ok\n")
    send_bodies(fleet, report("203.0.113.1", 5))
    eventually(lambda: pool.metric("infractions_judged_total") == 65, "its successor counts on", 60)
    eventually(lambda: pool.metric("messages_settled_total") == 65, "and they are deleted", 10)


@own_policies
def test_a_process_that_dies_six_times_in_a_row_ends_the_pool_with_4_and_its_sibling_in_order(
    fleet: Fleet, tmp_path: Path
) -> None:
    log = tmp_path / "worker.log"
    pool = Pool(fleet, log=log, program=[str(BIN / "python"), "-c", QUICKLY_AGAIN])
    killed, sibling = pool.children
    told: set[tuple[int, str]] = set()

    def lives_again() -> bool:
        told.add(pool.get("/readyz"))
        return bool(set(children_of(pool.process.pid)) - {killed, sibling})

    for _ in range(RESTARTS_MAX):
        os.kill(killed, signal.SIGKILL)
        eventually(lives_again, "it is started again", 20)
        (killed,) = set(children_of(pool.process.pid)) - {killed, sibling}
    os.kill(killed, signal.SIGKILL)

    assert pool.process.wait(12) == 4
    assert {code for code, _ in told} <= {503, 200}  # it answered all the time
    assert any(re.fullmatch(r"worker-\d is dead, and is started again soon\n", line) for _, line in told)
    lines = logged(log)
    deaths = [line["restart_in_s"] for line in lines if line["event"] == "worker_died"]
    assert deaths == [PAUSE_S] * RESTARTS_MAX + [None]
    assert [line["code"] for line in lines if line["event"] == "stopped"] == [0]  # the sibling, in order
    assert lines[-1]["event"] == "pool_stopped"
    assert not of_process(sibling, "cmdline")


@own_policies
def test_a_process_that_hangs_is_no_longer_healthy_until_it_goes_on(pool: Pool) -> None:
    os.kill(pool.children[1], signal.SIGSTOP)
    stopped_s = time.monotonic()
    eventually(lambda: pool.get("/healthz")[0] == 503, "it is not healthy", SILENT_S + 5, 0.2)
    assert time.monotonic() - stopped_s > SILENT_S - 2
    assert re.fullmatch(r"worker-\d hangs: it gave no sign of life for \d+ s\n", pool.get("/healthz")[1])
    assert pool.get("/readyz")[0] == 503

    os.kill(pool.children[1], signal.SIGCONT)

    eventually(lambda: pool.get("/healthz") == (200, "ok\n"), "it is healthy again", 10)
    eventually(lambda: pool.get("/readyz") == (200, "ok\n"), "it is ready again", 30)


@own_policies
def test_who_lost_its_parent_ends_and_leaves_no_files(pool: Pool) -> None:
    (folder,) = {
        Path(line.removeprefix("PROMETHEUS_MULTIPROC_DIR="))
        for child in pool.children
        for line in of_process(child, "environ").decode().split("\0")
        if line.startswith("PROMETHEUS_MULTIPROC_DIR=")
    }
    assert folder.is_dir()
    pool.process.kill()
    pool.process.wait()
    eventually(lambda: not any(of_process(child, "cmdline") for child in pool.children), "all end", 20)
    assert not folder.exists()


@own_policies
def test_a_parent_that_was_stopped_and_goes_on_obeys_the_sigterm_that_came_meanwhile(pool: Pool) -> None:
    pool.process.send_signal(signal.SIGSTOP)
    pool.process.send_signal(signal.SIGTERM)
    assert all(of_process(child, "cmdline") for child in pool.children)

    pool.process.send_signal(signal.SIGCONT)

    assert pool.process.wait(12) == 0


@own_policies
def test_a_port_that_is_taken_ends_the_pool_before_it_starts(fleet: Fleet, tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    with socket.create_server(("", 0)) as taken:
        port = str(taken.getsockname()[1])
        pool = fleet.start_worker("--processes", "2", "--metrics-port", port, log=log)
        assert pool.wait(30) == 3
    assert log.read_text() == f"f2b-worker: --metrics-port {port}: cannot listen: Address already in use\n"


def hang_up(pid: int) -> bool:
    """Send SIGHUP if the process has any say about what it does then: its first lines have run."""
    masks = [int(mask, 16) for mask in BLOCKED_OR_CAUGHT.findall(of_process(pid, "status").decode())]
    heard = any(mask & 1 << signal.SIGHUP - 1 for mask in masks)
    if heard:
        os.kill(pid, signal.SIGHUP)
    return heard


@pytest.mark.parametrize("processes", [1, 2])
@own_policies
def test_sighup_at_any_time_of_the_start_ends_nobody(fleet: Fleet, tmp_path: Path, processes: int) -> None:
    log = tmp_path / "worker.log"
    worker = fleet.start_worker("--processes", str(processes), log=log)
    hung_up: set[int] = set()

    def all_work() -> bool:
        if hang_up(worker.pid):
            hung_up.add(worker.pid)
        for child in children_of(worker.pid):  # from their first moment: they inherit what protects them
            os.kill(child, signal.SIGHUP)
            hung_up.add(child)
        return log.read_text().count('"working"') == processes

    eventually(all_work, "all work", 60, 0.002)

    eventually(lambda: log.read_text().count("jails_reloaded") >= processes, "it was not ignored either", 10)
    assert worker.poll() is None
    assert len(hung_up) == (1 if processes == 1 else 3)  # nobody died and was replaced
    fleet.stop()
    assert "worker_died" not in log.read_text()
