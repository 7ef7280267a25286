import ipaddress
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from demo import checker
from f2b_worker.domain.addresses import Address, canonical, display, key_of, parse_address
from f2b_worker.domain.blocklists import Collapse
from f2b_worker.domain.durations import parse_duration_ms
from f2b_worker.domain.jails import FOREVER_MS, Jail, Policy, Window
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.infractions import Infraction
from f2b_worker.domain.judge.sorting import Sorter
from f2b_worker.domain.judge.verdicts import Hit, Offender, OffenderId, forgettable, judge, worth_storing
from f2b_worker.domain.networks import NEVER_BANNED, Networks
from f2b_worker.domain.plan.collapse import Collapser
from f2b_worker.testing import MemoryLedger

settings.register_profile("verdicts", deadline=None, derandomize=True, database=None)
PROFILE = settings.get_profile("verdicts")

IPS = ["203.0.113.1", "203.0.113.2", "2001:db8::1"]
Pending = dict[OffenderId, list[Hit]]
NEVER_MS, ALWAYS_MS = -(10**15), 10**15  # before these times, nothing new is expected


def jail_of(rules: checker.Rules) -> Jail:
    return Jail(
        windows=(Window(rules.maxretry, rules.findtime_s * 1000),),
        bantime_ms=rules.bantime_s * 1000,
        increment=rules.increment,
        maxtime_ms=None if rules.maxtime_s is None else rules.maxtime_s * 1000,
        forget_ms=None,
    )


def settle(ledger: MemoryLedger, jail: Jail, pending: Pending, settled_ms: int = NEVER_MS) -> Iterator[None]:
    """Record, judge and commit as the intake does, pausing wherever another worker may come between."""
    stored = {who: sorted(worth_storing(hits, jail, key=who.key)) for who, hits in pending.items()}
    answers = ledger.record(stored)
    while answers:
        yield
        decisions: dict[OffenderId, Decision] = {}
        for who, offender in answers.items():
            assert isinstance(offender, Offender)
            verdict = judge(offender, pending[who], jail, key=who.key)
            if verdict.changed:
                decisions[who] = Decision.on(offender, verdict.changed)
            elif len(offender.hits) > jail.hits_kept:
                ledger.trim(who, forgettable(offender.hits, verdict.unused, jail, settled_ms=settled_ms))
        answers = ledger.commit(decisions)


def batch(infractions: Sequence[Infraction], jail: Jail) -> Pending:
    found = Sorter(Policy(jail), None).sort_out(infractions, now_ms=10**12)
    assert found.refused == []
    return dict(found.hits)


Batches = Sequence[Sequence[Infraction]]


def work(
    ledger: MemoryLedger, jail: Jail, batches: Batches, turns: Sequence[bool], settled_ms: int = NEVER_MS
) -> None:
    """Let two workers, each with every other batch, take turns at their steps."""
    workers = [_work(ledger, jail, batches[number::2], settled_ms) for number in (0, 1)]
    for turn in turns:
        next(workers[turn], None)
    for rest in workers:
        for _ in rest:
            pass


def _work(ledger: MemoryLedger, jail: Jail, batches: Batches, settled_ms: int) -> Iterator[None]:
    for each in batches:
        yield from settle(ledger, jail, batch(each, jail), settled_ms)


def bans_in(ledger: MemoryLedger) -> list[checker.Ban]:
    found = []
    for standing in ledger.standing():
        jail, key = standing.who
        shown = display(key)
        for ban in ledger.history(standing.who):
            times = (ban.start_ms, ban.until_ms, ban.count, ban.length_ms, ban.extended)
            found.append(checker.Ban(jail, shown, *times))
    return found


def for_checker(infractions: Sequence[Infraction]) -> list[checker.Infraction]:
    distinct = {(each.jail, each.at_ms, each.id): each for each in infractions}
    return [checker.Infraction(each.ip, each.jail, each.at_ms) for each in distinct.values()]


@st.composite
def rules_of_honest_length(draw: st.DrawFn) -> checker.Rules:
    """Jails whose bans last at least findtime: see the checker's text."""
    findtime_s = draw(st.integers(1, 60))
    bantime_s = findtime_s + draw(st.sampled_from([0, 0, 1, 30, 300]))
    increment = draw(st.booleans())
    longer = st.sampled_from([0, 5, 500]).map(lambda extra_s: bantime_s + extra_s)
    maxtime_s = draw(st.none() | longer) if increment else None
    return checker.Rules(draw(st.integers(1, 5)), findtime_s, bantime_s, increment=increment, maxtime_s=maxtime_s)


@st.composite
def attacks(draw: st.DrawFn, max_size: int = 30) -> list[Infraction]:
    """Infractions of few addresses, crowded enough for several bans; at most 30 of one address."""
    span_ms = draw(st.sampled_from([5_000, 100_000, 1_000_000]))
    step_ms = draw(st.sampled_from([1, 500, 1_000]))
    moments = st.integers(0, span_ms // step_ms).map(lambda steps: steps * step_ms)
    rows = draw(st.lists(st.tuples(st.sampled_from(IPS), moments), min_size=1, max_size=max_size))
    return [Infraction(ip, "default", at_ms, str(number)) for number, (ip, at_ms) in enumerate(rows)]


@st.composite
def deliveries(draw: st.DrawFn, infractions: list[Infraction]) -> list[list[Infraction]]:
    """All of the infractions in any order, some of them repeated, in batches of any size."""
    repeated = draw(st.lists(st.sampled_from(infractions), max_size=10))
    order = draw(st.permutations([*infractions, *repeated]))
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(order) - 1)), max_size=12)))
    return [
        order[start:end] for start, end in zip([0, *cuts], [*cuts, len(order)], strict=True) if order[start:end]
    ]


TURNS = st.lists(st.booleans(), max_size=60)


@given(st.data(), rules_of_honest_length(), attacks(), TURNS)
@settings(PROFILE, max_examples=400)
def test_in_any_order_over_two_workers_the_bans_are_sound_and_complete(
    data: st.DataObject, rules: checker.Rules, infractions: list[Infraction], turns: list[bool]
) -> None:
    ledger = MemoryLedger()
    work(ledger, jail_of(rules), data.draw(deliveries(infractions)), turns)
    bans, asked = bans_in(ledger), for_checker(infractions)
    assert checker.unsound(bans, asked, rules) == []
    assert checker.incomplete(bans, asked, rules, max(each.at_ms for each in asked)) == []


@given(st.data(), rules_of_honest_length(), st.integers(1, 10), attacks(), TURNS)
@settings(PROFILE, max_examples=150)
def test_bans_shorter_than_findtime_are_sound_in_any_order_too(
    data: st.DataObject, rules: checker.Rules, bantime_s: int, infractions: list[Infraction], turns: list[bool]
) -> None:
    rules, ledger = replace(rules, bantime_s=bantime_s, maxtime_s=None), MemoryLedger()
    work(ledger, jail_of(rules), data.draw(deliveries(infractions)), turns)
    assert checker.unsound(bans_in(ledger), for_checker(infractions), rules) == []


@given(st.data(), rules_of_honest_length(), attacks(), TURNS)
@settings(PROFILE, max_examples=150)
def test_a_complete_redelivery_in_any_order_changes_no_ban(
    data: st.DataObject, rules: checker.Rules, infractions: list[Infraction], turns: list[bool]
) -> None:
    ledger, jail = MemoryLedger(), jail_of(rules)
    work(ledger, jail, data.draw(deliveries(infractions)), turns)
    before = bans_in(ledger)
    evidence = [ledger.history(standing.who) for standing in ledger.standing()]
    work(ledger, jail, data.draw(deliveries(infractions)), turns)
    assert bans_in(ledger) == before
    assert [ledger.history(standing.who) for standing in ledger.standing()] == evidence


@given(rules_of_honest_length(), st.integers(1, 10), st.booleans(), attacks(max_size=60))
@settings(PROFILE, max_examples=250)
def test_in_time_order_one_at_a_time_the_bans_are_exactly_the_expected_ones(
    rules: checker.Rules, bantime_s: int, short: bool, infractions: list[Infraction]
) -> None:
    rules = replace(rules, bantime_s=bantime_s, maxtime_s=None) if short else rules
    ledger, in_order = MemoryLedger(), sorted(infractions, key=lambda each: each.at_ms)
    work(ledger, jail_of(rules), [[each] for each in in_order for _ in (0, 1)], [False, True] * 2000)
    assert checker.difference(bans_in(ledger), checker.expected(for_checker(in_order), rules)) == []


@given(rules_of_honest_length(), st.integers(1, 10), attacks())
@settings(PROFILE, max_examples=200)
def test_each_ban_is_backed_by_maxretry_distinct_infractions_that_back_no_other(
    rules: checker.Rules, bantime_s: int, infractions: list[Infraction]
) -> None:
    ledger, jail = MemoryLedger(), jail_of(replace(rules, bantime_s=bantime_s, maxtime_s=None))
    work(ledger, jail, [infractions], [])
    used: dict[OffenderId, list[Hit]] = defaultdict(list)
    for who in {standing.who for standing in ledger.standing()}:
        for ban in ledger.history(who):
            assert len(ban.evidence) == rules.maxretry
            assert ban.evidence[-1].at_ms == ban.start_ms
            assert ban.evidence[0].at_ms > ban.start_ms - jail.windows[0].findtime_ms
            used[who] += ban.evidence
    assert all(len(set(hits)) == len(hits) for hits in used.values())


@given(st.integers(0, 2**32), rules_of_honest_length(), st.sampled_from([1, 2, 5, 40]), TURNS)
@settings(PROFILE, max_examples=200)
def test_batches_that_are_too_many_to_store_whole_are_sound_and_complete_too(
    seed: int, rules: checker.Rules, parts: int, turns: list[bool]
) -> None:
    random = Random(seed)
    moments = [
        random.randrange(random.choice([20_000, 600_000, 5_000_000])) for _ in range(random.randint(33, 150))
    ]
    hits = [Infraction(IPS[0], "default", at_ms, str(number)) for number, at_ms in enumerate(moments)]
    order = random.sample([*hits, *hits], k=2 * len(hits))
    ledger = MemoryLedger()
    work(ledger, jail_of(rules), [order[part::parts] for part in range(parts)], turns)
    bans, asked = bans_in(ledger), for_checker(hits)
    assert checker.unsound(bans, asked, rules) == []
    assert checker.incomplete(bans, asked, rules, max(moments)) == []


def slow_attack(hits: int) -> list[Infraction]:
    """Infractions that ban nobody: each is alone in its window of ten seconds."""
    return [Infraction(IPS[0], "default", 20_000 * number, f"slow-{number}") for number in range(hits)]


SLOW_JAIL = Jail(windows=(Window(3, 10_000),), bantime_ms=10_000, forget_ms=None)
LATE = [Infraction(IPS[0], "default", 1 + number, f"late-{number}") for number in range(2)]


@pytest.mark.parametrize(
    ("hits", "settled_ms", "bans"), [(32, ALWAYS_MS, 1), (33, ALWAYS_MS, 0), (33, 0, 1), (33, 1, 0), (1000, 0, 1)]
)
def test_a_hit_is_forgotten_only_once_it_is_settled_and_hits_kept_newer_ones_banned_nobody(
    hits: int, settled_ms: int, bans: int
) -> None:
    ledger = MemoryLedger()
    work(ledger, SLOW_JAIL, [slow_attack(hits), [], LATE, []], [], settled_ms)
    assert len(bans_in(ledger)) == bans


@pytest.mark.parametrize(("settled_ms", "kept"), [(ALWAYS_MS, 32), (NEVER_MS, 1000)])
def test_what_the_ledger_remembers_of_one_offender_stays_bounded(settled_ms: int, kept: int) -> None:
    ledger, who, hits = MemoryLedger(), OffenderId("default", "203.0.113.1/32"), slow_attack(4200)
    work(ledger, SLOW_JAIL, [hits[start : start + 50] for start in range(0, 4200, 50)], [], settled_ms)
    offender = ledger.record({who: []})[who]
    assert isinstance(offender, Offender)
    assert len(offender.hits) == kept


LENGTHS = st.integers(1, FOREVER_MS)


@given(LENGTHS, st.floats(1, 1000), st.none() | LENGTHS, st.integers(0, 10**9), st.integers(1, 200))
@settings(PROFILE, max_examples=150)
def test_a_later_ban_is_never_shorter_and_never_above_the_cap(
    bantime_ms: int, factor: float, maxtime_ms: int | None, rndtime_ms: int, count: int
) -> None:
    jail = Jail(bantime_ms=bantime_ms, increment=True, factor=factor, maxtime_ms=maxtime_ms, rndtime_ms=rndtime_ms)
    shorter, longer = (jail.ban_length_ms(each, seed="s") for each in (count, count + 1))
    assert 0 < shorter <= longer <= FOREVER_MS
    if maxtime_ms is not None and bantime_ms < FOREVER_MS:
        assert longer <= maxtime_ms + rndtime_ms


IPV4 = st.ip_addresses(v=4)
NEVER = [ipaddress.ip_network(entry) for entry in NEVER_BANNED.entries]


IPV4_INSIDE = [ipaddress.ip_network(text) for text in ("::ffff:0:0/96", "::ffff:0:0:0/96", "::/96")]


def as_ipv4(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Read an IPv6 notation of an IPv4 address as that."""
    inside = any(address in network for network in IPV4_INSIDE) and int(address) > 1
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if inside else address


def spellings(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> list[str]:
    if isinstance(address, ipaddress.IPv4Address):
        high, low = divmod(int(address), 2**16)
        mapped = f"::ffff:{high:x}:{low:x}"
        return [str(address), f"::ffff:{address}", mapped, mapped.upper(), ipaddress.IPv6Address(mapped).exploded]
    return [str(address), str(address).upper(), address.exploded, address.exploded.upper()]


@given(st.sampled_from(NEVER), st.data())
@settings(PROFILE, max_examples=150)
def test_nobody_is_banned_who_must_never_be_in_any_spelling(
    network: ipaddress.IPv4Network | ipaddress.IPv6Network, data: st.DataObject
) -> None:
    value = int(network.network_address) + data.draw(st.integers(0, network.num_addresses - 1))
    address = ipaddress.IPv4Address(value) if network.version == 4 else ipaddress.IPv6Address(value)
    infractions = [Infraction(text, "default", 1, str(n)) for n, text in enumerate(spellings(address) * 3)]
    found = Sorter(Policy(), None).sort_out(infractions, now_ms=1)
    assert (dict(found.hits), found.refused) == ({}, [])
    assert found.ignored == {"own_range": len(infractions)}


@given(IPV4 | st.ip_addresses(v=6))
@settings(PROFILE, max_examples=300)
def test_an_address_is_read_as_the_standard_library_reads_it(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    plain = as_ipv4(address)
    assert {parse_address(text) for text in spellings(address)} == {Address(plain.version, int(plain))}
    assert key_of(parse_address(str(address)), ipv6_prefix=128) == str(ipaddress.ip_network(plain))


@given(st.text("0123456789abcdefABCDEF:./%fFxX -[]", max_size=45))
@example("::ffff:1.2.3.4")
@example("1.2.3.4/32")
@example("00000::")
@settings(PROFILE, max_examples=400)
def test_what_the_standard_library_does_not_read_is_refused_and_the_rest_is_read(text: str) -> None:
    try:
        expected = ipaddress.ip_address(text)
    except ValueError:
        with pytest.raises(ValueError, match=r"is no IPv4|is a range|carries a zone|ends with a slash"):
            parse_address(text)
    else:
        if "%" not in text:
            plain = as_ipv4(expected)
            assert parse_address(text) == Address(plain.version, int(plain))


@given(IPV4 | st.ip_addresses(v=6), st.integers(1, 32), st.integers(1, 128))
@settings(PROFILE, max_examples=200)
def test_a_key_is_the_network_that_the_standard_library_finds(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, ipv4_prefix: int, ipv6_prefix: int
) -> None:
    plain = as_ipv4(address)
    prefix = ipv4_prefix if plain.version == 4 else customers_prefix(plain, ipv6_prefix)
    key = key_of(parse_address(str(address)), ipv4_prefix=ipv4_prefix, ipv6_prefix=ipv6_prefix)
    assert key == str(ipaddress.ip_network((int(plain), prefix), strict=False)) or plain.version == 6
    assert key == canonical(f"{plain}/{prefix}")


CUSTOMERS = {
    ipaddress.IPv6Network("64:ff9b::/96"): 128,
    ipaddress.IPv6Network("64:ff9b:1::/48"): 128,
    ipaddress.IPv6Network("2001::/32"): 128,
    ipaddress.IPv6Network("2002::/16"): 48,
}
"""The ranges in which a /64 is not one customer, and the length of one."""


def customers_prefix(address: ipaddress.IPv4Address | ipaddress.IPv6Address, usual: int) -> int:
    own = [length for network, length in CUSTOMERS.items() if address in network]
    return usual if not own else own[0] if usual <= 64 else max(usual, own[0])


@st.composite
def shared(draw: st.DrawFn) -> tuple[ipaddress.IPv6Address, int]:
    """Draw an address in one of these ranges, and the length of its customer."""
    network, length = draw(st.sampled_from(sorted(CUSTOMERS.items())))
    value = int(network.network_address) + draw(st.integers(0, network.num_addresses - 1))
    return ipaddress.IPv6Address(value), length


@given(shared(), st.integers(1, 128), st.integers(16, 63))
@settings(PROFILE, max_examples=300)
def test_no_ban_and_no_collapsed_network_covers_more_than_one_customer_where_a_64_is_not_one(
    one: tuple[ipaddress.IPv6Address, int], ipv6_prefix: int, collapsed_prefix: int
) -> None:
    address, length = one
    jail = Jail(ipv6_prefix=ipv6_prefix)
    key = jail.key(parse_address(str(address)))
    assert address in ipaddress.IPv6Network(key)
    assert ipaddress.IPv6Network(key).prefixlen >= length
    narrow = key_of(parse_address(str(address)), ipv6_prefix=128)
    assert jail.key_over(narrow) == key
    collapser = Collapser(Collapse(2, 24, collapsed_prefix), Networks(), Networks(), holds=bool, is_settled=bool)
    for around in (collapser.network(key), collapser.network(narrow)):
        assert around is None or ipaddress.IPv6Network(around).prefixlen >= length


@given(st.lists(IPV4, min_size=1, max_size=4), IPV4)
@settings(PROFILE, max_examples=200)
def test_whoever_may_not_be_banned_may_not_be_banned_in_an_ipv6_form_either(
    ignored: list[ipaddress.IPv4Address], other: ipaddress.IPv4Address
) -> None:
    jail = Jail(ignore=Networks(map(str, ignored)), own_ranges=False)
    for address in (*ignored, other):
        high, low = divmod(int(address), 1 << 16)
        forms = [f"64:ff9b::{address}", f"2002:{high:x}:{low:x}:7::1", f"::ffff:{address}", f"::ffff:0:{address}"]
        for text in forms:
            assert (jail.ignores(parse_address(text)) == "ignoreip") is (address in ignored)


def in_ipv6(network: Any) -> list[Any]:
    """Find the NAT64 addresses and the 6to4 sites of an IPv4 network."""
    if network.version == 6:
        return []
    value, prefix = int(network.network_address), network.prefixlen
    nat64 = ipaddress.IPv6Network((int(ipaddress.IPv6Address("64:ff9b::")) + value, 96 + prefix))
    return [nat64, ipaddress.IPv6Network(((0x2002 << 112) + (value << 80), 16 + prefix))]


@st.composite
def networks(draw: st.DrawFn) -> Any:
    """Networks that are often neighbours, nested or equal."""
    if draw(st.booleans()):
        value = draw(st.sampled_from([0xCB007100, 0, 0xFFFFFF00]) | st.integers(0, 2**32 - 1))
        return ipaddress.ip_network((value, draw(st.integers(20, 32) | st.integers(0, 32))), strict=False)
    value = draw(st.sampled_from([0x20010DB8 << 96, 0]) | st.integers(2**64, 2**128 - 1))
    prefix = draw(st.integers(110, 128) | st.integers(0, 128))
    return ipaddress.IPv6Network((value, prefix), strict=False)


@given(st.lists(networks(), max_size=8), networks())
@settings(PROFILE, max_examples=400)
def test_networks_touch_what_overlaps_one_of_them_for_the_standard_library(entries: list[Any], other: Any) -> None:
    meant = [each for entry in entries for each in (entry, *in_ipv6(entry))]
    overlap = any(each.version == other.version and each.overlaps(other) for each in meant)
    assert Networks(map(str, entries)).touches(str(other)) is overlap


@given(st.lists(networks(), min_size=1, max_size=8), st.data())
@settings(PROFILE, max_examples=300)
def test_networks_cover_what_is_in_one_of_them_for_the_standard_library(
    entries: list[Any], data: st.DataObject
) -> None:
    near = data.draw(st.sampled_from(entries))
    ends = [int(near.network_address) - 1, int(near.network_address), int(near.broadcast_address)]
    value = data.draw(
        st.sampled_from([*ends, ends[-1] + 1]).filter(lambda each: 0 <= each < 2**near.max_prefixlen)
    )
    covered = any(
        each.version == near.version and int(each.network_address) <= value <= int(each.broadcast_address)
        for entry in entries
        for each in (entry, *in_ipv6(entry))
    )
    assert Networks(map(str, entries)).covers(Address(near.version, value)) is covered


@given(st.dictionaries(st.sampled_from(["w", "d", "h", "m", "s"]), st.integers(0, 99), min_size=1))
@settings(PROFILE, max_examples=150)
def test_a_duration_is_the_sum_of_its_parts_in_any_order_and_case(parts: dict[str, int]) -> None:
    seconds = {"w": 604_800, "d": 86_400, "h": 3600, "m": 60, "s": 1}
    text = "".join(f"{number}{unit}" for unit, number in parts.items())
    total_ms = sum(number * seconds[unit] for unit, number in parts.items()) * 1000
    assert parse_duration_ms(text) == parse_duration_ms(text.upper()) == total_ms


@given(st.integers(0, 10**11))
@settings(PROFILE, max_examples=100)
def test_milliseconds_written_as_seconds_are_read_back(ms: int) -> None:
    assert (
        parse_duration_ms(f"{ms / 1000:.3f}") == parse_duration_ms(f"{ms // 1000}s{ms % 1000 / 1000:.3f}s") == ms
    )
