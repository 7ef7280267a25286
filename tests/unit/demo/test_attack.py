import json
import subprocess
import sys
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from random import Random

import pytest

from demo import attack as actors
from demo.attack import Actor, attack
from demo.checker import Ban, Infraction, Rules, expected
from demo.data import read

END_MS = 1_763_833_500_123
SPAN = actors.Span(END_MS - 5_400_000, END_MS)
SEEDS = range(8)
FAST = Rules(maxretry=3, findtime_s=600, bantime_s=1800)
SLOW = Rules(maxretry=5, findtime_s=3600, bantime_s=3600)


def did(actor: Actor, seed: int) -> list[Infraction]:
    return list(actor(Random(seed), SPAN))


def banned(infractions: list[Infraction], rules: Rules) -> set[str]:
    return {each.key for each in expected(infractions, rules)}


def test_the_same_seed_and_end_give_the_same_list() -> None:
    assert attack(1, END_MS) == attack(1, END_MS)
    assert attack(1, END_MS) != attack(2, END_MS)


def test_another_end_moves_the_same_attack() -> None:
    moved = [replace(each, at_ms=each.at_ms + 1000) for each in attack(1, END_MS)]
    assert attack(1, END_MS + 1000) == moved


@pytest.mark.parametrize("seed", SEEDS)
def test_an_attack_is_in_time_order_and_ends_at_the_end(seed: int) -> None:
    times_ms = [each.at_ms for each in attack(seed, END_MS)]
    assert times_ms == sorted(times_ms)
    assert times_ms[-1] == END_MS
    assert 80 * 60_000 < END_MS - times_ms[0] <= 90 * 60_000
    assert 2500 < len(times_ms) < 3500


def test_no_two_actors_share_an_address() -> None:
    seen: set[str] = set()
    for actor in actors.ACTORS:
        own = {each.ip for each in did(actor, 1)}
        assert not own & seen
        seen |= own


def test_all_addresses_are_set_aside_for_examples_or_private() -> None:
    allowed = ["198.51.100.0/24", "203.0.113.0/24", "192.0.2.0/24", "2001:db8::/32"]
    networks = [ip_network(each) for each in [*allowed, "::ffff:203.0.113.0/120"]]
    for ip in {each.ip for each in attack(1, END_MS)} - set(actors.PRIVATE):
        assert any(ip_address(ip) in network for network in networks), ip


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("rules", [FAST, SLOW])
def test_the_innocent_are_never_banned(seed: int, rules: Rules) -> None:
    assert banned(did(actors.honest_users, seed), rules) == set()
    assert banned(did(actors.private_addresses, seed), rules) == set()
    assert banned(did(actors.slow_outside, seed), rules) == set()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_slow_are_banned_by_the_window_they_just_fit(seed: int) -> None:
    slow = did(actors.slow_inside, seed)
    assert len(banned(slow, FAST)) == 5
    assert len(banned(slow, SLOW)) == 5


@pytest.mark.parametrize("seed", SEEDS)
def test_the_loud_are_all_banned(seed: int) -> None:
    for actor, addresses in (
        (actors.fast_brute_force, 12),
        (actors.endless_brute_force, 1),
        (actors.mapped_brute_force, 3),
        (actors.ipv6_neighbours, 15),
        (actors.scanners, 8),
    ):
        assert len(banned(did(actor, seed), FAST)) == addresses, actor


@pytest.mark.parametrize("seed", SEEDS)
def test_some_of_the_botnet_reach_the_limit_and_most_do_not(seed: int) -> None:
    assert 40 < len(banned(did(actors.botnet, seed), FAST)) < 200


def test_no_ipv6_neighbour_reaches_a_limit_alone() -> None:
    assert banned(did(actors.ipv6_neighbours, 1), replace(FAST, ipv6_prefix=128)) == set()


def test_scanners_have_their_own_jail() -> None:
    bans: list[Ban] = expected(attack(1, END_MS), FAST)
    assert {each.key[:11] for each in bans if each.jail == "scan"} == {"198.51.100."}


def test_a_span_too_short_for_the_slow_is_refused() -> None:
    with pytest.raises(ValueError, match="need a span of 5400 s"):
        attack(1, END_MS, span_s=60)


def test_the_command_prints_the_attack_as_ndjson(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "demo.attack", "--seed", "1", "--end", str(END_MS / 1000)]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True)
    assert set(json.loads(done.stdout.splitlines()[0])) == {"ip", "jail", "at"}
    file = tmp_path / "attack.ndjson"
    file.write_text(done.stdout)
    assert read(file) == attack(1, END_MS)
