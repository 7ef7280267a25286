"""`f2b-shim` as a process, over HTTP, before the local AWS and its faults."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from demo.fleet import BIN, NAME, eventually, free_port
from tests.acceptance.processes import of_process
from tests.log_lines import logged

if TYPE_CHECKING:
    from email.message import Message
    from pathlib import Path

    from demo.fleet import Fleet
    from localstack.faults import FaultKind
    from localstack.local_aws import LocalAws

IP = "203.0.113.7"


def ask(fleet: Fleet, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str, Message]:
    """Send one request to the shim; answer status, text and headers."""
    request = urllib.request.Request(fleet.shim_url + path, data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), error.headers


def test_three_reports_through_the_shim_put_an_address_into_the_ip_set(fleet: Fleet) -> None:
    fleet.start_worker()
    fleet.start_shim()

    for _ in range(3):
        assert fleet.get("/infraction/2001:db8:1:2::3") == (200, "ok\n")

    expanded = "2001:0db8:0001:0002:0000:0000:0000:0000/64"
    eventually(lambda: fleet.ip_set_entries() == {expanded}, "the /64 is in its IP set", 20, 0.6)


def test_one_post_of_three_infractions_is_judged_in_its_jail_and_a_repeated_id_counts_once(fleet: Fleet) -> None:
    fleet.start_worker()
    fleet.start_shim()
    thrice = [{"ip": "198.51.100.1", "jail": "login"}] * 3
    same = [{"ip": "198.51.100.2", "jail": "login", "id": "one"}] * 3

    status, text, _ = ask(fleet, "/infractions", json.dumps(thrice + same).encode())

    assert (status, json.loads(text)) == (200, {"stored": 6})
    fleet.wait_until_judged()
    assert [(ban.jail, ban.key) for ban in fleet.bans()] == [("login", "198.51.100.1")]


@pytest.mark.parametrize("fault", ["error", "throttle", "reset_before", "delay"])
def test_the_shim_answers_503_within_two_seconds_while_the_queue_is_away_and_pretends_nothing(
    fleet: Fleet, local_aws: LocalAws, fault: FaultKind
) -> None:
    fleet.start_shim()
    local_aws.edge.fault("sqs:*", fault, delay_s=20)

    began_s = time.monotonic()
    status, text, headers = ask(fleet, f"/infraction/{IP}")
    took_s = time.monotonic() - began_s

    assert status == 503
    assert "queue" in text
    assert int(headers["Retry-After"]) >= 1
    assert took_s < 2
    assert fleet.get("/readyz")[0] == 503
    assert fleet.get("/healthz")[0] == 200
    local_aws.edge.clear_faults()
    assert fleet.get(f"/infraction/{IP}")[0] == 200
    eventually(lambda: fleet.get("/readyz")[0] == 200, "the shim is ready again", 10)
    assert fleet.queued() == 1


def test_the_shim_refuses_what_is_no_address_with_a_reason(fleet: Fleet) -> None:
    fleet.start_shim()

    status, text = fleet.get("/infraction/10.0.0.0/8")

    assert (status, text) == (400, "'10.0.0.0/8' is a range, not one address\n")
    assert fleet.queued() == 0


def test_many_clients_share_few_sends(fleet: Fleet, local_aws: LocalAws) -> None:
    fleet.start_shim()
    local_aws.edge.reset_calls()

    with ThreadPoolExecutor(16) as clients:
        answers = list(clients.map(lambda n: fleet.get(f"/infraction/198.51.100.{n % 250}"), range(400)))

    assert answers == [(200, "ok\n")] * 400
    assert local_aws.edge.calls()["sqs:SendMessageBatch"] <= 200


def test_a_stop_answers_what_was_taken_and_ends_with_0(fleet: Fleet, local_aws: LocalAws) -> None:
    fleet.start_shim()
    assert fleet.shim
    # Half as long as the shim waits before it sends the same again, which would then be stored twice under one id.
    local_aws.edge.fault("sqs:SendMessageBatch", "delay", delay_s=0.38)

    with ThreadPoolExecutor(8) as clients:
        asking = [clients.submit(fleet.get, f"/infraction/198.51.100.{number}") for number in range(8)]
        eventually(lambda: "sqs:SendMessageBatch" in local_aws.edge.calls(), "a send is under way", 10)
        fleet.shim.send_signal(signal.SIGTERM)
        answers = [each.result() for each in asking]

    assert fleet.shim.wait(10) == 0
    local_aws.edge.clear_faults()
    stored = sum(status == 200 for status, _ in answers)
    # One that had not been read when the stop came is not answered, and not taken.
    assert {status for status, _ in answers} <= {200, 0}
    assert stored >= 1
    assert len(received_ips(fleet)) == stored


def received_ips(fleet: Fleet) -> list[str]:
    """Take every infraction out of the queue."""
    ips: list[str] = []
    while True:
        answer = fleet.sqs.receive_message(QueueUrl=fleet.queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in answer.get("Messages", []):
            pack = json.loads(message["Body"])
            ips += [pack["ip"][place] for place in pack.get("of", range(len(pack["dt_ms"])))]
        if not answer.get("Messages"):
            return ips


def test_several_processes_share_the_port_and_count_together_and_one_that_dies_is_replaced(fleet: Fleet) -> None:
    fleet.start_shim("--workers", "2")
    assert fleet.shim
    # Each connection goes to whichever process takes it first.
    for _ in range(40):
        assert fleet.get(f"/infraction/{IP}")[0] == 200
    assert "f2b_shim_stored_total 40.0" in fleet.get("/metrics")[1]

    first, second = children_of_shim(fleet)
    eventually(lambda: counts_as(first) != set(), "it counts", 60)
    name = counts_as(first)
    os.kill(first, signal.SIGKILL)
    for _ in range(40):
        eventually(lambda: fleet.get(f"/infraction/{IP}")[0] == 200, "the shim answers", 10)
    eventually(lambda: len(children_of_shim(fleet)) == 2, "it has a successor", 10)
    (successor,) = set(children_of_shim(fleet)) - {second}
    eventually(lambda: counts_as(successor) == name, "which counts on in its files", 60)
    assert "f2b_shim_stored_total 80.0" in fleet.get("/metrics")[1]
    fleet.shim.terminate()
    assert fleet.shim.wait(15) == 0


def children_of_shim(fleet: Fleet) -> list[int]:
    assert fleet.shim
    found = ["pgrep", "-P", str(fleet.shim.pid), "-f", "spawn_main"]
    return [int(each) for each in subprocess.run(found, capture_output=True, text=True, check=True).stdout.split()]


def counts_as(process: int) -> set[bytes]:
    """Find the name by which a process counts for all, in the files that it has open."""
    return set(re.findall(rb"/f2b-metrics-\S+_([^_\s]+)\.db", of_process(process, "maps")))


SLOW_START = """
import sys, time
if "--multiprocessing-fork" in sys.orig_argv:
    time.sleep(7)
"""


def test_processes_that_start_slowly_are_let_begin_and_do_not_hold_up_a_stop(fleet: Fleet, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(SLOW_START)
    before = fleet.environment.get("PYTHONPATH", os.environ.get("PYTHONPATH", ""))
    fleet.environment["PYTHONPATH"] = f"{tmp_path}:{before}" if before else str(tmp_path)
    fleet.start_shim("--workers", "2")
    assert fleet.shim
    assert fleet.get(f"/infraction/{IP}") == (200, "ok\n")
    children = subprocess.run(
        ["pgrep", "-P", str(fleet.shim.pid), "-f", "spawn_main"], capture_output=True, text=True, check=True
    ).stdout.split()
    subprocess.run(["kill", "-9", children[0]], check=True)
    time.sleep(1)  # the next one has begun to start
    fleet.shim.terminate()
    assert fleet.shim.wait(5) == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_shim_says_once_where_it_listens_and_without_a_token_that_it_is_open_to_all(
    fleet: Fleet, tmp_path: Path, workers: str
) -> None:
    log = tmp_path / "shim.log"
    fleet.start_shim("--workers", workers, log=log)
    fleet.stop()
    first, line = logged(log)
    assert (first["event"], first["at"]) == ("listening", f"127.0.0.1:{fleet.shim_port}")
    assert first["handed_over"] is False
    assert (first["processes"], first["drain_s"]) == (int(workers), 0.0)
    assert (line["event"], line["level"]) == ("open_to_all", "warning")
    assert "everybody who reaches this port" in line["reason"]


@pytest.mark.parametrize("token", ["", " ", "short", "correct-horse-15,correct-horse-16"])
def test_a_token_that_would_open_the_shim_to_many_is_one_line_and_exit_code_3(fleet: Fleet, token: str) -> None:
    command = [str(BIN / "f2b-shim"), "--queue", NAME, "--host", "127.0.0.1", "-p", str(free_port())]
    environment = fleet.environment | {"F2B_TOKEN": token}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 3
    assert done.stderr.startswith("f2b-shim: --token: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}], ids=["fetch", "origin"]
)
def test_a_page_of_another_site_has_nobody_banned(fleet: Fleet, headers: dict[str, str]) -> None:
    fleet.start_shim()
    assert ask(fleet, f"/infraction/{IP}", None, **headers)[0] == 403
    assert ask(fleet, "/infractions", json.dumps({"ip": IP}).encode(), **headers)[0] == 403
    assert 'f2b_shim_refused_total{reason="cross_site"} 2.0' in fleet.get("/metrics")[1]
    assert fleet.queued() == 0


def test_a_token_from_the_environment_opens_the_shim(fleet: Fleet, tmp_path: Path) -> None:
    old, new = "old-0123456789ab", "new-0123456789ab"
    fleet.environment["F2B_TOKEN"] = f"{old} {new}"
    log = tmp_path / "shim.log"
    fleet.start_shim(log=log)

    assert fleet.get(f"/infraction/{IP}")[0] == 401
    for token in (old, new):
        assert ask(fleet, f"/infraction/{IP}", Authorization=f"Bearer {token}")[0] == 200
    assert fleet.get("/readyz")[0] == 200
    fleet.stop()
    assert "open_to_all" not in log.read_text()


@pytest.mark.parametrize("options", [["--expose-state"], ["-l", "debug"], ["--loglevel", "DEBUG"]])
def test_the_old_services_options_show_the_state(fleet: Fleet, options: list[str]) -> None:
    fleet.start_shim(*options)
    fleet.get(f"/infraction/{IP}")

    assert IP in fleet.get("/state/infractions")[1]
    assert f"/infraction/{IP}" in fleet.get("/state/requests")[1]


def test_a_port_that_is_taken_is_one_line_and_exit_code_3(fleet: Fleet) -> None:
    fleet.start_shim()
    port = fleet.shim_url.rsplit(":", 1)[1]

    command = [str(BIN / "f2b-shim"), "--queue", NAME, "--host", "127.0.0.1", "-p", port]
    second = subprocess.run(
        command, env=fleet.environment, capture_output=True, text=True, timeout=30, check=False
    )

    assert second.returncode == 3
    assert second.stderr == f"f2b-shim: --port {port}: cannot listen: Address already in use\n"
