"""What people do by hand reaches IP sets and judges while workers run: real processes on the local AWS."""

from __future__ import annotations

import json
import subprocess
import time
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from demo.fleet import BIN, NAME, eventually, free_port, get
from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.dynamodb.acts.acts import DynamoActs
from f2b_worker.adapters.sqlite.acts import open_acts
from f2b_worker.domain.acts.act import Act, Verb
from f2b_worker.domain.acts.allowlist import AllowEntry
from f2b_worker.domain.acts.control import EVERY_BLOCKLIST
from f2b_worker.domain.acts.hand_bans import MANUAL_JAIL, Order
from f2b_worker.domain.judge.verdicts import OffenderId
from f2b_worker.domain.networks import Networks
from tests.acceptance.attacks import now_ms, report, send_bodies
from tests.acceptance.killing import Killing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from demo.fleet import Fleet
    from f2b_worker.ports import Acts

RANGE, INSIDE, OUTSIDE = "203.0.113.0/24", "203.0.113.77/32", "198.51.100.9/32"
PIECES = set(Networks([INSIDE]).rest_of(RANGE))
SOON_S = 10.0
"""Two seconds are promised; a machine that tests run on may be busy."""


class Hands:
    """An operator, who does one thing after the other."""

    def __init__(self, acts: Acts) -> None:
        self.acts = acts
        self._numbers = count(1)

    def act(self, verb: Verb, *what: str) -> Act:
        return Act(f"act-{next(self._numbers)}", now_ms(), "jane@console", verb, what)

    def ban(self, key: str) -> None:
        who = OffenderId(MANUAL_JAIL, key)
        answers = self.acts.ban(self.act(Verb.BAN, key), {who: Order()})
        assert not isinstance(answers[who], Exception), answers

    def lift(self, key: str) -> None:
        answers = self.acts.lift(self.act(Verb.UNBAN, key), self.acts.jails_of(key))
        assert not any(isinstance(each, Exception) for each in answers.values()), answers

    def allow(self, network: str, seconds: float | None = None) -> None:
        until_ms = None if seconds is None else now_ms() + round(1000 * seconds)
        self.acts.allow(self.act(Verb.ALLOW, network), [AllowEntry(network, until_ms)])

    def disallow(self, network: str) -> None:
        self.acts.disallow(self.act(Verb.DISALLOW, network), [network])


@pytest.fixture
def hands(fleet: Fleet) -> Iterator[Hands]:
    acts = DynamoActs(fleet.dynamodb, NAME, SystemClock())
    yield Hands(acts)
    acts.close()


def f2b(fleet: Fleet, *arguments: str) -> str:
    command = [str(BIN / "f2b"), *arguments, "--table", NAME]
    return subprocess.run(command, env=fleet.environment, check=True, capture_output=True, text=True).stdout


def test_a_banned_range_is_parted_joined_and_lifted_while_workers_are_killed(fleet: Fleet) -> None:
    options = ("--unban-lag-s", "1")
    for _ in range(3):
        fleet.start_worker(*options)
    with Killing(fleet, *options) as killing:
        f2b(fleet, "ban", RANGE, "198.51.100.9", "--forever", "--ip-set", NAME, "--wait", "2m")
        assert fleet.ip_set_entries() == {RANGE, OUTSIDE}
        f2b(fleet, "allow", "add", "203.0.113.77")
        becomes(fleet, PIECES | {OUTSIDE}, "it is parted around who is allowed")
        send_bodies(fleet, report("203.0.113.77", 10) + report("203.0.113.78", 10) + report("198.51.100.10", 10))
        becomes(fleet, PIECES | {OUTSIDE, "203.0.113.78/32", "198.51.100.10/32"}, "nobody allowed is banned")
        f2b(fleet, "allow", "remove", "203.0.113.77")
        # The pieces, no longer wanted, may stay for fifteen seconds after each takeover, as all that ended does.
        joined = {RANGE, OUTSIDE, "203.0.113.78/32", "198.51.100.10/32"}
        becomes(fleet, joined, "it is joined again", but_for=PIECES)
        f2b(fleet, "unban", RANGE, "--ip-set", NAME, "--wait", "2m")
        becomes(fleet, {OUTSIDE, "203.0.113.78/32", "198.51.100.10/32"}, "it is gone, and what overlaps it is not")
        f2b(fleet, "unban", "203.0.113.78", "--ip-set", NAME, "--wait", "2m")
        becomes(fleet, {OUTSIDE, "198.51.100.10/32"}, "that, too")
        eventually(lambda: killing.killed >= 5, "enough are killed", 60)
    verbs = [each["verb"] for each in json.loads(f2b(fleet, "audit", "--json"))["acts"]]
    assert verbs == ["unban", "unban", "disallow", "allow", "ban"]
    verbs = [each["verb"] for each in json.loads(f2b(fleet, "audit", "--ip", RANGE, "--json"))["acts"]]
    assert verbs == ["unban", "ban"]


def becomes(fleet: Fleet, entries: set[str], what: str, *, but_for: Iterable[str] = ()) -> None:
    # Whoever succeeds a killed holder waits for eight seconds first.
    eventually(lambda: fleet.ip_set_entries().difference(but_for) == entries, what, 60, 0.8)


def test_a_lift_a_pause_and_an_entry_that_ends_are_heard_while_the_worker_runs(fleet: Fleet, hands: Hands) -> None:
    port = free_port()
    fleet.start_worker("--unban-lag-s", "60", "--metrics-port", str(port))
    hands.ban(RANGE)
    hands.ban(OUTSIDE)
    eventually(lambda: fleet.ip_set_entries() == {RANGE, OUTSIDE}, "both are in", 30)

    hands.lift(OUTSIDE)
    eventually(lambda: fleet.ip_set_entries() == {RANGE}, "one is lifted at once", SOON_S)

    hands.acts.pause(hands.act(Verb.PAUSE), EVERY_BLOCKLIST, now_ms() + 20_000)
    url = f"http://127.0.0.1:{port}"
    eventually(lambda: "blocklist block is paused" in get(f"{url}/readyz")[1], "the pause is heard", SOON_S)
    send_bodies(fleet, report("198.51.100.10", 10))
    eventually(lambda: len(fleet.bans()) == 3, "it judges on", 20)
    hands.allow(INSIDE, seconds=8)
    eventually(lambda: fleet.ip_set_entries() == PIECES, "who is allowed goes free in a pause, too", 7, 0.2)
    time.sleep(3)
    assert fleet.ip_set_entries() == PIECES
    eventually(lambda: fleet.ip_set_entries() >= {RANGE, "198.51.100.10/32"}, "both end by themselves", 40)
    eventually(lambda: get(f"{url}/readyz") == (200, "ok\n"), "no pause is told of any more", SOON_S)


def test_a_call_for_it_has_every_process_read_its_file_again(fleet: Fleet, hands: Hands, tmp_path: Path) -> None:
    config, log, port = tmp_path / "f2b.toml", tmp_path / "worker.log", free_port()
    fleet.start_worker("--processes", "2", "--metrics-port", str(port), log=log)
    eventually(lambda: log.exists() and log.read_text().count('"working"') == 2, "both work", 30)

    config.write_text("[defaults]\nmaxretry = 1\n")
    assert hands.acts.reload(hands.act(Verb.RELOAD)) == 1
    eventually(lambda: log.read_text().count("jails_reloaded") == 2, "both reload", SOON_S)
    eventually(lambda: shown(port, "f2b_generation") == 1.0, "and say so", SOON_S)
    eventually(lambda: generations(fleet) == [1, 1], "in their signs of life, too", SOON_S)
    send_bodies(fleet, ['{"ip": "203.0.113.9"}'])
    eventually(lambda: {ban.key for ban in fleet.bans()} == {"203.0.113.9"}, "one report bans", 20)

    config.write_text("[defaults]\nmaxretry = 0\n")
    hands.acts.reload(hands.act(Verb.RELOAD))
    eventually(lambda: log.read_text().count("jails_kept") == 2, "both keep what they have", SOON_S)
    assert shown(port, "f2b_generation") == 1.0
    told = status(fleet)
    assert (told["generation"], len(told["not_reloaded"])) == (2, 2)


def generations(fleet: Fleet) -> list[int | None]:
    return [each["generation"] for each in status(fleet)["workers"]]


def status(fleet: Fleet) -> Any:
    command = [str(BIN / "f2b"), "status", "--json", "--table", NAME]
    answer = subprocess.run(command, env=fleet.environment, check=False, capture_output=True, text=True)
    assert answer.returncode in {0, 1}, answer.stderr
    return json.loads(answer.stdout)


def shown(port: int, name: str) -> float | None:
    lines = get(f"http://127.0.0.1:{port}/metrics")[1].splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} ")), None)


def test_standalone_mode_hears_the_same(
    fleet: Fleet, state: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    start("--unban-lag-s", "60")
    hands = Hands(open_acts(state))
    hands.ban(RANGE)
    hands.ban(OUTSIDE)
    eventually(lambda: fleet.ip_set_entries() == {RANGE, OUTSIDE}, "both are in", 30)
    hands.allow(INSIDE)
    eventually(lambda: fleet.ip_set_entries() == PIECES | {OUTSIDE}, "it is parted", SOON_S)
    hands.lift(OUTSIDE)
    eventually(lambda: fleet.ip_set_entries() == PIECES, "the other is lifted", SOON_S)
    hands.disallow(INSIDE)
    hands.lift(RANGE)
    eventually(lambda: fleet.ip_set_entries() == set(), "all is gone", SOON_S)
