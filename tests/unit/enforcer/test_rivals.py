"""Somebody else edits the same IP set all the time, and WAF has one update a second for both."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from f2b_worker.errors import LockLost, Throttled
from tests.unit.enforcer.scene import Clock, IpSet, Scene, gaps_s, strangers

if TYPE_CHECKING:
    from collections.abc import Iterable

PAUSE_S = (0.2, 0.4)
CALL_S = (0.01, 0.05)


class RivalClock(Clock):
    """A clock on which somebody else acts, too."""

    rival: Rival | None = None

    def advance(self, seconds: float) -> None:
        ends_s = self.monotonic_s() + seconds
        while self.rival and self.rival.next_s <= ends_s:
            super().advance(max(0.0, self.rival.next_s - self.monotonic_s()))
            self.rival.act()
        super().advance(max(0.0, ends_s - self.monotonic_s()))


class BusySet(IpSet):
    """A set for which WAF has one update a second, of whomever."""

    spent_s = -1.0

    def __init__(self, clock: Clock, tries_s: list[float]) -> None:
        super().__init__(clock, tries_s)
        self.ours_s: list[float] = []
        self.taken_s: list[float] = []
        self.is_rivals_turn = False

    def write(self, entries: Iterable[str], token: str) -> str:
        if not self.is_rivals_turn:
            self.ours_s.append(self._clock.monotonic_s())
        if self._clock.monotonic_s() - self.spent_s < 1:
            self.tries_s.append(self._clock.monotonic_s())
            raise Throttled("rate exceeded")
        self.spent_s = self._clock.monotonic_s()
        if not self.is_rivals_turn:
            self.taken_s.append(self.spent_s)
        return super().write(entries, token)


class Rival:
    """Gets the set, adds an entry and updates, as often as asked; makes up for lost time."""

    def __init__(self, scene: Scene, ip_set: BusySet, every_s: float) -> None:
        self.added: list[str] = []
        self._clock, self._set, self._every_s = scene.clock, ip_set, every_s
        self._began_s = self.next_s = scene.clock.monotonic_s()
        self._token: str | None = None
        self._dice = random.Random(2)
        self._entries = strangers()

    def act(self) -> None:
        """Read, or update what was read."""
        if self._token is None:
            contents = self._set.read()
            self._held, self._token = contents.entries, contents.token
            self.next_s += self._dice.uniform(*CALL_S)
            return
        entry = next(self._entries)
        self._set.is_rivals_turn = True
        try:
            self._set.write([*self._held, entry], self._token)
        except (Throttled, LockLost):
            self.next_s += self._dice.uniform(*PAUSE_S)
        else:
            self.added.append(entry)
            self.next_s = max(self.next_s, self._began_s + len(self.added) * self._every_s)
        finally:
            self._set.is_rivals_turn = False
        self._token = None


def compete(every_s: float) -> tuple[float, Rival, BusySet]:
    """Ban an address a second for a minute beside a rival; tell for how long the slowest one was out."""
    scene = Scene()
    scene.clock = clock = RivalClock()
    scene.finder.ip_sets["block"].clear()
    ip_set = BusySet(clock, scene.tries_s)
    scene.finder.ip_sets["block"].append(ip_set)
    scene.chance = random.Random(1).random
    scene.enforcer = scene.another()
    scene.pass_time(5)
    clock.rival = Rival(scene, ip_set, every_s)
    banned_s: dict[str, float] = {}
    out_s: dict[str, float] = {}

    def ban() -> None:
        key = f"203.0.113.{len(banned_s)}/32"
        banned_s[key] = clock.monotonic_s()
        scene.ban(key)

    next_s = clock.monotonic_s()
    ends_s = next_s + 60
    while clock.monotonic_s() < ends_s:
        if clock.monotonic_s() >= next_s:
            ban()
            next_s += 1.0
        pause_s = scene.enforcer.tick()
        for key in banned_s.keys() & ip_set.held - out_s.keys():
            out_s[key] = clock.monotonic_s() - banned_s[key]
        clock.advance(min(pause_s, next_s - clock.monotonic_s() + 1e-6))
    clock.rival.next_s = float("inf")
    scene.pass_time(5)
    assert ip_set.held >= banned_s.keys()
    return max(out_s.values()), clock.rival, ip_set


@pytest.mark.parametrize("every_s", [2.3, 2.0])
def test_every_ban_is_soon_in_its_set_beside_an_eager_rival_and_no_edit_of_either_is_lost(every_s: float) -> None:
    slowest_s, rival, ip_set = compete(every_s)
    assert slowest_s <= 6.0
    assert set(rival.added) <= ip_set.held


def test_a_rival_gets_its_turn_although_a_ban_comes_every_second() -> None:
    _, rival, _ = compete(2.0)
    assert len(rival.added) >= 15


def test_an_eager_rival_does_not_keep_our_bans_out() -> None:
    slowest_s, _, _ = compete(1.0)
    assert slowest_s <= 8.0


def test_an_eager_rival_does_not_make_us_update_more_than_once_a_second_or_call_more_than_twice() -> None:
    _, _, ip_set = compete(1.0)
    assert min(gaps_s(ip_set.taken_s)) > 1.0
    assert len(ip_set.ours_s) > len(ip_set.taken_s)
    assert min(third - first for first, third in zip(ip_set.ours_s, ip_set.ours_s[2:], strict=False)) > 1.0
