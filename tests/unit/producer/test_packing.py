import json
import re
from collections.abc import Iterator
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from f2b_producer._infraction import Infraction, read
from f2b_producer._pack import MAX_BODY_BYTES, MAX_INFRACTIONS, encode
from f2b_producer.testing import unpack

IPS = st.one_of(st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(str))
JAILS = st.sampled_from(["default", "login", "scan", "j" * 64])
TIMES_S = st.integers(0, 4_000_000_000_000).map(lambda at_ms: at_ms / 1000)
NOTES = st.one_of(st.none(), st.text(max_size=300))
WEIGHTS = st.one_of(st.just(1), st.integers(1, 1000))
IDENTITIES = st.one_of(
    st.none(), st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=64)
)


@st.composite
def few_infractions(draw: st.DrawFn) -> list[Infraction]:
    """Anything at all, but too little to fill a pack."""
    said = st.tuples(IPS, JAILS, TIMES_S, NOTES, WEIGHTS, IDENTITIES)
    return [read(*one) for one in draw(st.lists(said, max_size=50))]


@st.composite
def many_infractions(draw: st.DrawFn) -> list[Infraction]:
    """Enough for several packs, from few or many addresses, jails and notes."""
    chance = Random(draw(st.integers(0, 2**32)))  # one seed: drawing each value is more than hypothesis bears
    n = draw(st.integers(3_000, 12_000))
    addresses = draw(st.sampled_from([1, 5, 300, 3_000, 10**9]))
    version = draw(st.sampled_from(["203.{}.{}.{}", "2001:db8:{}:{}::{}"]))
    jails = draw(
        st.sampled_from([["default"], ["login"], ["login", "default"], [f"jail-{i}" for i in range(200)]])
    )
    noted = draw(st.sampled_from([0, 0, 0.01, 1]))
    weighty = draw(st.sampled_from([0, 0, 0.0003, 0.01, 1]))  # of the rare ones, the first may come late in a pack
    named = draw(st.sampled_from([0, 0, 0.0003, 0.01, 1]))
    pause_s = draw(st.sampled_from([0.001, 1, 100_000]))
    items, at_s = [], 1_763_833_500.0
    for _ in range(n):
        host = chance.randrange(addresses)
        at_s += chance.uniform(-0.5, 1) * pause_s
        note = '\N{PILE OF POO}"' * chance.randrange(20) if chance.random() < noted else None
        ip = version.format(host >> 16 & 255, host >> 8 & 255, host & 255)
        weight = chance.choice([2, 10, 1000]) if chance.random() < weighty else 1
        identity = "i" * chance.randrange(1, 64) if chance.random() < named else None
        items.append(read(ip, chance.choice(jails), abs(at_s), note, weight, identity))
    return items


infractions = st.one_of(few_infractions(), many_infractions())


def decode(body: str) -> Iterator[tuple[str, str, int, str | None, int, str | None]]:
    """Read a pack by docs/wire.md alone, sharing nothing with the package."""
    pack: dict[str, Any] = json.loads(body)
    assert pack["v"] == 1
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,32}", pack["id"])
    n = len(pack["dt_ms"])
    addresses = pack.get("of", range(n))
    jails = pack.get("jail", ["default"])
    at_ms = pack["t0_ms"]
    for i in range(n):
        at_ms += pack["dt_ms"][i]
        jail = jails[pack["in"][i]] if "in" in pack else jails[0]
        weight = pack["weight"][i] if "weight" in pack else 1
        identity = pack["ids"][i] if "ids" in pack else None
        yield pack["ip"][addresses[i]], jail, at_ms, pack.get("note", {}).get(str(i)), weight, identity


@given(infractions)
@settings(max_examples=60, deadline=None)
def test_every_infraction_can_be_read_back_in_order_from_packs_within_bounds(items: list[Infraction]) -> None:
    packs = encode(items)
    assert all(len(pack.body.encode()) <= MAX_BODY_BYTES for pack in packs)
    assert all(1 <= pack.infractions <= MAX_INFRACTIONS for pack in packs)
    assert all(pack.body.isascii() for pack in packs)
    read_back = [seen for pack in packs for seen in decode(pack.body)]
    assert read_back == [
        (ip, jail, round(at_s * 1000), note, weight, identity)
        for ip, jail, at_s, note, weight, _, identity in items
    ]
    assert len({pack.id for pack in packs}) == len(packs)


@given(many_infractions())
@settings(max_examples=25, deadline=None)
def test_a_pack_ends_only_when_the_next_infraction_would_not_fit(items: list[Infraction]) -> None:
    packs = encode(items)
    start = 0
    for pack in packs[:-1]:
        one_more = items[start : start + pack.infractions + 1]
        whole = {"v": 1, "id": pack.id, **_columns(one_more)}
        too_large = len(json.dumps(whole, separators=(",", ":"))) > MAX_BODY_BYTES
        assert too_large or pack.infractions == MAX_INFRACTIONS
        start += pack.infractions


def _columns(items: list[Infraction]) -> dict[str, object]:
    times_ms = [round(at_s * 1000) for _, _, at_s, *_ in items]
    ips, jails = list(dict.fromkeys(item[0] for item in items)), list(dict.fromkeys(item[1] for item in items))
    columns: dict[str, object] = {"t0_ms": times_ms[0], "ip": ips}
    columns["dt_ms"] = [b - a for a, b in zip([times_ms[0], *times_ms], times_ms, strict=False)]
    if len(ips) < len(items):
        where = {ip: i for i, ip in enumerate(ips)}
        columns["of"] = [where[item[0]] for item in items]
    if jails != ["default"]:
        columns["jail"] = jails
    if len(jails) > 1:
        columns["in"] = [jails.index(item[1]) for item in items]
    if notes := {str(i): item[3] for i, item in enumerate(items) if item[3]}:
        columns["note"] = notes
    if any(item[4] != 1 for item in items):
        columns["weight"] = [item[4] for item in items]
    if any(item[6] for item in items):
        columns["ids"] = [item[6] for item in items]
    return columns


def test_the_example_of_the_contract_is_what_is_sent() -> None:
    items = [
        read("203.0.113.7", "login", 1763833500.123, None),
        read("203.0.113.7", "login", 1763833500.135, None),
        read("2001:db8::1", "scan", 1763833501.085, "wp-login.php", 3, "Jd0xKw2mQ4s"),
    ]
    [pack] = encode(items, new_id=lambda: "k3v9x2mq0a7b", reporter="web-1")
    assert json.loads(pack.body) == {
        "v": 1,
        "id": "k3v9x2mq0a7b",
        "t0_ms": 1763833500123,
        "dt_ms": [0, 12, 950],
        "ip": ["203.0.113.7", "2001:db8::1"],
        "of": [0, 0, 1],
        "jail": ["login", "scan"],
        "in": [0, 0, 1],
        "note": {"2": "wp-login.php"},
        "weight": [1, 1, 3],
        "ids": [None, None, "Jd0xKw2mQ4s"],
        "reporter": "web-1",
    }


@given(few_infractions(), st.text("-._aZ9", min_size=1, max_size=64))
def test_each_pack_names_its_reporter_within_the_bounds(items: list[Infraction], reporter: str) -> None:
    packs = encode([*items, *[read("203.0.113.7", "default", 1, "n" * 200)] * 300], reporter=reporter)
    assert all(json.loads(pack.body)["reporter"] == reporter for pack in packs)
    assert all(len(pack.body.encode()) <= MAX_BODY_BYTES for pack in packs)


def test_columns_that_say_nothing_are_left_out() -> None:
    [pack] = encode([read("203.0.113.7", "default", 1, None), read("203.0.113.8", "default", 2, None)])
    assert json.loads(pack.body).keys() == {"v", "id", "t0_ms", "dt_ms", "ip"}


def test_one_jail_needs_no_index() -> None:
    [pack] = encode([read("203.0.113.7", "login", 1, None), read("203.0.113.8", "login", 2, None)])
    assert json.loads(pack.body).keys() == {"v", "id", "t0_ms", "dt_ms", "ip", "jail"}


def test_a_weight_that_does_not_fit_any_more_leaves_no_column_behind() -> None:
    plain = [read(f"10.0.{i >> 8}.{i & 255}", "default", i, None) for i in range(5_000)]
    [pack, *_] = encode(plain)
    few = pack.infractions - 100  # a hundred more fit, but not with a column of weights for all
    full, rest = encode([*plain[:few], read("203.0.113.7", "default", few, None, 1000)])
    assert "weight" not in json.loads(full.body)
    assert json.loads(rest.body)["weight"] == [1000]
    assert (full.infractions, rest.infractions) == (few, 1)


def test_ten_thousand_of_one_address_fit_one_pack_and_no_more() -> None:
    packs = encode([read("203.0.113.7", "default", 1, None)] * 10_001)
    assert [pack.infractions for pack in packs] == [10_000, 1]


def test_nothing_makes_no_pack() -> None:
    assert encode([]) == []


@given(infractions)
@settings(max_examples=25, deadline=None)
def test_the_testing_client_reads_packs_as_the_contract_says(items: list[Infraction]) -> None:
    for pack in encode(items):
        seen = [(ip, jail, round(at_s * 1000), *more) for ip, jail, at_s, *more in unpack(pack.body)]
        assert seen == [said[:5] for said in decode(pack.body)]


def test_encoding_rests_often_so_that_an_event_loop_beside_it_can_go_on() -> None:
    rests: list[int] = []
    items = [read("203.0.113.7", "default", i, None) for i in range(2_500)]
    encode(items, rest=lambda: rests.append(1))
    assert len(rests) == 2_500 // 512
