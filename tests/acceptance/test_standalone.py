"""`f2b-worker --standalone` as a process: HTTP in, the local AWS's IP sets out."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demo.checker import Ban, difference, expected
from demo.fleet import BIN, eventually
from demo.prove import RULES, compared, running_entries
from f2b_worker.signals import ORDERS
from tests.acceptance.attacks import REPLAY, now_ms, real_attack, stream_of_reports
from tests.acceptance.processes import server_of
from tests.acceptance.test_shim import ask
from tests.log_lines import logged

if TYPE_CHECKING:
    from collections.abc import Callable

    from demo.checker import Infraction
    from demo.fleet import Fleet
    from localstack.local_aws import LocalAws

POSTED_AT_ONCE = 500


def command(fleet: Fleet, *arguments: str, program: str = "f2b") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BIN / program), *arguments], env=fleet.environment, capture_output=True, text=True, check=False
    )


def query(state: Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(state)) as file:
        return file.execute(statement).fetchall()


def bans_in(state: Path) -> list[Ban]:
    """Read every ban, not through the worker's code."""
    found = []
    for key, jail, text in query(state, "SELECT key, jail, ban FROM history ORDER BY start_ms"):
        found.append(Ban(jail, key.removesuffix("/32"), *json.loads(text)[:5]))
    return found


def wait_until_judged(state: Path) -> None:
    eventually(lambda: query(state, "SELECT count(*) FROM inbox") == [(0,)], "all is judged", 60)


def post(fleet: Fleet, infractions: list[Infraction]) -> None:
    for first in range(0, len(infractions), POSTED_AT_ONCE):
        part = infractions[first : first + POSTED_AT_ONCE]
        items = [
            {"ip": one.ip, "jail": one.jail, "at": one.at_ms / 1000, "id": f"i{first + place}"}
            for place, one in enumerate(part)
        ]
        status, text, _ = ask(fleet, "/infractions", json.dumps(items).encode())
        assert (status, json.loads(text)) == (200, {"stored": len(part)})


def test_a_real_attack_by_http_gives_exactly_the_oracles_bans_and_ip_sets(
    fleet: Fleet, oracle: Path, state: Path, start: Callable[..., Any]
) -> None:
    infractions = real_attack(oracle, "elasticssh")
    wanted = expected(infractions, RULES)
    start(*REPLAY)

    post(fleet, infractions)
    wait_until_judged(state)

    assert difference(bans_in(state), wanted) == []
    eventually(lambda: compared(fleet.ip_set_entries()) == running_entries(wanted), "equal IP sets", 15, 0.6)


def test_what_was_answered_200_is_judged_after_a_kill_and_no_ban_is_lifted(
    fleet: Fleet, local_aws: LocalAws, state: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    doomed = start()
    for _ in range(3):
        assert fleet.get("/infraction/203.0.113.9")[0] == 200
    eventually(lambda: "203.0.113.9/32" in fleet.ip_set_entries(), "it is enforced", 30, 0.6)
    with stream_of_reports(fleet) as answered:
        doomed.kill()
        doomed.wait()

    assert fleet.get("/")[0] == 0, "the process that serves has outlived the worker, and answers for nobody"
    updates = local_aws.edge.calls()["wafv2:UpdateIPSet"]
    assert "203.0.113.9/32" in fleet.ip_set_entries()
    start()
    wait_until_judged(state)

    judged = query(state, "SELECT key FROM offenders WHERE hits != '[]'")
    assert {f"{ip}/32" for ip in answered} <= {key for (key,) in judged}
    assert [ban.key for ban in bans_in(state)] == ["203.0.113.9"]
    time.sleep(2)  # longer than its first update could be paced
    assert local_aws.edge.calls()["wafv2:UpdateIPSet"] == updates
    assert "203.0.113.9/32" in fleet.ip_set_entries()
    assert fleet.get("/infraction/203.0.113.9")[0] == 200


def test_sigterm_ends_it_with_code_0_lifts_nothing_and_gives_the_port_back(
    fleet: Fleet, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    process = start()
    for _ in range(3):
        fleet.get("/infraction/203.0.113.8")
    eventually(lambda: "203.0.113.8/32" in fleet.ip_set_entries(), "it is enforced", 30, 0.6)

    process.send_signal(signal.SIGTERM)

    assert process.wait(10) == 0
    assert fleet.get("/")[0] == 0
    assert "203.0.113.8/32" in fleet.ip_set_entries()


def test_signals_to_both_processes_end_it_with_code_0(start: Callable[..., subprocess.Popen[bytes]]) -> None:
    process = start()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        os.killpg(process.pid, number)

    assert process.wait(10) == 0


def test_the_death_of_the_process_that_serves_ends_all_of_it_with_code_4(
    tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    log = tmp_path / "log"
    process = start(enforcing=False)
    os.kill(server_of(process), signal.SIGKILL)
    assert process.wait(15) == 4
    (line,) = logged(log, "part_died")
    assert "exit code -9" in line["reason"]
    assert "Traceback" not in log.read_text()


def test_a_signal_to_the_process_that_serves_ends_nothing_until_the_worker_stops(
    fleet: Fleet, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    process = start(enforcing=False)
    server = server_of(process)

    for number in ORDERS:
        os.kill(server, number)

    status = Path(f"/proc/{server}/status").read_text("ascii")
    waiting = int(status.split("ShdPnd:")[1].split()[0], 16)
    assert {number for number in ORDERS if waiting >> (number - 1) & 1} == ORDERS
    assert fleet.get("/infraction/203.0.113.8")[0] == 200
    process.terminate()
    assert process.wait(10) == 0


def test_commands_look_into_the_file_while_it_works(
    fleet: Fleet, state: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    start()
    for _ in range(3):
        fleet.get("/infraction/203.0.113.6")
    wait_until_judged(state)

    shown = command(fleet, "list", "--state", str(state), "--json")
    assert [each["ip"] for each in json.loads(shown.stdout)["bans"]] == ["203.0.113.6"]
    assert "203.0.113.6" in command(fleet, "explain", "203.0.113.6", "--state", str(state)).stdout
    released = command(fleet, "release", "--state", str(state))
    assert "no bans are held back" in released.stdout


def test_a_copy_made_while_it_takes_infractions_has_the_bans_and_another_worker_goes_on_with_it(
    fleet: Fleet, state: Path, tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    start(enforcing=False)
    banned = [f"198.51.100.{number}" for number in range(50)]
    assert ask(fleet, "/infractions", json.dumps([{"ip": ip} for ip in banned * 3]).encode())[0] == 200
    wait_until_judged(state)

    copied = tmp_path / "copy.db"
    with ThreadPoolExecutor(4) as clients:
        asking = [clients.submit(fleet.get, f"/infraction/203.0.113.{number % 250}") for number in range(400)]
        query(state, f"VACUUM INTO '{copied}'")
        assert {each.result() for each in asking} == {(200, "ok\n")}
    fleet.stop()
    copied.replace(state)
    for each in ("-wal", "-shm"):
        state.with_name(state.name + each).unlink(missing_ok=True)
    start(enforcing=False)

    shown = command(fleet, "list", "--state", str(state), "--json").stdout
    assert {each["ip"] for each in json.loads(shown)["bans"]} >= set(banned)
    assert fleet.get("/infraction/192.0.2.77") == (200, "ok\n")


def test_a_release_lets_in_what_the_surge_guard_holds_back(
    fleet: Fleet, state: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    start("--max-new-bans-per-minute", "1")
    for number in range(3):
        items = [{"ip": f"198.51.100.{number}", "id": f"{number}-{each}"} for each in range(3)]
        assert ask(fleet, "/infractions", json.dumps(items).encode())[0] == 200
    wait_until_judged(state)
    eventually(lambda: query(state, "SELECT name FROM notes WHERE name = 'surge'") != [], "the guard trips", 20)
    assert len(fleet.ip_set_entries()) < 3

    released = command(fleet, "release", "--state", str(state))

    assert "released what was held back" in released.stdout
    eventually(lambda: len(fleet.ip_set_entries()) == 3, "all are in", 30, 0.6)


def test_new_jails_hold_from_sighup_on(
    fleet: Fleet, state: Path, tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    process = start(enforcing=False)
    (tmp_path / "f2b.toml").write_text("[defaults]\nmaxretry = 1\n")
    process.send_signal(signal.SIGHUP)
    eventually(lambda: "jails_reloaded" in (tmp_path / "log").read_text(), "the jails are read again", 10)
    fleet.get("/infraction/203.0.113.5")
    eventually(lambda: [ban.key for ban in bans_in(state)] == ["203.0.113.5"], "one is enough", 10)


def test_two_on_one_file_and_two_on_one_port_are_refused_in_one_line(
    fleet: Fleet, state: Path, tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    start(enforcing=False)
    port = fleet.shim_url.rsplit(":", 1)[1]
    same_file = command(fleet, "--standalone", "--state", str(state), program="f2b-worker")
    assert (same_file.returncode, same_file.stderr.count("\n")) == (3, 1)
    assert "in use by another f2b-worker" in same_file.stderr
    options = ("--state", str(tmp_path / "other.db"), "--host", "127.0.0.1", "--port", port)
    same_port = command(fleet, "--standalone", *options, program="f2b-worker")
    assert (same_port.returncode, same_port.stderr.count("\n")) == (3, 1)
    assert f"port {port}" in same_port.stderr


def test_what_is_wrong_with_an_infraction_is_kept_with_the_reason(
    fleet: Fleet, state: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    start(enforcing=False)
    old = [{"ip": "203.0.113.4", "at": now_ms() / 1000 - 30 * 86_400}]
    assert ask(fleet, "/infractions", json.dumps(old).encode())[0] == 200
    wait_until_judged(state)
    ((reason, detail),) = query(state, "SELECT reason, detail FROM dead_letters")
    assert (reason, detail) == ("too_old", "it is older than max_age")


BROKEN_ROWS = """
UPDATE offenders SET ban = '[1, 2' WHERE key = '203.0.113.10/32';
UPDATE offenders SET hits = CAST(x'fffe' AS TEXT), changed = 'later' WHERE key = '203.0.113.11/32';
UPDATE offenders SET kept_until_day = 'long', changed = 9223372036854775807 WHERE key = '203.0.113.12/32';
UPDATE notes SET content = '[5' WHERE name LIKE 'foreign#%';
INSERT OR REPLACE INTO notes VALUES ('us-east-1', 'surge', 'x'), ('us-east-1', 'swept', '[]');
INSERT INTO inbox (body, sent_at_ms) VALUES (x'fffe', 'yesterday');
"""


def test_rows_that_cannot_be_read_cost_nobody_else_anything(
    fleet: Fleet, state: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    worker = start()
    banned = [f"203.0.113.{number}" for number in (10, 11, 12, 13)]
    for ip in banned * 5:
        assert fleet.get(f"/infraction/{ip}")[0] == 200
    held = {f"{ip}/32" for ip in banned}
    eventually(lambda: fleet.ip_set_entries() == held, "they are enforced", 30, 0.6)
    worker.terminate()
    assert worker.wait(15) == 0
    with closing(sqlite3.connect(state)) as file:
        file.executescript(BROKEN_ROWS)

    worker = start()
    for ip in (*banned, "203.0.113.20") * 5:
        assert fleet.get(f"/infraction/{ip}")[0] == 200
    wait_until_judged(state)

    wanted = held | {"203.0.113.20/32"}
    eventually(lambda: fleet.ip_set_entries() >= wanted, "others are banned, nothing is lifted", 30, 0.6)
    assert worker.poll() is None
    reasons = {reason for (reason,) in query(state, "SELECT DISTINCT reason FROM dead_letters")}
    assert reasons == {"state_unreadable", "not_json"}
    told = command(fleet, "list", "--state", str(state), "--json")
    states = {each["ip"]: each["state"] for each in json.loads(told.stdout)["bans"]}
    assert states == {"203.0.113.10": "unreadable", **dict.fromkeys([*banned[1:], "203.0.113.20"])}
    assert "Traceback" not in told.stderr
