"""An attacker with more addresses than an IP set holds keeps nobody out: through a real worker process."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING

from demo.fleet import BIN, NAME, eventually
from f2b_worker.domain.addresses import parse_address
from f2b_worker.domain.networks import Networks
from tests.acceptance.attacks import send_bodies

if TYPE_CHECKING:
    from pathlib import Path

    from demo.fleet import Fleet

SITE = [f"2a00:1234:5678:{place * 6:x}::/64" for place in range(10_500)]
HOURS_BACK = 20


def import_list(fleet: Fleet, file: Path, lines: list[str]) -> None:
    file.write_text("\n".join(lines))
    command = [str(BIN / "f2b"), "import", str(file), "--for", "365d", "--table", NAME, "--yes"]
    subprocess.run(command, env=fleet.environment, check=True, capture_output=True)


def attack(fleet: Fleet, address: str) -> None:
    now_s = time.time()
    hits = [{"ip": address, "at": now_s - n / 10, "id": f"{address}-{n}", "weight": 5} for n in range(2)]
    send_bodies(fleet, [json.dumps(hits)])


def is_blocked(fleet: Fleet, address: str) -> bool:
    return Networks(fleet.ip_set_entries()).covers(parse_address(address))


def test_ten_thousand_of_one_site_neither_take_others_out_nor_keep_them_out(fleet: Fleet, tmp_path: Path) -> None:
    fleet.start_worker()
    attack(fleet, "2a02:1::1")
    eventually(lambda: is_blocked(fleet, "2a02:1::1"), "who came before the attack is in the set", 30, 0.5)

    import_list(fleet, tmp_path / "site.txt", SITE)
    eventually(
        lambda: is_blocked(fleet, SITE[-1].replace("::/64", "::1")), "the last of the site is in, too", 90, 1
    )
    attack(fleet, "2a02:2::1")

    eventually(lambda: is_blocked(fleet, "2a02:2::1"), "who comes after it is in the set", 30, 0.5)
    assert is_blocked(fleet, "2a02:1::1")


def test_hundreds_that_are_dated_over_a_day_do_not_pass_a_limit_of_fifty_a_minute(
    fleet: Fleet, tmp_path: Path
) -> None:
    log = tmp_path / "worker.log"
    config = tmp_path / "f2b.toml"
    config.write_text('[defaults]\nmaxretry = 1\nbantime = "7d"\n')
    fleet.start_worker("--max-new-bans-per-minute", "50", "--max-age", "86400", "--config", str(config), log=log)
    now_s = time.time()
    hits = [
        {
            "ip": f"45.0.{number // 200}.{number % 200}",
            "at": now_s - number * 3600 * HOURS_BACK / 600,
            "id": str(number),
        }
        for number in range(600)
    ]

    send_bodies(fleet, [json.dumps(hits)])
    eventually(lambda: len(fleet.bans()) == 600, "all are judged", 60)
    eventually(lambda: "f2b release" in log.read_text(), "the alarm says what to do", 30)

    time.sleep(3)  # longer than an enforcer takes
    assert fleet.ip_set_entries() == set()
