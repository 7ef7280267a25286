"""The dashboard of a fleet: served by each kind of worker, and by the command from a laptop."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from demo.fleet import BIN, NAME, eventually, free_port
from tests.acceptance.attacks import report, send_bodies
from tests.acceptance.dashboards import SAME_OF_ENFORCER, TOKEN, VARIABLE, Browser, command_of, companions_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from demo.fleet import Fleet

IP = "203.0.113.7"


@pytest.fixture
def browse() -> Iterator[Callable[[int], Browser]]:
    browsers: list[Browser] = []

    def on(port: int) -> Browser:
        browser = Browser(port)
        browsers.append(browser)
        eventually(browser.is_up, "the dashboard answers", 60)
        return browser

    yield on
    for browser in browsers:
        browser.close()


def test_a_pool_serves_one_dashboard_with_the_numbers_of_f2b_status(
    fleet: Fleet, tmp_path: Path, browse: Callable[[int], Browser]
) -> None:
    fleet.environment |= VARIABLE
    port, log = free_port(), tmp_path / "log"
    worker = fleet.start_worker("--processes", "2", "--http-port", str(port), log=log)
    browser = browse(port)
    send_bodies(fleet, report(IP, 3))
    eventually(lambda: IP in browser.banned(), "the ban is on the page", 20)
    eventually(lambda: f"{IP}/32" in fleet.ip_set_entries(), "and in the IP set", 20)
    # A worker gives its first sign of life two seconds after its start, and the page looks every five.
    eventually(lambda: len(browser.json("/status.json")["workers"]) == 2, "both processes have given a sign", 20)
    told = json.loads(fleet.operate("status", "status", "--json", "--queue", NAME))
    shown = browser.json("/status.json")
    assert told.keys() == shown.keys()
    same = ("ok", "problems", "ledger", "bans", "pauses", "generation")
    assert {name: shown[name] for name in same} == {name: told[name] for name in same}
    ours, theirs = shown["enforcers"][0], told["enforcers"][0]
    assert [ours[name] for name in SAME_OF_ENFORCER] == [theirs[name] for name in SAME_OF_ENFORCER]
    assert [each["name"] for each in shown["workers"]] == [each["name"] for each in told["workers"]]

    (first,) = companions_of(worker.pid)
    os.kill(first, signal.SIGKILL)
    eventually(lambda: companions_of(worker.pid) not in ([first], []), "another one runs", 15)
    browser.log_in()
    assert browser.post("/acts/unban", address=IP, back="/").status_code == 303
    eventually(lambda: f"{IP}/32" not in fleet.ip_set_entries(), "it is lifted, out of the IP set, too", 20)

    (second,) = companions_of(worker.pid)
    worker.terminate()
    assert worker.wait(20) == 0
    assert not command_of(second)
    deaths = [line for line in log.read_text().splitlines() if "companion_died" in line]
    assert len(deaths) == 1


@pytest.mark.own_policies
def test_who_runs_the_command_looks_and_acts_with_his_own_credentials_until_ctrl_c(
    fleet: Fleet, tmp_path: Path, browse: Callable[[int], Browser]
) -> None:
    def serve(*options: str) -> tuple[subprocess.Popen[bytes], Browser, Path]:
        port, told = free_port(), tmp_path / f"told-{len(options)}"
        command = [str(BIN / "f2b"), "dashboard", "--port", str(port), "--queue", NAME, "--table", NAME]
        process = fleet._start([*command, "--ip-set", NAME, *options], told, role="dashboard")
        fleet.workers.append(process)
        return process, browse(port), told

    process, browser, told = serve()
    line = f"http://127.0.0.1:{browser.port}/ (read-only: --acts lets you act; Ctrl-C ends it)\n"
    eventually(lambda: told.read_text() == line, "it says where it is", 5)
    for page in ("bans", f"address/{IP}", "top", "enforcer", "queue", "allowlist", "audit"):
        answer = browser.get(f"/{page}")
        assert answer.status_code == 200, page
        assert 'id="read-only"' in answer.text
        assert 'action="/acts/' not in answer.text, page
    assert browser.post("/acts/ban", address=IP).status_code == 403
    process.send_signal(signal.SIGINT)
    assert process.wait(3) == 0

    process, browser, told = serve("--acts")
    eventually(lambda: "token: " in told.read_text(), "it prints a token", 5)
    (token,) = re.findall("log in with this token: (.+)", told.read_text())
    assert browser.post("/login", token=token).status_code == 303
    assert browser.post("/acts/ban", address=IP, reason="by hand", **{"for": "1h"}).status_code == 303
    assert IP in browser.banned()
    audit = browser.get("/audit").text
    assert re.search(r"arn:aws:\S+ \(dashboard\)", audit)
    assert "by hand" in audit
    process.send_signal(signal.SIGTERM)
    assert process.wait(3) in {0, -signal.SIGTERM}


def test_who_only_enforces_serves_it_too(fleet: Fleet, tmp_path: Path, browse: Callable[[int], Browser]) -> None:
    port = free_port()
    command = [str(BIN / "f2b-worker"), "--enforce-only", "--table", NAME, "--ip-set", NAME]
    worker = fleet._start([*command, "--http-port", str(port)], tmp_path / "log", role="enforcer")
    fleet.workers.append(worker)
    browser = browse(port)
    assert browser.json("/status.json")["bans"] == {"total": 0, "jails": {}}
    assert "No queue is named" in browser.get("/queue").text


@pytest.mark.parametrize(
    ("options", "environment", "code", "told"),
    [
        (["--state", "nothing.db"], {}, 3, "f2b: there is no state file nothing.db"),
        (["--port", "0"], {}, 2, "--port"),
        (
            ["--table", "f2b"],
            {"F2B_DASHBOARD_TOKEN": "ann:short"},
            3,
            "F2B_DASHBOARD_TOKEN: the token of ann has 5",
        ),
        (["--table", "f2b"], {"F2B_DASHBOARD_TOKEN": TOKEN}, 3, "F2B_DASHBOARD_TOKEN: write NAME:TOKEN"),
    ],
)
def test_what_is_wrong_is_said_at_the_start(
    tmp_path: Path, options: list[str], environment: dict[str, str], code: int, told: str
) -> None:
    done = _run([str(BIN / "f2b"), "dashboard", *options], environment, tmp_path)
    assert (done.returncode, told in done.stderr) == (code, True), done.stderr
    assert TOKEN not in done.stderr


def test_without_its_packages_one_line_says_what_to_install(tmp_path: Path) -> None:
    without = "import sys; sys.modules['uvicorn'] = None; from f2b_worker.cli import {}; {}()"
    command = [sys.executable, "-c", without.format(*["main_of_operator"] * 2), "dashboard", "--table", "f2b"]
    done = _run(command, {}, tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert "the dashboard needs more packages: install f2b-worker with its extra [dashboard]" in done.stderr


def _run(command: list[str], more: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("F2B_")} | more
    return subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, check=False, timeout=30
    )
