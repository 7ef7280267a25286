"""A stop while something else goes wrong: it ends in time, with code 0, and what was answered 200 is judged."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from demo.fleet import NAME, eventually
from tests.acceptance.kept_clients import KeptClients, at_port
from tests.acceptance.processes import server_of
from tests.acceptance.stops import CLIENTS, DRAIN_S, ENDS_WITHIN_S, in_the_queue, judged, stopped_under
from tests.log_lines import logged

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from demo.fleet import Fleet
    from localstack.local_aws import LocalAws

    Start = Callable[..., subprocess.Popen[bytes]]

PART_DIED = 4


def offenders(fleet: Fleet) -> set[str]:
    """Find the addresses that the table knows."""
    pages = fleet.dynamodb.get_paginator("scan").paginate(TableName=NAME, ConsistentRead=True)
    keys = {item["pk"]["S"] for page in pages for item in page["Items"]}
    return {key.removeprefix("ip#").removesuffix("/32") for key in keys if key.startswith("ip#")}


@pytest.mark.parametrize("again", [False, True], ids=["once", "twice"])
def test_a_stop_of_a_whole_container_cuts_nobody_and_stores_what_it_answers(fleet: Fleet, again: bool) -> None:
    fleet.start_shim("--workers", "2")
    shim = fleet.shim
    assert shim is not None
    with KeptClients(at_port(fleet.shim_port), CLIENTS) as clients:
        eventually(lambda: clients.seen.stored > CLIENTS, "they report", 30)
        os.killpg(shim.pid, signal.SIGTERM)
        if again:
            time.sleep(0.2)
            os.killpg(shim.pid, signal.SIGTERM)
        assert shim.wait(ENDS_WITHIN_S) == 0
        seen = clients.wait()
    assert (seen.cut, seen.others) == ([], [])
    assert in_the_queue(fleet) == Counter(seen.answered)


def test_what_a_shim_that_drains_has_answered_is_judged_though_the_enforcer_dies_and_the_table_is_away(
    fleet: Fleet, local_aws: LocalAws, tmp_path: Path
) -> None:
    fleet.set_visibility_timeout(5)  # of what the dead one had in hand
    enforcer = fleet.start_worker(log=tmp_path / "enforcer.log")
    eventually(lambda: logged(tmp_path / "enforcer.log", "working") != [], "it works", 60)
    fleet.start_worker(log=tmp_path / "heir.log")
    eventually(lambda: logged(tmp_path / "heir.log", "working") != [], "so does another", 60)
    fleet.start_shim("--drain-s", str(DRAIN_S))
    assert fleet.shim is not None
    local_aws.edge.fault("dynamodb:*", "error")
    enforcer.kill()

    seen = stopped_under(KeptClients(at_port(fleet.shim_port), 8, pause_s=0.1), fleet.shim)

    assert (seen.cut, seen.others) == ([], [])
    local_aws.edge.clear_faults()
    fleet.wait_until_judged(120)
    assert offenders(fleet) == set(seen.answered)


@pytest.mark.parametrize("reloads", [1, 20])
def test_standalone_mode_stops_in_order_amid_a_reload_and_reloads_while_it_drains(
    fleet: Fleet, state: Path, tmp_path: Path, start: Start, reloads: int
) -> None:
    fleet.environment["F2B_DRAIN_S"] = str(DRAIN_S)
    worker = start(enforcing=False)
    with KeptClients(at_port(fleet.shim_port), 8) as clients:
        eventually(lambda: clients.seen.stored > CLIENTS, "they report", 30)
        for _ in range(reloads):
            worker.send_signal(signal.SIGHUP)
        worker.terminate()
        eventually(lambda: fleet.get("/readyz") == (503, "stopping\n"), "it is not ready", 10)
        worker.send_signal(signal.SIGHUP)
        assert worker.wait(ENDS_WITHIN_S + DRAIN_S) == 0
        seen = clients.wait()
    assert (seen.cut, seen.others) == ([], [])
    log = tmp_path / "log"
    assert logged(log, "jails_reloaded")
    assert "Traceback" not in log.read_text()
    assert not logged(log, "stopped_late")
    start(enforcing=False)
    assert judged(state) == Counter(seen.answered)


def test_a_worker_that_is_stopped_amid_a_reload_ends_with_0(fleet: Fleet, tmp_path: Path) -> None:
    log = tmp_path / "log"
    worker = fleet.start_worker("--processes", "2", log=log)
    eventually(lambda: len(logged(log, "working")) == 2, "both work", 60)
    os.killpg(worker.pid, signal.SIGHUP)
    os.killpg(worker.pid, signal.SIGTERM)
    assert worker.wait(ENDS_WITHIN_S) == 0
    assert "Traceback" not in log.read_text()
    assert not logged(log, "stopped_late")


def test_standalone_mode_that_drains_while_waf_is_away_ends_in_time_and_judges_what_it_answered(
    fleet: Fleet, local_aws: LocalAws, state: Path, start: Start
) -> None:
    fleet.environment["F2B_DRAIN_S"] = str(DRAIN_S)
    worker = start()
    local_aws.edge.fault("wafv2:*", "error")
    seen = stopped_under(KeptClients(at_port(fleet.shim_port), 8), worker)
    assert (seen.cut, seen.others) == ([], [])
    local_aws.edge.clear_faults()
    start()
    assert judged(state) == Counter(seen.answered)


@pytest.mark.parametrize("dies", ["the judge", "the process that serves"])
def test_what_standalone_mode_answered_before_one_of_its_processes_died_in_a_drain_is_judged_after_the_restart(
    fleet: Fleet, state: Path, start: Start, dies: str
) -> None:
    fleet.environment["F2B_DRAIN_S"] = "600"
    worker = start(enforcing=False)
    with KeptClients(at_port(fleet.shim_port), 8) as clients:
        eventually(lambda: clients.seen.stored > CLIENTS, "they report", 30)
        worker.terminate()
        eventually(lambda: fleet.get("/readyz") == (503, "stopping\n"), "it is not ready", 10)
        os.kill(worker.pid if dies == "the judge" else server_of(worker), signal.SIGKILL)
        assert worker.wait(ENDS_WITHIN_S) == (-signal.SIGKILL if dies == "the judge" else PART_DIED)
        seen = clients.wait()
    fleet.environment.pop("F2B_DRAIN_S")
    start(enforcing=False)
    found, answered = judged(state), Counter(seen.answered)
    assert not answered - found
    assert (found - answered).total() <= len(seen.cut), "more is there than was asked for"
