from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from demo.fleet import BIN, NAME, Fleet, eventually
from tests.acceptance.attacks import send_bodies

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.localstack

IP = "203.0.113.50"


def explain(fleet: Fleet, config: Path, *options: str) -> str:
    """Ask the real command."""
    command = [str(BIN / "f2b"), "explain", IP, "--table", NAME, "--config", str(config), *options]
    return subprocess.run(command, env=fleet.environment, check=True, capture_output=True, text=True).stdout


def test_after_three_reports_the_command_explains_the_ban_and_names_its_ip_set(
    fleet: Fleet, tmp_path: Path
) -> None:
    config = tmp_path / "f2b.toml"  # the fleet's own
    fleet.start_worker()
    send_bodies(
        fleet,
        [
            json.dumps(
                [{"ip": IP, "jail": "login", "id": f"report-{n}", "note": f"GET /{n}\x1b[2J"} for n in range(3)]
            )
        ],
    )
    eventually(lambda: fleet.ip_set_entries() == {f"{IP}/32"}, "the ban is in its IP set", 20, 0.6)

    text = explain(fleet, config, "--ip-set", NAME)
    found = json.loads(explain(fleet, config, "--ip-set", NAME, "--json"))["jails"][0]
    (stored,) = fleet.bans()

    assert text.startswith(f"{IP} in jail login")
    assert "banned by jail login until " in text
    assert "3 infractions within 10m, the last at " in text
    assert f"IP set     {NAME}-ipv4, as {IP}/32" in text
    assert (found["status"], found["jail"], found["ip"]) == ("banned", "login", IP)
    assert [round(found["ban"][name] * 1000) for name in ("start", "until")] == [stored.start_ms, stored.until_ms]
    assert [hit["id"] for hit in found["ban"]["evidence"]] == ["report-0", "report-1", "report-2"]
    assert [hit["note"] for hit in found["ban"]["evidence"]] == [f"GET /{n} [2J" for n in range(3)]
    assert "report-2: GET /2 [2J\n" in text
    assert found["ip_sets"] == [
        {"name": f"{NAME}-ipv4", "entry": f"{IP}/32", "blocklist": "block", "foreign": False}
    ]
