from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from demo.fleet import eventually
from tests.acceptance.attacks import send_bodies

if TYPE_CHECKING:
    from pathlib import Path

    from demo.fleet import Fleet


def banned(fleet: Fleet) -> set[str]:
    return {ban.key for ban in fleet.bans()}


def test_sighup_reloads_the_jails_and_a_bad_file_keeps_them(fleet: Fleet, tmp_path: Path) -> None:
    config, log = tmp_path / "f2b.toml", tmp_path / "worker.log"
    worker = fleet.start_worker("--processes", "2", log=log)
    eventually(lambda: log.exists() and log.read_text().count('"working"') == 2, "both work", 30)

    config.write_text("[defaults]\nmaxretry = 1\n")
    worker.send_signal(signal.SIGHUP)
    eventually(lambda: log.read_text().count("jails_reloaded") == 2, "both reload", 10)
    config.write_text("[defaults]\nmaxretry = 0\n")
    worker.send_signal(signal.SIGHUP)
    eventually(lambda: log.read_text().count("jails_kept") == 2, "both keep what they have", 10)

    assert "defaults.maxretry" in log.read_text()
    send_bodies(fleet, ['{"ip": "203.0.113.9"}'])
    eventually(lambda: banned(fleet) == {"203.0.113.9"}, "one report bans", 10)
