from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from demo.fleet import eventually
from tests.acceptance.attacks import send_bodies

if TYPE_CHECKING:
    from pathlib import Path

    from demo.fleet import Fleet

pytestmark = pytest.mark.own_policies


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


COLLAPSE = """\
[defaults]
maxretry = 1

[blocklists.block]
collapse = { at_least = 4 }
"""


def test_a_reload_that_spares_somebody_in_a_collapsed_network_takes_it_apart(fleet: Fleet, tmp_path: Path) -> None:
    config, log = tmp_path / "f2b.toml", tmp_path / "worker.log"
    config.write_text(COLLAPSE)
    worker = fleet.start_worker("--unban-lag-s", "60", log=log)
    crowd = [f"203.0.113.{number}" for number in range(1, 6)]
    send_bodies(fleet, [f'{{"ip": "{ip}"}}' for ip in crowd])
    eventually(lambda: "203.0.113.0/24" in fleet.ip_set_entries(), "they collapse", 40)

    config.write_text(f"{COLLAPSE}\n[jails.login]\nignoreip = ['203.0.113.50']\n")
    worker.send_signal(signal.SIGHUP)
    alone = {f"{ip}/32" for ip in crowd}
    eventually(lambda: fleet.ip_set_entries() == alone, "each is banned alone", 15)

    send_bodies(fleet, ['{"ip": "203.0.113.9"}', '{"ip": "203.0.113.50", "jail": "login"}'])
    eventually(lambda: fleet.ip_set_entries() == {*alone, "203.0.113.9/32"}, "nobody collapses there", 15)


class Replay:
    """`f2b replay` that has opened its file, and waits for what is in it."""

    def __init__(self, folder: Path, *before: str) -> None:
        pipe = folder / "attack.ndjson"
        os.mkfifo(pipe)
        command = [*before, sys.executable, "-m", "f2b_worker.cli", "replay", str(pipe)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._pipe = -1
        eventually(lambda: self._open(pipe), "it reads", 30)

    def _open(self, pipe: Path) -> bool:
        with suppress(OSError):  # nobody reads yet
            self._pipe = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        return self._pipe >= 0

    def end_file(self) -> None:
        os.close(self._pipe)


@pytest.mark.parametrize(("before", "code"), [((), -signal.SIGHUP), (("nohup",), 0)])
def test_a_command_that_is_no_worker_ends_with_its_terminal_unless_it_is_told_not_to(
    tmp_path: Path, before: tuple[str, ...], code: int
) -> None:
    replay = Replay(tmp_path, *before)
    replay.process.send_signal(signal.SIGHUP)
    replay.end_file()
    assert replay.process.wait(30) == code
