"""Attackers with many addresses against everybody else's bans, while the IP sets are full: who is enforced.

    python -m benchmarks.tournament [--write]

The enforcer is the real one, with WAF's pace, on a simulated clock. All of AWS is in memory: nothing is measured
but what the sets hold, second by second; so the figures are the same on every machine. Each family has one IP set.
"""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click
import structlog

from benchmarks.enforcer.bans import Bans
from benchmarks.worker.plots import replaced
from f2b_worker.domain.addresses import parse_address
from f2b_worker.domain.blocklists import SET_CAPACITY, Blocklist
from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.domain.judge.verdicts import Ban, OffenderId
from f2b_worker.domain.networks import NEVER_BANNED, Networks
from f2b_worker.enforcer import Enforcer
from f2b_worker.ports import StandingBan
from f2b_worker.testing import FakeClock, MemoryIpSet, MemoryIpSetFinder, MemoryLease, MemoryNotebook

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PAGE = Path(__file__).resolve().parents[1] / "docs" / "tournament.md"
MARKERS = "<!-- made by `make bench-tournament`: begin -->", "<!-- made by `make bench-tournament`: end -->"

ATTACKERS = (10, 1_000, 12_000, 100_000)
ATTACK_S = 60
WATCHED_S = 120
SHOWN_S = (5, 10, 20, 30, 60, 90, 120)
HONEST_A_SECOND = 5
SHORT_MS = 600_000
IN_TIME_S = 3
"""Whoever was banned so lately may wait for WAF's next second."""


@dataclass(frozen=True, slots=True)
class Attack:
    """An attack on the room of one family.

    Attributes:
        layout: Where the addresses are: "one /48", "whole /24s", "IPv4, spread" or "IPv6, spread".
        number: How many there are.
        length_ms: For how long each is banned.
    """

    layout: str
    number: int
    length_ms: int

    @property
    def family(self) -> int:
        """The family that is attacked."""
        return 4 if "4" in self.layout.replace("/48", "") else 6

    def keys(self) -> Iterator[str]:
        """Make up the addresses, in the order in which they attack."""
        dice = random.Random(17)
        if self.layout == "one /48":
            places = dice.sample(range(1 << 16), min(self.number, 1 << 16))
            yield from (_ipv6(0x2A00_1234_5678 << 80 | place << 64) for place in places)
        elif self.layout == "whole /24s":
            yield from (_ipv4((45 << 24) + number) for number in range(self.number))
        elif self.family == 4:
            yield from islice(_spread_ipv4(dice), self.number)
        else:
            yield from islice(_spread_ipv6(dice), self.number)


def _ipv4(value: int) -> str:
    return f"{IPv4Address(value)}/32"


def _ipv6(value: int) -> str:
    return f"{IPv6Address(value)}/64"


def _spread_ipv4(dice: random.Random) -> Iterator[str]:
    while True:
        key = _ipv4(dice.randrange(1 << 24, 224 << 24))
        if not NEVER_BANNED.touches(key):
            yield key


def _spread_ipv6(dice: random.Random) -> Iterator[str]:
    while True:
        yield _ipv6(0x24 << 120 | dice.randrange(1 << 56) << 64)


class Arena:
    """An enforcer, one IP set of each family, and what is banned there."""

    def __init__(self, attack: Attack, *, capacity: int = SET_CAPACITY) -> None:
        self.attack = attack
        self.clock = FakeClock()
        self.bans = Bans()
        self.sets = {family: MemoryIpSet(family, name=f"f2b-ipv{family}") for family in (4, 6)}
        self.honest: dict[str, float] = {}
        self._left = list(attack.keys())
        self._a_second = -(-attack.number // ATTACK_S)
        self._honest_keys = (
            _spread_ipv4(random.Random(1)) if attack.family == 4 else _spread_ipv6(random.Random(1))
        )
        self._enforcer = Enforcer(
            self.bans,
            MemoryIpSetFinder({"block": list(self.sets.values())}),
            MemoryLease(),
            MemoryNotebook(),
            blocklists=[Blocklist("block", ("f2b",))],
            allowed=Networks(),
            clock=self.clock,
            capacity=capacity,
            # The surge guard is another defence, and would end the attack: here it is about room alone.
            max_new_bans_per_minute=0,
            aside=lambda work: work(),
        )

    def pass_second(self) -> tuple[int, int]:
        """Let a second pass; tell how many honest bans are enforced, and how many should be."""
        arriving, self._left = self._left[: self._a_second], self._left[self._a_second :]
        honest = list(islice(self._honest_keys, HONEST_A_SECOND))
        self.honest |= dict.fromkeys(honest, self.clock.monotonic_s())
        self.bans.store(
            (
                *(self._ban("attacked", key, self.attack.length_ms) for key in arriving),
                *(self._ban("honest", key, SHORT_MS) for key in honest),
            )
        )
        ends_s = self.clock.monotonic_s() + 1
        while self.clock.monotonic_s() < ends_s:
            left_s = ends_s - self.clock.monotonic_s()
            self.clock.advance(min(left_s, self._enforcer.tick(follow=left_s == 1)) + 1e-6)
        return self._enforced()

    def _ban(self, jail: str, key: str, length_ms: int) -> StandingBan:
        now_ms = self.clock.now_ms()
        return StandingBan(OffenderId(jail, key), Ban(now_ms, min(FOREVER_MS, now_ms + length_ms), 1, length_ms))

    def _enforced(self) -> tuple[int, int]:
        held = Networks(self.sets[self.attack.family].held)
        due = [key for key, since_s in self.honest.items() if since_s <= self.clock.monotonic_s() - IN_TIME_S]
        return sum(held.covers(parse_address(key.partition("/")[0])) for key in due), len(due)


def played(attack: Attack, seconds: int = WATCHED_S) -> list[tuple[int, int]]:
    """Let an attack happen; tell for each second how many honest bans are enforced, and how many should be."""
    arena = Arena(attack)
    return [arena.pass_second() for _ in range(seconds)]


def attacks() -> Iterator[Attack]:
    """Name the attacks of the tournament."""
    for layout in ("whole /24s", "one /48", "IPv4, spread", "IPv6, spread"):
        for length_ms in (SHORT_MS, FOREVER_MS):
            for number in ATTACKERS:
                yield Attack(layout, min(number, 1 << 16) if layout == "one /48" else number, length_ms)


def row(attack: Attack, seconds: Sequence[tuple[int, int]]) -> str:
    """Write a line of the table."""
    length = "10 minutes" if attack.length_ms == SHORT_MS else "for ever"
    shown = [f"{seconds[at_s - 1][0]} of {seconds[at_s - 1][1]}" for at_s in SHOWN_S]
    least = min(enforced / due for enforced, due in seconds if due)
    return f"| {attack.number:,} | {attack.layout} | {length} | {' | '.join(shown)} | {least:.0%} |"


def table() -> Iterator[str]:
    """Play the tournament, line by line."""
    seconds = " | ".join(f"{at_s} s" for at_s in SHOWN_S)
    yield f"| addresses | where | banned for | {seconds} | least |"
    yield "|---" * (len(SHOWN_S) + 4) + "|"
    for attack in attacks():
        yield row(attack, played(attack))


@click.command()
@click.option("--write", "is_written", is_flag=True, help="Write the table into docs/tournament.md, too.")
def main(*, is_written: bool) -> None:
    """Play the tournament, and print its table."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    lines = []
    for line in table():
        print(line, flush=True)
        lines.append(line)
    if is_written:
        PAGE.write_text(replaced(PAGE.read_text(), lines, MARKERS))


if __name__ == "__main__":
    main()
