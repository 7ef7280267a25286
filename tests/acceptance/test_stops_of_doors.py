"""A stop of what serves HTTP costs no client anything, and nothing but what asks for the stop ends it."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from demo.fleet import BIN, NAME, eventually, free_port, get
from f2b_worker.signals import UNHEEDED
from tests.acceptance.kept_clients import KeptClients, at_port
from tests.acceptance.processes import as_pid_1, of_process
from tests.acceptance.stops import CLIENTS, DRAIN_S, ENDS_WITHIN_S, in_the_queue, judged, start_all, stopped_under
from tests.acceptance.test_tail import add, reporter
from tests.log_lines import logged

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from demo.fleet import Fleet

ENTRIES = [signal.SIGHUP, *sorted(UNHEEDED), signal.SIGWINCH, signal.SIGPIPE, signal.SIGURG, signal.SIGCONT]


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_stop_of_a_shim_cuts_none_of_64_kept_connections_and_stores_what_it_answers(
    fleet: Fleet, workers: str, number: int
) -> None:
    fleet.start_shim("--workers", workers)
    assert fleet.shim is not None

    seen = stopped_under(KeptClients(at_port(fleet.shim_port), CLIENTS), fleet.shim, number)

    assert (seen.cut, seen.others) == ([], [])
    assert seen.told >= CLIENTS, "somebody was not told that it was the last answer"
    assert in_the_queue(fleet) == Counter(seen.answered)


def test_a_stop_of_standalone_mode_cuts_none_of_64_kept_connections_and_stores_what_it_answers(
    fleet: Fleet, state: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    worker = start(enforcing=False)

    seen = stopped_under(KeptClients(at_port(fleet.shim_port), CLIENTS), worker)

    assert (seen.cut, seen.others) == ([], [])
    assert seen.told >= CLIENTS
    start(enforcing=False)
    assert judged(state) == Counter(seen.answered)


def test_clients_that_rest_between_two_requests_lose_none_of_them_to_a_stop(fleet: Fleet) -> None:
    fleet.start_shim()
    assert fleet.shim is not None

    seen = stopped_under(KeptClients(at_port(fleet.shim_port), CLIENTS, pause_s=0.3), fleet.shim)

    assert (seen.cut, seen.others) == ([], [])
    assert in_the_queue(fleet) == Counter(seen.answered)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_shim_that_drains_is_not_ready_and_takes_new_connections_until_its_time_is_over(
    fleet: Fleet, tmp_path: Path, workers: str
) -> None:
    log = tmp_path / "log"
    shim = start_all(fleet, workers, "--drain-s", str(DRAIN_S), log=log)
    with KeptClients(at_port(fleet.shim_port), 8) as clients:
        eventually(lambda: clients.seen.stored > CLIENTS, "they report", 30)
        began_s = time.monotonic()
        shim.terminate()
        eventually(lambda: fleet.get("/readyz") == (503, "stopping\n"), "it is not ready", DRAIN_S / 2)
        while time.monotonic() < began_s + 0.8 * DRAIN_S:
            assert fleet.get("/healthz")[0] == 200, "a liveness probe would kill it"
            assert fleet.get("/infraction/192.0.2.1") == (200, "ok\n")
            time.sleep(0.1)
        assert shim.wait(ENDS_WITHIN_S) == 0
        assert time.monotonic() - began_s >= DRAIN_S
        seen = clients.wait()
    assert (seen.cut, seen.others) == ([], [])
    assert len(logged(log, "draining")) == int(workers)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_second_ctrl_c_ends_the_drain_also_if_only_the_parent_hears_of_it(
    fleet: Fleet, tmp_path: Path, workers: str
) -> None:
    log = tmp_path / "log"
    shim = start_all(fleet, workers, "--drain-s", "600", log=log)
    shim.send_signal(signal.SIGINT)
    eventually(lambda: len(logged(log, "draining")) == int(workers), "all drain", 30)
    shim.send_signal(signal.SIGINT)
    assert shim.wait(ENDS_WITHIN_S) == 0


def test_a_second_ctrl_c_ends_the_drain_of_standalone_mode_and_a_second_sigterm_does_not(
    fleet: Fleet, tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    fleet.environment["F2B_DRAIN_S"] = "600"
    worker = start(enforcing=False)
    worker.terminate()
    eventually(lambda: fleet.get("/readyz") == (503, "stopping\n"), "it is not ready", 10)
    worker.terminate()
    assert fleet.get("/infraction/192.0.2.1") == (200, "ok\n")
    assert worker.poll() is None
    worker.send_signal(signal.SIGINT)
    assert worker.wait(ENDS_WITHIN_S) == 0
    assert not logged(tmp_path / "log", "stopped_late")


def test_standalone_mode_that_drains_judges_and_takes_connections_until_its_time_is_over(
    fleet: Fleet, tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    fleet.environment["F2B_DRAIN_S"] = "5"
    worker = start()
    worker.terminate()
    eventually(lambda: fleet.get("/readyz") == (503, "stopping\n"), "it is not ready", 3)
    for _ in range(3):
        assert fleet.get("/infraction/192.0.2.1") == (200, "ok\n")
    eventually(lambda: "192.0.2.1/32" in fleet.ip_set_entries(), "it is banned meanwhile", 5, 0.3)
    assert worker.wait(ENDS_WITHIN_S + 5) == 0
    assert not logged(tmp_path / "log", "stopped_late")


def test_as_pid_1_a_shim_stops_in_order_and_outlives_what_asks_nothing(fleet: Fleet, tmp_path: Path) -> None:
    log = tmp_path / "log"
    fleet.start_shim(log=log, program=as_pid_1([str(BIN / "f2b-shim")]))
    outer = fleet.shim
    assert outer is not None
    (inner,) = map(int, of_process(outer.pid, f"task/{outer.pid}/children").split())
    os.kill(inner, signal.SIGHUP)
    eventually(lambda: bool(logged(log, "signal_unheeded")), "it says so", 10)
    with KeptClients(at_port(fleet.shim_port), CLIENTS) as clients:
        eventually(lambda: clients.seen.stored > CLIENTS, "they report", 30)
        os.kill(inner, signal.SIGTERM)
        assert outer.wait(ENDS_WITHIN_S) == 0
        seen = clients.wait()
    assert (seen.cut, seen.others) == ([], [])


@pytest.mark.parametrize("workers", ["1", "2"])
def test_no_signal_but_one_that_asks_for_the_stop_ends_a_shim_and_a_log_line_tells_of_it(
    fleet: Fleet, tmp_path: Path, workers: str
) -> None:
    log = tmp_path / "log"
    fleet.start_shim("--workers", workers, log=log)
    shim = fleet.shim
    assert shim is not None
    with KeptClients(at_port(fleet.shim_port), 8) as clients:
        eventually(lambda: clients.seen.stored > CLIENTS, "they report", 30)
        for number in ENTRIES:
            os.killpg(shim.pid, number)
        eventually(
            lambda: (
                {line["signal"] for line in logged(log, "signal_unheeded")}
                == {signal.Signals(each).name for each in (signal.SIGHUP, *UNHEEDED)}
            ),
            "each is told",
            10,
        )
        assert fleet.get("/readyz")[0] == 200
    assert (clients.seen.cut, clients.seen.others, shim.poll()) == ([], [], None)
    assert clients.seen.told == 0


@pytest.mark.parametrize("processes", ["1", "2"])
def test_no_signal_but_one_that_asks_for_the_stop_ends_a_worker_or_what_is_beside_it(
    fleet: Fleet, tmp_path: Path, processes: str
) -> None:
    log, port = tmp_path / "log", free_port()
    worker = fleet.start_worker("--processes", processes, "--http-port", str(port), log=log)
    eventually(lambda: len(logged(log, "working")) == int(processes), "all work", 60)
    eventually(lambda: get(f"http://127.0.0.1:{port}/healthz")[0] == 200, "the dashboard answers", 30)

    for number in ENTRIES:
        os.killpg(worker.pid, number)

    eventually(lambda: bool(logged(log, "jails_reloaded")), "it reads its jails again", 10)
    assert worker.poll() is None
    worker.terminate()
    assert worker.wait(ENDS_WITHIN_S) == 0
    assert not logged(log, "worker_died")
    assert not logged(log, "companion_died")


def test_no_signal_but_one_that_asks_for_the_stop_ends_standalone_mode(
    fleet: Fleet, tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    worker = start(enforcing=False)
    with KeptClients(at_port(fleet.shim_port), 8) as clients:
        eventually(lambda: clients.seen.stored > CLIENTS, "they report", 30)
        for number in ENTRIES:
            os.killpg(worker.pid, number)
        eventually(lambda: bool(logged(tmp_path / "log", "jails_reloaded")), "it reads its jails", 10)
        assert fleet.get("/readyz")[0] == 200
    assert (clients.seen.cut, clients.seen.others, worker.poll()) == ([], [], None)


def test_the_processes_of_a_shim_whose_parent_is_killed_end_and_leave_the_port_to_the_next(fleet: Fleet) -> None:
    fleet.start_shim("--workers", "2")
    assert fleet.shim is not None
    port = fleet.shim_port
    fleet.shim.kill()
    fleet.shim.wait()
    eventually(lambda: fleet.get("/healthz")[0] == 0, "nobody serves any more", ENDS_WITHIN_S)
    fleet.start_shim(port=port)
    assert fleet.get("/readyz")[0] == 200


def a_table(fleet: Fleet, tmp_path: Path, *, with_terminal: bool) -> tuple[subprocess.Popen[bytes], int]:
    """Start `f2b dashboard`, and wait until it answers."""
    port = free_port()
    command = [str(BIN / "f2b"), "dashboard", "--table", NAME, "--ip-set", NAME, "--port", str(port)]
    inner, outer = pty.openpty()
    with (tmp_path / "dashboard.log").open("wb") as sink:
        process = subprocess.Popen(
            command,
            env=fleet.environment,
            stdin=outer if with_terminal else subprocess.DEVNULL,
            stderr=sink,
            start_new_session=True,
        )
    os.close(outer)
    eventually(lambda: get(f"http://127.0.0.1:{port}/healthz")[0] == 200, "it answers", 60)
    fleet.workers.append(process)
    if not with_terminal:
        os.close(inner)
    return process, port


def test_a_dashboard_without_a_terminal_outlives_all_but_a_stop(fleet: Fleet, tmp_path: Path) -> None:
    process, port = a_table(fleet, tmp_path, with_terminal=False)
    for number in ENTRIES:
        process.send_signal(number)
    assert get(f"http://127.0.0.1:{port}/healthz")[0] == 200
    process.terminate()
    assert process.wait(ENDS_WITHIN_S) == 0


def test_a_dashboard_ends_with_its_terminal(fleet: Fleet, tmp_path: Path) -> None:
    process, _ = a_table(fleet, tmp_path, with_terminal=True)
    process.send_signal(signal.SIGHUP)
    assert process.wait(ENDS_WITHIN_S) == -signal.SIGHUP


def test_a_report_that_follows_a_log_outlives_what_rotates_logs_and_sends_what_came_after(
    fleet: Fleet, tmp_path: Path
) -> None:
    log = tmp_path / "app.log"
    add(log, "203.0.113.7")
    with reporter(fleet, log, "--from-start") as process:
        eventually(lambda: fleet.queued() == 1, "it follows", 30)
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM):
            process.send_signal(number)
        log.rename(tmp_path / "app.log.1")
        add(log, "203.0.113.8")
        eventually(lambda: fleet.queued() == 2, "it goes on", 30)
        process.terminate()
        assert process.wait(ENDS_WITHIN_S) == 0
