"""Notices of a real fleet and of a standalone worker: told once, whoever dies, and never in the way of a ban."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from demo.fleet import BIN, NAME, eventually, free_port, get
from demo.prove import CONFIG
from tests.notice_receivers import HANG, Receiver, receiver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from demo.fleet import Fleet

TARGETS = """
[notices]
fleet = "shop"
group_wait = "1s"

[notices.good]
to = "webhook"
url = "{good}"
on = ["ban", "dead_letters"]
"""
HANGING = """
[notices.hanging]
to = "webhook"
url = "{hanging}"
"""


@pytest.fixture
def good() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


@pytest.fixture
def hanging() -> Iterator[Receiver]:
    with receiver() as made:
        made.usually = HANG
        yield made


def told(where: Receiver) -> list[str]:
    """Name who was told as banned, each as often as it was."""
    return [ban["ip"] for each in list(where.posted) for ban in each.data["data"]["bans"]]


def ban(fleet: Fleet, *addresses: str) -> None:
    given = "\n".join(addresses)
    command = [str(BIN / "f2b"), "ban", "-f", "-", "--table", NAME, "--for", "1h"]
    subprocess.run(command, env=fleet.environment, input=given, text=True, check=True, capture_output=True)


def standalone(state: Path, config: Path, port: int) -> tuple[list[str], dict[str, str]]:
    """Say how to start a worker on a file: the command and its environment."""
    command = [str(BIN / "f2b-worker"), "--standalone", "--state", str(state), "--config", str(config)]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    return command, {name: value for name, value in os.environ.items() if not name.startswith("F2B_")}


def companion_of(worker: subprocess.Popen[bytes]) -> int:
    """Find the process that tells."""
    found: list[int] = []
    for each in Path(f"/proc/{worker.pid}/task").glob("*/children"):
        for child in each.read_text().split():
            with suppress(FileNotFoundError, ProcessLookupError):
                if b"f2b_worker.notices" in Path(f"/proc/{child}/cmdline").read_bytes():
                    found.append(int(child))
    (pid,) = found
    return pid


def works(log: Path, times: int = 1) -> Callable[[], bool]:
    return lambda: log.exists() and log.read_text().count('"notices_working"') >= times


def start(fleet: Fleet, log: Path, *options: str) -> subprocess.Popen[bytes]:
    worker = fleet.start_worker(*options, log=log)
    eventually(works(log), "notices are told", 60)
    return worker


def test_a_target_that_hangs_for_ever_holds_up_no_ban_and_no_other_target(
    fleet: Fleet, tmp_path: Path, good: Receiver, hanging: Receiver
) -> None:
    config = tmp_path / "f2b.toml"
    config.write_text(CONFIG + TARGETS.format(good=good.url) + HANGING.format(hanging=hanging.url))
    port, log = free_port(), tmp_path / "log"
    worker = start(fleet, log, "--metrics-port", str(port))
    eventually(lambda: bool(places(fleet)) and len(places(fleet)) == 2, "both targets have a place", 30)

    ban(fleet, "203.0.113.7")
    hanging.wait_for(1)
    eventually(lambda: "203.0.113.7/32" in fleet.ip_set_entries(), "it is enforced", 20)
    good.wait_for(1)
    ban(fleet, "203.0.113.8")
    eventually(lambda: "203.0.113.8/32" in fleet.ip_set_entries(), "it is enforced", 20)
    eventually(lambda: told(good) == ["203.0.113.7", "203.0.113.8"], "the other target hears of both", 20)
    assert told(hanging) == ["203.0.113.7"], "it hangs still"
    counted = 'f2b_notices_total{outcome="sent",target="good"} 2.0'
    eventually(lambda: counted in get(f"http://127.0.0.1:{port}/metrics")[1], "the worker counts it", 20)

    # A reload changes the targets; a file that is wrong changes nothing.
    config.write_text(CONFIG + TARGETS.format(good=good.url) + "[notices.wrong]\nto = 'smtp'\n")
    worker.send_signal(signal.SIGHUP)
    eventually(lambda: '"notices_kept"' in log.read_text(), "it is kept", 20)
    config.write_text(CONFIG + TARGETS.format(good=good.url).replace("1s", "5s"))
    worker.send_signal(signal.SIGHUP)
    eventually(lambda: '"notices_reloaded"' in log.read_text(), "it is reloaded", 20)

    # 500 bans at once are one message; the command may take seconds for them.
    good.posted.clear()
    ban(fleet, *(f"198.51.{number // 250}.{number % 250}" for number in range(500)))
    eventually(lambda: len(told(good)) == 500, "all are told", 30)
    assert len(good.posted) == 1
    assert good.posted[0].data["type"] == "f2b.ban"

    good.posted.clear()
    ban(fleet, "203.0.113.9")
    eventually(lambda: told(good) == ["203.0.113.9"], "it is told once", 20)
    assert told(hanging) == ["203.0.113.7"]

    # A process of notices that dies is started again, and tells what came meanwhile.
    os.kill(companion_of(worker), signal.SIGKILL)
    ban(fleet, "203.0.113.10")
    eventually(lambda: told(good)[-1] == "203.0.113.10", "it is told", 40)
    assert told(good) in (["203.0.113.9", "203.0.113.10"], ["203.0.113.9", "203.0.113.9", "203.0.113.10"])
    assert worker.poll() is None


def places(fleet: Fleet) -> list[Any]:
    keys = {":pk": {"S": "notices"}}
    found: list[Any] = fleet.dynamodb.query(
        TableName=NAME, KeyConditionExpression="pk = :pk", ExpressionAttributeValues=keys, ConsistentRead=True
    )["Items"]
    return found


def test_who_takes_over_from_a_killed_worker_tells_one_group_again_at_most_and_loses_none(
    fleet: Fleet, tmp_path: Path, good: Receiver
) -> None:
    (tmp_path / "f2b.toml").write_text(CONFIG + TARGETS.format(good=good.url))
    first = start(fleet, tmp_path / "first")
    eventually(lambda: bool(places(fleet)), "the target has a place", 30)
    start(fleet, tmp_path / "second")
    ban(fleet, "203.0.113.1")
    good.wait_for(1)

    # It dies when the target has the notice, and nobody has noted that.
    eventually(lambda: '"notice_sent"' in (tmp_path / "first").read_text(), "it was taken", 20)
    good.answers.append(HANG)
    ban(fleet, "203.0.113.2")
    good.wait_for(2)
    os.killpg(first.pid, signal.SIGKILL)
    ban(fleet, "203.0.113.3")
    good.released.set()
    eventually(lambda: "203.0.113.3" in told(good), "the heir tells it", 60)
    ban(fleet, "203.0.113.4")
    eventually(lambda: "203.0.113.4" in told(good), "it goes on", 30)
    assert sorted(told(good)) == [
        "203.0.113.1",
        "203.0.113.2",
        "203.0.113.2",
        "203.0.113.3",
        "203.0.113.4",
    ]


def test_a_standalone_worker_tells_bans_and_dead_letters_and_goes_on_after_a_restart(
    tmp_path: Path, good: Receiver
) -> None:
    config, log = tmp_path / "f2b.toml", tmp_path / "log"
    config.write_text("[jails.login]\nmaxretry = 2\n" + TARGETS.format(good=good.url))
    port = free_port()
    command, environment = standalone(tmp_path / "f2b.db", config, port)
    workers = []

    def started(times: int) -> subprocess.Popen[bytes]:
        with log.open("ab") as sink:
            workers.append(subprocess.Popen(command, env=environment, stderr=sink, start_new_session=True))
        eventually(works(log, times), "notices are told", 60)
        eventually(lambda: get(f"http://127.0.0.1:{port}/readyz")[0] == 200, "it is ready", 30)
        return workers[-1]

    def attack(ip: str) -> None:
        for _ in range(2):
            assert get(f"http://127.0.0.1:{port}/infraction/{ip}?jail=login")[0] == 200

    try:
        worker = started(1)
        eventually(lambda: b"notices#good" in (tmp_path / "f2b.db-wal").read_bytes(), "it has a place", 30)
        attack("203.0.113.7")
        eventually(lambda: told(good) == ["203.0.113.7"], "it is told", 30)
        (notice,) = good.posted
        assert notice.data["data"]["bans"][0]["failures"] == 2
        worker.terminate()
        assert worker.wait(20) == 0
        worker = started(2)
        attack("203.0.113.8")
        eventually(lambda: told(good) == ["203.0.113.7", "203.0.113.8"], "it is told once", 30)
        os.kill(companion_of(worker), signal.SIGKILL)
        attack("203.0.113.9")
        eventually(lambda: told(good)[-1] == "203.0.113.9", "it is told", 40)
        # It may have died before it noted what it had told: that is told again.
        assert told(good)[2:] in (["203.0.113.9"], ["203.0.113.8", "203.0.113.9"])
    finally:
        for each in workers:
            with suppress(ProcessLookupError):
                os.killpg(each.pid, signal.SIGKILL)
            each.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_command_that_hangs_ends_with_its_worker_however_that_ends(
    tmp_path: Path, number: signal.Signals
) -> None:
    config, port, pids = tmp_path / "f2b.toml", free_port(), tmp_path / "pids"
    hangs = f"trap '' TERM; echo $$ >> {pids}; sleep 600 & echo $! >> {pids}; wait"
    target = f'[notices]\ngroup_wait = "1s"\n[notices.page]\nto = "command"\ncommand = ["sh", "-c", "{hangs}"]\n'
    config.write_text(f'[jails.login]\nmaxretry = 1\n{target}timeout = "10m"\n')
    command, environment = standalone(tmp_path / "f2b.db", config, port)
    with (tmp_path / "log").open("ab") as sink:
        worker = subprocess.Popen(command, env=environment, stderr=sink, start_new_session=True)
    try:
        eventually(works(tmp_path / "log"), "notices are told", 60)
        eventually(lambda: b"notices#page" in (tmp_path / "f2b.db-wal").read_bytes(), "it has a place", 30)
        eventually(lambda: get(f"http://127.0.0.1:{port}/readyz")[0] == 200, "it is ready", 30)
        assert get(f"http://127.0.0.1:{port}/infraction/203.0.113.7?jail=login")[0] == 200
        eventually(lambda: pids.exists() and len(pids.read_text().split()) == 2, "the command runs", 30)
        worker.send_signal(number)
        worker.wait(20)
        eventually(lambda: not any(map(runs, pids.read_text().split())), "it is gone with its child", 10)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
        for each in pids.read_text().split() if pids.exists() else ():
            with suppress(ProcessLookupError):
                os.kill(int(each), signal.SIGKILL)


def runs(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
