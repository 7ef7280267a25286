"""A seeded attack: all who knock within an hour and a half, good and bad, as infractions in time order.

The addresses are from the documentation ranges, but for the private ones; no two actors share one.

    python -m demo.attack --seed 1 > attack.ndjson
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from demo.checker import Infraction

SPAN_S = 90 * 60
SLOW_WINDOWS = ((3, 600), (5, 3600))  # (maxretry, findtime_s) that the slow ones count on
PRIVATE = (
    "10.0.0.9",
    "172.16.4.4",
    "192.168.1.20",
    "100.64.0.7",
    "127.0.0.1",
    "169.254.1.1",
    "::1",
    "fe80::9",
    "fd00::9",
    "::ffff:10.0.0.9",
)


@dataclass(frozen=True)
class Span:
    """The time in which everything happens."""

    start_ms: int
    end_ms: int

    def moment(self, random: Random, room_s: int) -> int:
        """Return a moment with at least so much room until the end."""
        return random.randrange(self.start_ms, self.end_ms - room_s * 1000)


Actor = Callable[[Random, Span], Iterator[Infraction]]


def fast_brute_force(random: Random, span: Span) -> Iterator[Infraction]:
    """Try passwords in bursts of several a second, from twelve addresses that each come back."""
    for number in range(1, 13):
        for _ in range(random.randint(1, 3)):
            yield from _burst(random, [f"203.0.113.{number}"], "login", span.moment(random, 60), (25, 45))


def endless_brute_force(_: Random, span: Span) -> Iterator[Infraction]:
    """Begin two minutes before the end and still be at it when the end comes."""
    for at_ms in range(span.end_ms, span.end_ms - 120_000, -4000):
        yield Infraction("203.0.113.200", "login", at_ms)


def mapped_brute_force(random: Random, span: Span) -> Iterator[Infraction]:
    """Come in through two front ends, one of which writes IPv4 as IPv4-mapped IPv6."""
    for number in range(210, 213):
        forms = [f"203.0.113.{number}", f"::ffff:203.0.113.{number}"]
        yield from _burst(random, forms, "login", span.moment(random, 60), (8, 14))


def slow_inside(random: Random, span: Span) -> Iterator[Infraction]:
    """Knock so slowly that the window only just holds enough hits: 1 ms inside."""
    yield from _slow(random, span, "192.0.2.1", -1)


def slow_outside(random: Random, span: Span) -> Iterator[Infraction]:
    """Knock just slowly enough: when the last hit comes, the first is exactly findtime old."""
    yield from _slow(random, span, "192.0.2.2", 0)


def botnet(random: Random, span: Span) -> Iterator[Infraction]:
    """Send one to four hits from each of four hundred addresses, within a quarter of an hour."""
    wave_ms = span.moment(random, 20 * 60)
    for number in range(400):
        ip = f"198.51.100.{number + 20}" if number < 200 else f"2001:db8:b07:{number:x}::1"
        for _ in range(random.choice((1, 1, 2, 2, 3, 4))):
            yield Infraction(ip, "login", wave_ms + random.randrange(15 * 60_000))


def ipv6_neighbours(random: Random, span: Span) -> Iterator[Infraction]:
    """Change the address within one /64 for every hit, so that no single address reaches a limit."""
    for network in range(1, 16):
        ips = [f"2001:db8:bad:{network:x}::{host:x}" for host in random.sample(range(1, 0xFFFF), 20)]
        start_ms = span.moment(random, 60)
        for ip in ips[: random.randint(6, 20)]:
            yield Infraction(ip, "login", start_ms)
            start_ms += random.randrange(1, 2500)


def scanners(random: Random, span: Span) -> Iterator[Infraction]:
    """Ask for one missing page after the other, in the jail "scan"."""
    for number in range(1, 9):
        yield from _burst(random, [f"198.51.100.{number}"], "scan", span.moment(random, 60), (30, 60))


def honest_users(random: Random, span: Span) -> Iterator[Infraction]:
    """Mistype once or twice, perhaps later again: never three times in ten minutes, nor five in all."""
    for number in range(150):
        ip = f"203.0.113.{number + 20}" if number % 3 else f"2001:db8:900d:{number:x}::1"
        first_ms = span.moment(random, 25 * 60)
        for visit_ms in (first_ms, first_ms + 20 * 60_000)[: random.randint(1, 2)]:
            for _ in range(random.randint(1, 2)):
                yield Infraction(ip, "login", visit_ms + random.randrange(60_000))


def private_addresses(random: Random, span: Span) -> Iterator[Infraction]:
    """Fail like a robot from inside, as health checks do: never to be banned."""
    for ip in PRIVATE:
        yield from _burst(random, [ip], "login", span.moment(random, 60), (15, 25))


ACTORS: tuple[Actor, ...] = (
    fast_brute_force,
    endless_brute_force,
    mapped_brute_force,
    slow_inside,
    slow_outside,
    botnet,
    ipv6_neighbours,
    scanners,
    honest_users,
    private_addresses,
)


def attack(seed: int, end_ms: int, span_s: int = SPAN_S) -> list[Infraction]:
    """Return what all actors do, in time order; the last infraction is exactly at the end.

    Raises:
        ValueError: The span is too short for the slow ones.
    """
    if span_s < SPAN_S:
        raise ValueError(f"the slow attackers need a span of {SPAN_S} s at least")
    random = Random(seed)
    span = Span(end_ms - span_s * 1000, end_ms)
    infractions = [infraction for actor in ACTORS for infraction in actor(random, span)]
    return sorted(infractions, key=lambda each: each.at_ms)


def _burst(
    random: Random, ips: Sequence[str], jail: str, start_ms: int, hits: tuple[int, int]
) -> Iterator[Infraction]:
    at_ms = start_ms
    for _ in range(random.randint(*hits)):
        yield Infraction(random.choice(ips), jail, at_ms)
        at_ms += random.randrange(0, 900)


def _slow(random: Random, span: Span, prefix: str, more_ms: int) -> Iterator[Infraction]:
    """Let five addresses for each window knock so that maxretry hits span findtime and so much more."""
    for group, (maxretry, findtime_s) in enumerate(SLOW_WINDOWS):
        for number in range(5):
            start_ms = span.moment(random, findtime_s + 1)
            for hit in range(maxretry):
                at_ms = start_ms + hit * (findtime_s * 1000 + more_ms) // (maxretry - 1)
                yield Infraction(f"{prefix}{group}{number}", "login", at_ms)


def main() -> None:
    """Print an attack as NDJSON, in the simple wire form."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--end", type=float, default=time.time(), help="epoch seconds (default: now)")
    options = parser.parse_args()
    for infraction in attack(options.seed, round(options.end * 1000)):
        print(json.dumps({"ip": infraction.ip, "jail": infraction.jail, "at": infraction.at_ms / 1000}))


if __name__ == "__main__":
    main()
