"""Attackers with many addresses against everybody else: a small tournament, with the promises as assertions."""

from __future__ import annotations

import pytest

from benchmarks import tournament
from benchmarks.tournament import HONEST_A_SECOND, IN_TIME_S, SHORT_MS, Arena, Attack
from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.domain.plan import division

CAPACITY = 400
SECONDS = 30


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tournament, "ATTACK_S", 10)
    monkeypatch.setattr(division, "NETWORK_LEAST", 1)


def played(layout: str, number: int, length_ms: int) -> list[tuple[int, int]]:
    arena = Arena(Attack(layout, number, length_ms), capacity=CAPACITY)
    return [arena.pass_second() for _ in range(SECONDS)]


@pytest.mark.parametrize("length_ms", [SHORT_MS, FOREVER_MS])
@pytest.mark.parametrize("layout", ["whole /24s", "one /48"])
@pytest.mark.parametrize("number", [10, 100, 1_000, 5_000])
def test_a_concentrated_attacker_keeps_nobody_out_for_a_second(layout: str, number: int, length_ms: int) -> None:
    assert all(enforced == due for enforced, due in played(layout, number, length_ms))


@pytest.mark.parametrize("layout", ["IPv4, spread", "IPv6, spread"])
@pytest.mark.parametrize("number", [10, 100, 1_000, 5_000])
def test_bans_for_ever_all_over_the_world_keep_nobody_out_who_is_banned_for_a_while(
    layout: str, number: int
) -> None:
    assert all(enforced == due for enforced, due in played(layout, number, FOREVER_MS))


@pytest.mark.parametrize("number", [1_000, 5_000])
def test_whoever_attacks_after_an_attack_is_enforced_though_it_filled_the_sets(number: int) -> None:
    enforced, _ = played("IPv4, spread", number, SHORT_MS)[-1]
    assert enforced >= HONEST_A_SECOND * (SECONDS - 10 - IN_TIME_S)


def test_without_an_attack_everybody_is_enforced() -> None:
    enforced, due = played("IPv4, spread", 0, SHORT_MS)[-1]
    assert enforced == due >= HONEST_A_SECOND * (SECONDS - IN_TIME_S)
