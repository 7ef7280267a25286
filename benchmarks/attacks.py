"""Attacks on the canned AWS: infractions as packs, prepared once and delivered again and again at new times.

    zipf      1,000 addresses make 90 % of the infractions, by Zipf's law; the rest is spread over 100,000
    pure-zipf 2,300 addresses by Zipf's law, of which 1,000 make 90 %: nobody comes only once or twice
    botnet    500,000 addresses, drawn evenly: within a flush nearly all are distinct
    even-N    N addresses, drawn evenly, for N of 1,000 to 1,000,000 in powers of ten
    standing-100000  100,000 addresses in turn, that go on after they were banned in the warm-up

Who knows the number of a message and its time knows the infractions in it, for the dice are seeded. So the same
infractions can be judged again in memory.
"""

from __future__ import annotations

import json
import random
from functools import lru_cache, partial
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

JAIL = "login"
HOT_ADDRESSES = 1_000
HOT_SHARE = 0.9
COLD_ADDRESSES = 100_000
PURE_ADDRESSES = 2_300
BOTNET_ADDRESSES = 500_000
SPREAD_MS = 1_000
"""The infractions of a pack happened within this time before its delivery, as a producer collects them."""

EVEN_ADDRESSES = (1_000, 10_000, 100_000, 1_000_000)

STANDING_ADDRESSES = 100_000
STANDING = f"standing-{STANDING_ADDRESSES}"

PREPARED = {"zipf": 2_000_000, "pure-zipf": 1_000_000, "botnet": 1_000_000}
PREPARED |= {f"even-{number}": 2_000_000 for number in EVEN_ADDRESSES}
PREPARED[STANDING] = 10 * STANDING_ADDRESSES
"""So many infractions are prepared; then the same addresses come again."""

PREPARED_ALONE = 100_000
"""The same for messages of one infraction."""


def _addresses(dice: random.Random, number: int) -> list[str]:
    # Somewhere in 45.0.0.0/8: nothing is ever sent there, and no list of special networks holds them.
    return [f"45.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in dice.sample(range(1 << 24), number)]


def _zipf(dice: random.Random, infractions: int) -> list[str]:
    addresses = _addresses(dice, HOT_ADDRESSES + COLD_ADDRESSES)
    shares = [1 / rank for rank in range(1, HOT_ADDRESSES + 1)]
    hot = HOT_SHARE / sum(shares)
    weights = [share * hot for share in shares] + [(1 - HOT_SHARE) / COLD_ADDRESSES] * COLD_ADDRESSES
    return dice.choices(addresses, cum_weights=list(accumulate(weights)), k=infractions)


def _pure_zipf(dice: random.Random, infractions: int) -> list[str]:
    weights = [1 / rank for rank in range(1, PURE_ADDRESSES + 1)]
    return dice.choices(_addresses(dice, PURE_ADDRESSES), weights, k=infractions)


def _even(number: int, dice: random.Random, infractions: int) -> list[str]:
    return dice.choices(_addresses(dice, number), k=infractions)


def _standing(dice: random.Random, infractions: int) -> list[str]:
    addresses = _addresses(dice, STANDING_ADDRESSES)
    drawn: list[str] = []
    while len(drawn) < infractions:
        drawn += dice.sample(addresses, len(addresses))
    return drawn[:infractions]


ATTACKS: dict[str, Callable[[random.Random, int], list[str]]] = {
    "zipf": _zipf,
    "pure-zipf": _pure_zipf,
    "botnet": partial(_even, BOTNET_ADDRESSES),
    **{f"even-{number}": partial(_even, number) for number in EVEN_ADDRESSES},
    STANDING: _standing,
}


@lru_cache(maxsize=4)
def packs(attack: str, size: int) -> list[list[str]]:
    """Draw the addresses of each prepared message, *size* infractions in each."""
    infractions = PREPARED_ALONE if size == 1 else PREPARED[attack]
    drawn = ATTACKS[attack](random.Random(1), infractions)
    return [drawn[place : place + size] for place in range(0, infractions, size)]


def pack_id(number: int) -> str:
    """Name a message as long as a producer names its packs."""
    return f"{number:012d}"


def step_ms(size: int) -> int:
    """Tell how far apart the infractions of a pack are."""
    return max(1, SPREAD_MS // size)


def times_ms(size: int, sent_ms: int) -> range:
    """Tell when the infractions of a pack that is delivered at *sent_ms* happened."""
    first_ms = sent_ms - SPREAD_MS
    return range(first_ms, first_ms + size * step_ms(size), step_ms(size))


def infractions(attack: str, size: int, number: int, sent_ms: int) -> Iterator[tuple[str, int]]:
    """Answer address and time of all infractions in one message."""
    prepared = packs(attack, size)
    return zip(prepared[number % len(prepared)], times_ms(size, sent_ms), strict=True)


class Bodies:
    """Message bodies as they stand inside a JSON answer, ready but for their numbers and times."""

    def __init__(self, attack: str, size: int) -> None:
        self.size = size
        write = _single if size == 1 else _pack
        self._made = [tuple(_escaped(part) for part in write(ips).split("@")) for ips in packs(attack, size)]

    def body(self, number: int, sent_ms: int) -> bytes:
        """Finish one body."""
        head, middle, tail = self._made[number % len(self._made)]
        time = b"%d" % (sent_ms - SPREAD_MS)
        if self.size == 1:
            time = b"%s.%s" % (time[:-3], time[-3:])
        return b"%s%012d%s%s%s" % (head, number, middle, time, tail)


def _single(ips: list[str]) -> str:
    return f'{{"ip":"{ips[0]}","jail":"{JAIL}","id":"@","at":@}}'


def _pack(ips: list[str]) -> str:
    places = {ip: place for place, ip in enumerate(dict.fromkeys(ips))}
    rest: dict[str, object] = {"dt_ms": [0, *[step_ms(len(ips))] * (len(ips) - 1)], "ip": list(places)}
    if len(places) < len(ips):
        rest["of"] = [places[ip] for ip in ips]
    rest["jail"] = [JAIL]
    return '{"v":1,"id":"@","t0_ms":@,' + json.dumps(rest, separators=(",", ":"))[1:]


def _escaped(text: str) -> bytes:
    return text.replace('"', '\\"').encode()
