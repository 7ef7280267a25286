from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from demo.fleet import BIN, NAME, Fleet, eventually
from tests.acceptance.attacks import now_ms, send_bodies

if TYPE_CHECKING:
    from pathlib import Path

    from demo.checker import Ban

pytestmark = pytest.mark.localstack

AGAIN, ONCE = "203.0.113.80", "203.0.113.81"
JAILS = """\
[defaults]
maxretry = 3
bantime = "8s"

[jails.login]

[jails.scan]

[jails.recidive]
recidive = true
maxretry = 2
findtime = "1d"
bantime = "1h"
"""


def explain(fleet: Fleet, config: Path, ip: str, *options: str) -> str:
    """Ask the real command about the jail that bans feed."""
    command = [str(BIN / "f2b"), "explain", ip, "--jail", "recidive", "--table", NAME, "--ip-set", NAME]
    command += ["--config", str(config), *options]
    return subprocess.run(command, env=fleet.environment, check=True, capture_output=True, text=True).stdout


def three(ip: str, jail: str) -> str:
    """Report an address three times, now."""
    return json.dumps([{"ip": ip, "jail": jail, "id": f"{jail}-{n}"} for n in range(3)])


def bans(fleet: Fleet) -> dict[tuple[str, str], Ban]:
    return {(ban.jail, ban.key): ban for ban in fleet.bans()}


def entry(ip: str) -> str:
    return f"{ip}/32"


def test_bans_in_two_jails_are_a_long_ban_that_stays_in_its_ip_set_when_they_have_ended(
    fleet: Fleet, tmp_path: Path
) -> None:
    config = tmp_path / "f2b.toml"  # the fleet's own
    log = tmp_path / "worker.log"
    config.write_text(JAILS)
    fleet.start_worker("--processes", "2", "--unban-lag-s", "0", log=log)
    eventually(lambda: log.exists() and log.read_text().count('"working"') == 2, "both work", 30)
    send_bodies(fleet, [three(AGAIN, "login"), three(ONCE, "login")])
    eventually(lambda: fleet.ip_set_entries() == {entry(AGAIN), entry(ONCE)}, "both are banned", 7, 0.6)
    assert ("recidive", AGAIN) not in bans(fleet)

    send_bodies(fleet, [three(AGAIN, "scan")])
    eventually(lambda: ("recidive", AGAIN) in bans(fleet), "the second ban feeds a third", 20)
    found = bans(fleet)
    login, scan, long = (found[jail, AGAIN] for jail in ("login", "scan", "recidive"))
    eventually(lambda: now_ms() > max(login.until_ms, scan.until_ms), "the short bans end", 15)
    eventually(lambda: entry(ONCE) not in fleet.ip_set_entries(), "what has ended is taken out", 15, 0.6)
    assert fleet.ip_set_entries() == {entry(AGAIN)}
    assert (long.start_ms, long.count, long.length_ms) == (scan.start_ms, 1, 3_600_000)
    assert ("recidive", ONCE) not in found
    _check_that_it_is_explained(fleet, config, [login, scan])


def _check_that_it_is_explained(fleet: Fleet, config: Path, feeding: list[Ban]) -> None:
    text = explain(fleet, config, AGAIN)
    assert text.startswith(f"{AGAIN} in jail recidive")
    assert "banned by jail recidive until " in text
    assert f"IP set     {NAME}-ipv4, as {entry(AGAIN)}" in text
    told: dict[str, Any] = json.loads(explain(fleet, config, AGAIN, "--json"))["jails"][0]
    assert (told["status"], told["jail"]) == ("banned", "recidive")
    assert [(hit["id"], round(hit["time"] * 1000)) for hit in told["ban"]["evidence"]] == [
        (f"{ban.jail} {entry(AGAIN)}", ban.start_ms) for ban in feeding
    ]
    assert json.loads(explain(fleet, config, ONCE, "--json"))["jails"][0]["status"] == "watched"
