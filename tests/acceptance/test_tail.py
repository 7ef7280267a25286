"""Real `f2b-report --tail` processes and a real worker: a line read twice bans nobody, and spares nobody."""

from __future__ import annotations

import json
import signal
import subprocess
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from demo.fleet import BIN, NAME, Fleet, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.localstack

ATTACKER, INNOCENT, OTHER = "203.0.113.50", "203.0.113.60", "203.0.113.61"


def add(log: Path, *ips: str, date: str = "") -> None:
    """Write one failed login of each address, in one second."""
    date = date or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    with log.open("a") as file:
        file.writelines(f"{date} login failed from {ip}\n" for ip in ips)


@contextmanager
def reporter(fleet: Fleet, log: Path, *options: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the real command."""
    command = [str(BIN / "f2b-report"), "--tail", str(log), "--queue", fleet.queue_url, "--jail", "login"]
    command += ["--failregex", "^ login failed from <HOST>$", *options]
    said = log.with_name(f"{log.name}.said")
    with (
        said.open("ab") as sink,
        subprocess.Popen(command, env=fleet.environment | environment, stderr=sink) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def sent(place: Path) -> bool:
    return '"turn_end": null' in place.read_text()


def banned(fleet: Fleet) -> set[str]:
    return {ban.key for ban in fleet.bans()}


def test_two_innocents_are_not_banned_by_lines_that_are_read_again_after_kills(
    fleet: Fleet, tmp_path: Path
) -> None:
    log, place = tmp_path / "app.log", tmp_path / "place"
    add(log, INNOCENT)
    fleet.start_worker("--log-level", "error")
    for turn in range(3):
        with reporter(fleet, log, "--from-start", "--state", str(place)) as process:
            eventually(lambda: place.exists() and sent(place), "it has read what was there", 30)
            add(log, *([OTHER] if turn == 0 else []))
            process.send_signal(signal.SIGKILL)
        place.unlink()  # and the place is lost: all is read again
    with reporter(fleet, log, "--from-start", "--state", str(place)):
        add(log, *[ATTACKER] * 3)
        eventually(lambda: banned(fleet) == {ATTACKER}, "the attacker is banned", 30)
    fleet.wait_until_judged()
    assert banned(fleet) == {ATTACKER}


def test_what_is_written_while_the_reporter_is_dead_and_the_log_is_rotated_still_counts(
    fleet: Fleet, tmp_path: Path
) -> None:
    log, place = tmp_path / "app.log", tmp_path / "place"
    add(log, INNOCENT)
    fleet.start_worker("--log-level", "error")
    with reporter(fleet, log, "--state", str(place), "--reporter", "web-1") as process:
        eventually(place.exists, "it follows the log", 30)
        # Evidence stands in time order, and within one second in none: so the first line is older than the others.
        add(log, ATTACKER, date=f"{datetime.now(UTC) - timedelta(seconds=5):%Y-%m-%dT%H:%M:%SZ}")
        eventually(
            lambda: '"turn_ms": null' in place.read_text() and _offset(place) == log.stat().st_size, "read", 30
        )
        process.send_signal(signal.SIGKILL)
    add(log, ATTACKER)
    log.rename(tmp_path / "app.log.1")
    add(log, ATTACKER)
    with reporter(fleet, log, "--state", str(place), "--reporter", "web-2"):
        eventually(lambda: banned(fleet) == {ATTACKER}, "the attacker is banned", 30)
    command = [
        str(BIN / "f2b"),
        "explain",
        ATTACKER,
        "--table",
        NAME,
        "--config",
        str(tmp_path / "f2b.toml"),
        "--json",
    ]
    told = subprocess.run(command, env=fleet.environment, check=True, capture_output=True, text=True).stdout
    evidence = json.loads(told)["jails"][0]["ban"]["evidence"]
    assert [each["reporter"] for each in evidence] == ["web-1", "web-2", "web-2"]


def _offset(place: Path) -> int:
    return int(place.read_text().split('"offset": ')[1].split(",")[0])


@pytest.mark.parametrize("zone", ["UTC-3", "UTC+5"])
def test_who_reports_with_a_wrong_zone_is_still_protected_and_is_told_the_zone_that_fits(
    fleet: Fleet, tmp_path: Path, zone: str
) -> None:
    log, place = tmp_path / "app.log", tmp_path / "place"
    log.touch()
    fleet.start_worker("--log-level", "error")
    with reporter(fleet, log, "--state", str(place), TZ=zone) as process:
        eventually(place.exists, "it follows the log", 30)
        for _ in range(3):
            add(log, ATTACKER, date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S"))
        eventually(lambda: banned(fleet) == {ATTACKER}, "the attacker is banned", 30)
        process.terminate()
        assert process.wait(20) == 0
    said = (tmp_path / "app.log.said").read_text()
    assert said.count("+00:00 would fit") == 1
    assert "3 matched, 3 off clock; sent 3" in said


def test_a_fleet_whose_times_are_wrong_is_told_by_the_worker_with_its_name(fleet: Fleet, tmp_path: Path) -> None:
    log, worker_log = tmp_path / "app.log", tmp_path / "worker.log"
    add(log, *[ATTACKER] * 3, date="2001-01-01T00:00:00Z")
    fleet.start_worker("--max-age", "0", log=worker_log)
    with reporter(fleet, log, "--from-start", "--reporter", "web-1"):
        eventually(lambda: "report_cannot_ban" in worker_log.read_text(), "the worker says so", 30)
    assert '"reporter": "web-1"' in worker_log.read_text() or '"reporter":"web-1"' in worker_log.read_text()
