"""Bodies that mean harm, sent to a real `f2b-shim`: its memory, its answers, and a health check beside them."""

from __future__ import annotations

import gzip
import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from demo.fleet import Fleet

FAULTS = 30_000
ANSWER_BYTES_MAX = 64 * 1024
AT_ONCE = 4
MEMORY_MB_MAX = 60
"""What four of them may add: their bodies, copies of these, and room for a neighbour. Before, one of 512 KB took
210 MB."""

HEALTH_CHECK_S_MAX = 1.0
"""A slice is 4 ms; the rest is for neighbours that want the same cores. Before, a check waited for 7 s."""

NDJSON = {"Content-Type": "application/x-ndjson"}
GOOD = b'{"ip":"198.51.100.7"}'


def peak_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6


def send(url: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=120)
    connection.request("POST", "/infractions", body, headers)
    answer = connection.getresponse()
    told = answer.status, answer.read()
    connection.close()
    return told


def slowest_check_s(fleet: Fleet, until: list[bool]) -> float:
    slowest_s = 0.0
    while not until:
        began_s = time.monotonic()
        assert fleet.get("/healthz") == (200, "ok\n")
        slowest_s = max(slowest_s, time.monotonic() - began_s)
        time.sleep(0.01)
    return slowest_s


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"x\n" * FAULTS + GOOD, NDJSON),
        (gzip.compress(b"[" + b"{}," * FAULTS + GOOD + b"]"), {"Content-Encoding": "gzip"}),
    ],
    ids=["lines that are no JSON", "a list of nothing in gzip"],
)
def test_bodies_of_nothing_but_faults_cost_little_memory_and_keep_nobody_waiting(
    fleet: Fleet, body: bytes, headers: dict[str, str]
) -> None:
    fleet.start_shim()
    assert fleet.shim
    before_mb = peak_mb(fleet.shim.pid)
    done: list[bool] = []
    with ThreadPoolExecutor(AT_ONCE + 1) as threads:
        checking = threads.submit(slowest_check_s, fleet, done)
        try:
            answers = list(threads.map(lambda _: send(fleet.shim_url, body, headers), range(AT_ONCE)))
        finally:
            done.append(True)
        slowest_s = checking.result()

    for status, told in answers:
        assert (status, json.loads(told)["stored"]) == (207, 1)
        assert sum(json.loads(told)["refused"].values()) == FAULTS
        assert len(told) < ANSWER_BYTES_MAX
    assert fleet.queued() >= 1
    assert peak_mb(fleet.shim.pid) - before_mb < MEMORY_MB_MAX
    assert slowest_s < HEALTH_CHECK_S_MAX


def test_a_bomb_in_gzip_is_refused_before_it_is_unpacked(fleet: Fleet) -> None:
    fleet.start_shim()
    assert fleet.shim
    before_mb = peak_mb(fleet.shim.pid)
    bomb = gzip.compress(b"[" * 100_000_000)

    assert send(fleet.shim_url, bomb, {"Content-Encoding": "gzip"})[0] == 413

    assert peak_mb(fleet.shim.pid) - before_mb < MEMORY_MB_MAX
    assert fleet.get("/healthz") == (200, "ok\n")
