"""An independent reading of the "Verdicts" of docs/design.md, to check the judge's bans against.

It shares no code and no ideas with the judge: plain loops over integer milliseconds. The exact reading, for
one (maxretry, findtime) pair, factor 1, no rndtime, nothing ever forgotten or lifted:

- A hit at t <= until only extends the current ban; it never counts towards the next one, also where bantime
  is shorter than findtime. A hit at t counts in (t - findtime, t]: one exactly findtime old is out.
- `maxtime` caps every ban, the first too, and only where increment is on.
- A hit at t moves the end step by step, until it is not before t + length. A step is a tenth of the length in
  whole milliseconds, ten minutes at most and 1 ms at least. `extended` is the number of steps.
- Every record is a distinct infraction: leave repeated ones (same id) out before asking.
- *Sound* (any order of judging): maxretry infractions in (start - findtime, start], one at start, all after
  the start of the ban before; no overlap; counts 1, 2, 3 ...; the length of that count; an end that the
  infractions reach by rule 1, perhaps not the last one, for some may have come too late to be seen.
- *Complete*: whom `owed` has banned now has a ban, at least until the same time, and a ban that its own
  infractions make run now runs as long as they make it. `owed` is judging in order without the steps, by t +
  length: the steps count from a ban's start, which is another one if infractions came late, and then they may
  lead a little less far. Only a judge that counts fewer bans (an earlier ban's infractions came after a later
  ban and changed nothing) owes less: the end reached from the start in order with the length of its own, lower,
  count. That is how this module reads rule 6's "up to the escalation factor".

Sound and complete can always be had together while every ban lasts at least findtime and no infraction since
the last ban is forgotten. Shorter bans (bantime, or maxtime, below findtime) can make it impossible: at
maxretry 3, findtime 600, bantime 60, let 1 2 100 of the hits at 0 1 2 100 200 300 come first: they must ban
at 100; in order there are bans at 2 and at 300, but a ban at 300 now needs the hit at 100 twice. Nor can
they be had at a moment before the last infraction: a ban that starts later may have made that moment the past
already. So `incomplete` refuses such a moment.
"""

import ipaddress
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

_NEVER_BANNED = [
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8",  # private
        "172.16.0.0/12",
        "192.168.0.0/16",
        "fc00::/7",
        "127.0.0.0/8",  # loopback
        "::1/128",
        "169.254.0.0/16",  # link-local
        "fe80::/10",
        "fec0::/10",  # site-local, once
        "100.64.0.0/10",  # CGNAT
        "224.0.0.0/4",  # multicast
        "ff00::/8",
        "192.0.0.0/24",  # special purposes
        "192.88.99.0/24",  # 6to4 relays
        "198.18.0.0/15",  # benchmarks
        "2001:2::/48",
        "100::/64",  # discarded
        "0.0.0.0/32",  # unspecified
        "::/128",
    )
]

_IPV4_INSIDE = [ipaddress.ip_network(text) for text in ("::ffff:0:0/96", "::ffff:0:0:0/96", "::/96")]
_CUSTOMERS = {
    ipaddress.ip_network("64:ff9b::/96"): 128,
    ipaddress.ip_network("64:ff9b:1::/48"): 128,
    ipaddress.ip_network("2001::/32"): 128,
    ipaddress.ip_network("2002::/16"): 48,
}
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Infraction:
    """One report."""

    ip: str
    jail: str
    at_ms: int


@dataclass(frozen=True)
class Rules:
    """A jail's policy, in the seconds that people write."""

    maxretry: int
    findtime_s: int
    bantime_s: int
    increment: bool = False
    maxtime_s: int | None = None
    ipv4_prefix: int = 32
    ipv6_prefix: int = 64

    def __post_init__(self) -> None:
        if min(self.maxretry, self.findtime_s, self.bantime_s) < 1:
            raise ValueError("maxretry, findtime_s and bantime_s start at 1 (bans for ever are not covered here)")


@dataclass(frozen=True)
class Ban:
    """One ban, as the in-order rules give it or as a judge found it."""

    jail: str
    key: str
    start_ms: int
    until_ms: int
    count: int
    length_ms: int
    extended: int


def _as_ipv4(address: Address) -> Address:
    inside = any(address in network for network in _IPV4_INSIDE)
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if inside and int(address) > 1 else address


def _ipv6_prefix(address: Address, usual: int) -> int:
    own = (prefix for network, prefix in _CUSTOMERS.items() if address in network)
    found = next(own, usual)
    return found if usual <= 64 else max(found, usual)


@lru_cache(maxsize=100_000)
def key(ip: str, rules: Rules) -> str | None:
    """Return what is judged for an address, None for one that is never banned."""
    address = _as_ipv4(ipaddress.ip_address(ip))
    if any(address in network for network in _NEVER_BANNED):
        return None
    prefix = rules.ipv4_prefix if address.version == 4 else _ipv6_prefix(address, rules.ipv6_prefix)
    if prefix == address.max_prefixlen:
        return str(address)
    return str(ipaddress.ip_network((address, prefix), strict=False))


def length_ms(count: int, rules: Rules) -> int:
    """Return how long the count-th ban lasts."""
    if not rules.increment:
        return rules.bantime_s * 1000
    length_s: int = rules.bantime_s * 2 ** (count - 1)
    return (length_s if rules.maxtime_s is None else min(length_s, rules.maxtime_s)) * 1000


def expected(infractions: Iterable[Infraction], rules: Rules) -> list[Ban]:
    """Return the bans of judging in time order, in order of their start."""
    return _in_order(infractions, rules, _extended)


def owed(infractions: Iterable[Infraction], rules: Rules) -> list[Ban]:
    """Return the bans that every order of judging owes: those of time order, with ends that are not rounded up."""
    return _in_order(infractions, rules, _extended_exactly)


def _in_order(infractions: Iterable[Infraction], rules: Rules, extended: Callable[[Ban, int], Ban]) -> list[Ban]:
    bans: list[Ban] = []
    latest: dict[tuple[str, str], int] = {}  # where in `bans` each offender's latest one is
    windows: dict[tuple[str, str], list[int]] = defaultdict(list)
    for infraction in sorted(infractions, key=lambda each: each.at_ms):
        judged = key(infraction.ip, rules)
        if judged is None:
            continue
        offender, at_ms = (infraction.jail, judged), infraction.at_ms
        last = bans[latest[offender]] if offender in latest else None
        if last and at_ms <= last.until_ms:
            bans[latest[offender]] = extended(last, at_ms)
            continue
        recent = [hit for hit in windows[offender] if hit > at_ms - rules.findtime_s * 1000]
        windows[offender] = [*recent, at_ms]
        if len(windows[offender]) == rules.maxretry:
            windows[offender] = []
            latest[offender] = len(bans)
            bans.append(_started(offender, at_ms, last.count + 1 if last else 1, rules))
    return bans


def _started(offender: tuple[str, str], at_ms: int, count: int, rules: Rules) -> Ban:
    jail, judged = offender
    length = length_ms(count, rules)
    return Ban(jail, judged, at_ms, at_ms + length, count, length, 0)


def _extended(ban: Ban, at_ms: int) -> Ban:
    while ban.until_ms < at_ms + ban.length_ms:
        ban = replace(ban, until_ms=ban.until_ms + _step(ban.length_ms), extended=ban.extended + 1)
    return ban


def _step(length: int) -> int:
    return max(1, min(length // 10, 10 * 60 * 1000))


def _extended_exactly(ban: Ban, at_ms: int) -> Ban:
    return replace(ban, until_ms=max(ban.until_ms, at_ms + ban.length_ms))


def unsound(bans: Iterable[Ban], infractions: Iterable[Infraction], rules: Rules) -> list[str]:
    """Return a sentence for each ban, found in any order of judging, that the infractions do not back."""
    hits = _hits(infractions, rules)
    sentences = []
    for offender, own in _by_offender(bans).items():
        for position, ban in enumerate(own):
            before = own[position - 1] if position else None
            faults = [
                *_window_faults(ban, before, hits[offender], rules),
                *_order_faults(ban, before, position + 1),
                *_end_faults(ban, hits[offender], position + 1, rules),
            ]
            if faults:
                sentences.append(f"{_name(ban)}: {'; '.join(faults)}")
    return sentences


def _window_faults(ban: Ban, before: Ban | None, hits: list[int], rules: Rules) -> Iterator[str]:
    after_ms = ban.start_ms - rules.findtime_s * 1000
    if before:
        after_ms = max(after_ms, before.start_ms)
    usable = hits[bisect_right(hits, after_ms) : bisect_right(hits, ban.start_ms)]
    if len(usable) < rules.maxretry:
        yield f"{len(usable)} usable infractions in its window, not {rules.maxretry}"
    if ban.start_ms not in usable:
        yield "no usable infraction at its start"


def _order_faults(ban: Ban, before: Ban | None, count: int) -> Iterator[str]:
    if before and ban.start_ms <= before.until_ms:
        yield f"starts before the one before it has ended at {before.until_ms}"
    if ban.count != count:
        yield f"counted as number {ban.count}, not {count}"


def _end_faults(ban: Ban, hits: list[int], count: int, rules: Rules) -> Iterator[str]:
    length = length_ms(count, rules)
    if ban.length_ms != length:
        yield f"lasts {ban.length_ms} ms, not {length}"
    if ban.until_ms not in _ends(replace(ban, length_ms=length), hits):
        yield f"no infraction makes it end at {ban.until_ms}"


def _ends(ban: Ban, hits: list[int], extended: Callable[[Ban, int], Ban] = _extended) -> list[int]:
    """Return every end that a ban takes as rule 1 extends it, the last one at the end."""
    grown = replace(ban, until_ms=ban.start_ms + ban.length_ms)
    ends = [grown.until_ms]
    for hit in hits[bisect_right(hits, ban.start_ms) :]:
        if hit > grown.until_ms:
            break
        grown = extended(grown, hit)
        ends.append(grown.until_ms)
    return ends


def incomplete(bans: Iterable[Ban], infractions: Sequence[Infraction], rules: Rules, now_ms: int) -> list[str]:
    """Return a sentence for each offender whom `bans` should have banned now, and lack or cut short.

    Raises:
        ValueError: An infraction is later than now, see the module's text.
    """
    if any(infraction.at_ms > now_ms for infraction in infractions):
        raise ValueError("now_ms is before the last infraction: completeness cannot be asked of a past moment")
    hits = _hits(infractions, rules)
    found = _by_offender(ban for ban in bans if ban.start_ms <= now_ms)
    wanted = {(ban.jail, ban.key): ban for ban in owed(infractions, rules) if now_ms <= ban.until_ms}
    sentences = [
        f"{_name(ban)}: not banned, but should be until {ban.until_ms}"
        for offender, ban in wanted.items()
        if offender not in found
    ]
    for offender, own in found.items():
        until_ms = _should_end(own[-1], wanted.get(offender), hits[offender], rules, now_ms)
        if own[-1].until_ms < until_ms:
            sentences.append(f"{_name(own[-1])}: banned until {own[-1].until_ms}, but should be until {until_ms}")
    return sentences


def _should_end(last: Ban, wanted: Ban | None, hits: list[int], rules: Rules, now_ms: int) -> int:
    ends = [last.until_ms]
    if now_ms <= (reached_ms := _ends(last, hits)[-1]):
        ends.append(reached_ms)
    if wanted:
        length = length_ms(max(1, min(last.count, wanted.count)), rules)
        ends.append(_ends(replace(wanted, length_ms=length), hits, _extended_exactly)[-1])
    return max(ends)


def difference(found: Iterable[Ban], wanted: Iterable[Ban]) -> list[str]:
    """Return sentences naming missing, unexpected and different bans, matched by offender and start."""
    left = defaultdict(list)
    for ban in found:
        left[_identity(ban)].append(ban)
    sentences = []
    for ban in wanted:
        if not left[_identity(ban)]:
            sentences.append(f"{_name(ban)}: missing")
            continue
        other = left[_identity(ban)].pop(0)
        if other != ban:
            sentences.append(f"{_name(ban)}: different in {_differing(other, ban)}")
    return sentences + [f"{_name(ban)}: unexpected" for rest in left.values() for ban in rest]


def _differing(found: Ban, wanted: Ban) -> str:
    fields = ("until_ms", "count", "length_ms", "extended")
    pairs = [(field, getattr(found, field), getattr(wanted, field)) for field in fields]
    return ", ".join(f"{field} ({is_} instead of {should})" for field, is_, should in pairs if is_ != should)


def as_oracle(ban: Ban) -> dict[str, str | float]:
    """Return a ban as the oracle's JSON object, in seconds that are ints when whole."""
    return {
        "jail": ban.jail,
        "ip": ban.key,
        "start": _seconds(ban.start_ms),
        "until": _seconds(ban.until_ms),
        "count": ban.count,
        "length": _seconds(ban.length_ms),
        "extended": ban.extended,
    }


def _seconds(ms: int) -> int | float:
    return ms / 1000 if ms % 1000 else ms // 1000


def _hits(infractions: Iterable[Infraction], rules: Rules) -> defaultdict[tuple[str, str], list[int]]:
    hits = defaultdict(list)
    for infraction in sorted(infractions, key=lambda each: each.at_ms):
        judged = key(infraction.ip, rules)
        if judged is not None:
            hits[infraction.jail, judged].append(infraction.at_ms)
    return hits


def _by_offender(bans: Iterable[Ban]) -> defaultdict[tuple[str, str], list[Ban]]:
    own = defaultdict(list)
    for ban in sorted(bans, key=lambda each: each.start_ms):
        own[ban.jail, ban.key].append(ban)
    return own


def _identity(ban: Ban) -> tuple[str, str, int]:
    return ban.jail, ban.key, ban.start_ms


def _name(ban: Ban) -> str:
    return f"the ban of {ban.key} in {ban.jail} at {ban.start_ms}"
