import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest

from f2b_worker.domain.addresses import display, parse_address
from f2b_worker.domain.jails import DAY_MS, FOREVER_MS, UNUSED_MAX, Jail, Window
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.verdicts import (
    Ban,
    Hit,
    Offender,
    OffenderId,
    Verdict,
    forgettable,
    judge,
    worth_storing,
)
from f2b_worker.testing import MemoryLedger

KEY = "203.0.113.7/32"
JAIL = Jail("login", (Window(3, 600_000),), bantime_ms=1_800_000, forget_ms=None)
DOUBLING = replace(JAIL, increment=True)


def at(*seconds: float) -> list[Hit]:
    return [Hit(round(each * 1000), f"id-{each}") for each in seconds]


def judged(*seconds: float, jail: Jail = JAIL, seen: Offender | None = None) -> Verdict:
    return judge(seen or Offender(), at(*seconds), jail, key=KEY)


def spans(verdict: Verdict) -> list[tuple[float, float]]:
    """Return the stored bans' starts and ends in seconds."""
    return [(ban.start_ms / 1000, ban.until_ms / 1000) for ban in verdict.changed]


def banned(start_s: int, until_s: int, count: int = 1, *, evidence: tuple[Hit, ...] = ()) -> Offender:
    length_ms = (until_s - start_s) * 1000
    return Offender(ban=Ban(start_s * 1000, until_s * 1000, count, length_ms, evidence=evidence), revision=count)


@pytest.mark.parametrize(
    ("seconds", "starts"),
    [
        ((), []),
        ((0, 1), []),
        ((0, 1, 2), [2]),
        ((0, 0.001, 599.999), [599.999]),
        ((0, 1, 600), []),
        ((0, 300, 600, 601), [601]),
        ((0, 300, 600, 900), []),
        ((0.002, 1, 600.001), [600.001]),
        ((0.001, 1, 600.001), []),
    ],
)
def test_a_ban_starts_at_the_hit_that_makes_maxretry_within_findtime(
    seconds: tuple[float, ...], starts: list[float]
) -> None:
    assert [start for start, _ in spans(judged(*seconds))] == starts


def test_a_first_hit_bans_where_nothing_is_forgiven() -> None:
    assert spans(judged(7, jail=replace(JAIL, windows=(Window(1, 1000),)))) == [(7, 1807)]


def test_distinct_infractions_of_one_millisecond_all_count() -> None:
    hits = [Hit(5000, "a"), Hit(5000, "b"), Hit(5000, "c")]
    assert spans(judge(Offender(), hits, JAIL, key=KEY)) == [(5, 1805)]


def test_the_same_infraction_counts_once() -> None:
    assert judged(0, 1, 1, 0).changed == ()


def test_the_same_infraction_counts_once_whoever_reported_it() -> None:
    twice = [Hit(1000 * number, f"i{number}{by}") for number in range(2) for by in ("", "@web-1", "@web-2")]
    verdict = judge(Offender(hits=frozenset(twice[:3])), twice, JAIL, key=KEY)
    assert (verdict.changed, len(verdict.unused)) == ((), 2)
    [ban] = judge(Offender(), [*twice, Hit(1000, "other@web-1")], JAIL, key=KEY).changed
    assert len(ban.evidence) == 3


def test_hits_remembered_and_hits_just_come_are_judged_together() -> None:
    verdict = judged(1, seen=Offender(hits=frozenset(at(0, 2))))
    assert spans(verdict) == [(2, 1802)]


@pytest.mark.parametrize("order", [(0, 1, 2, 700, 3), (3, 700, 2, 1, 0), (700, 0, 3, 2, 1)])
def test_the_order_in_which_hits_come_together_changes_nothing(order: tuple[int, ...]) -> None:
    assert judged(*order) == judged(0, 1, 2, 3, 700)


def test_evidence_is_the_maxretry_hits_that_ban_in_time_order() -> None:
    [ban] = judged(5, 100, 0, 200).changed
    assert (ban.start_ms, ban.evidence) == (100_000, tuple(at(0, 5, 100)))


def test_evidence_leaves_out_hits_that_the_window_does_not_need() -> None:
    [ban] = judged(0, 590, 595, 599, jail=replace(JAIL, windows=(Window(3, 10_000),))).changed
    assert (ban.start_ms, ban.evidence) == (599_000, tuple(at(590, 595, 599)))


@pytest.mark.parametrize(
    ("hit_s", "until_s", "extended"),
    [(2.001, 1982, 1), (900, 2702, 5), (1802, 3602, 10), (2, 1802, 0)],
    ids=["just-after", "during", "at-its-end", "at-its-start"],
)
def test_a_hit_up_to_and_at_the_end_extends_the_ban_by_its_own_length_rounded_up(
    hit_s: float, until_s: float, extended: int
) -> None:
    hits = [*at(0, 1, 2), Hit(round(hit_s * 1000), "another")]
    [ban] = judge(Offender(), hits, JAIL, key=KEY).changed
    assert (ban.until_ms, ban.extended) == (round(until_s * 1000), extended)


def test_a_hit_after_the_end_does_not_extend() -> None:
    verdict = judged(1802.001, seen=banned(2, 1802))
    assert verdict.changed == ()
    assert verdict.unused == tuple(at(1802.001))


def test_the_steps_of_extensions_are_counted_and_start_count_and_evidence_kept() -> None:
    [ban] = judged(0, 1, 2, 10, 20, 400).changed
    assert (ban.start_ms, ban.count, ban.until_ms, ban.extended) == (2000, 1, 2_342_000, 3)
    assert ban.evidence == tuple(at(0, 1, 2))


@pytest.mark.parametrize("hit_s", [0, 1.5, 2])
def test_a_hit_at_or_before_the_start_of_the_last_ban_changes_nothing(hit_s: float) -> None:
    verdict = judged(hit_s, seen=banned(2, 1802))
    assert verdict == Verdict((), ())


def test_a_repeated_hit_of_the_ban_changes_nothing() -> None:
    [ban] = judged(0, 1, 2, 900).changed
    assert judged(0, 1, 2, 900, seen=Offender(ban=ban, revision=1)).changed == ()


def test_an_extension_that_comes_late_never_shortens_the_ban() -> None:
    assert judged(100, seen=banned(2, 1802)).changed[0].until_ms == 1_982_000
    assert judged(100, seen=Offender(ban=replace(judged(0, 1, 2, 900).changed[0]))).changed == ()


def test_hits_of_a_ban_do_not_count_towards_the_next_one() -> None:
    short = replace(JAIL, bantime_ms=1000)
    assert spans(judged(0, 1, 2, 3, 4.5, 5, jail=short)) == [(2, 4)]
    assert spans(judged(0, 1, 2, 3, 4.5, 5, 6, jail=short)) == [(2, 4), (6, 7)]


def test_the_bans_of_one_judging_are_told_oldest_first_with_an_extension_before_them() -> None:
    verdict = judged(900, 5000, 5001, 5002, 9000, 9001, 9002, seen=banned(2, 1802))
    assert spans(verdict) == [(2, 2702), (5002, 6802), (9002, 10802)]


def test_a_jail_that_only_observes_marks_its_bans_and_a_ban_keeps_its_mode() -> None:
    watching = Jail(windows=(Window(1, 600_000),), observed=True)
    (ban,) = judge(Offender(), [Hit(1000, "a")], watching, key="k").changed
    (longer,) = judge(Offender(ban=ban), [Hit(2000, "b")], Jail(), key="k").changed

    assert ban.observed
    assert longer.observed


def weighed(*weights: int, seen: Offender | None = None) -> Verdict:
    """Judge one infraction a second with these weights."""
    heard = [Hit(second * 1000, f"id-{second}", weight) for second, weight in enumerate(weights)]
    return judge(seen or Offender(), heard, JAIL, key=KEY)


@pytest.mark.parametrize(
    ("weights", "starts_and_evidence"),
    [
        ((2,), []),
        ((3,), [(0, 1)]),
        ((7,), [(0, 1)]),
        ((1, 2), [(1, 2)]),
        ((2, 2), [(1, 2)]),
        ((1, 1, 2), [(2, 2)]),
        ((1, 1, 1), [(2, 3)]),
        ((1, 1, 5), [(2, 1)]),
    ],
)
def test_an_infraction_counts_for_its_weight_and_the_evidence_is_no_more_than_needed(
    weights: tuple[int, ...], starts_and_evidence: list[tuple[int, int]]
) -> None:
    found = [(ban.start_ms // 1000, len(ban.evidence)) for ban in weighed(*weights).changed]
    assert found == starts_and_evidence


def test_heavy_infractions_outside_the_window_count_for_nothing() -> None:
    old = Offender(hits=frozenset([Hit(-600_000, "old", 2)]))
    assert weighed(1, seen=old).changed == ()
    assert weighed(1, 2, seen=old).changed[0].evidence == (Hit(0, "id-0", 1), Hit(1000, "id-1", 2))


def test_from_the_nth_ban_on_the_escalation_says_where_it_is_enforced() -> None:
    jail = replace(JAIL, blocklists=("captcha",), escalation=((2, ("block",)), (4, ("block", "edge"))))
    starts = [5_000 * number for number in range(5)]
    bans = judged(*(start + hit for start in starts for hit in range(3)), jail=jail).changed
    assert [ban.blocklists for ban in bans] == [
        ("captcha",), ("block",), ("block",), ("block", "edge"), ("block", "edge"),
    ]  # fmt: skip


def test_a_ban_keeps_its_blocklists_when_the_jail_changes() -> None:
    [ban] = judged(0, 1, 2, jail=replace(JAIL, blocklists=("captcha",))).changed
    [longer] = judged(100, seen=Offender(ban=ban)).changed
    assert longer.blocklists == ("captcha",)


def test_the_length_of_an_extended_ban_stays_its_own_when_the_jail_changes() -> None:
    [ban] = judged(100, jail=replace(JAIL, bantime_ms=5000), seen=banned(2, 1802)).changed
    assert ban.until_ms == 1_982_000


def test_each_further_ban_counts_one_more_and_is_longer() -> None:
    bans = judged(0, 1, 2, 2000, 2001, 2002, 9000, 9001, 9002, jail=DOUBLING).changed
    assert [(ban.count, ban.length_ms) for ban in bans] == [(1, 1_800_000), (2, 3_600_000), (3, 7_200_000)]


@pytest.mark.parametrize(("start_s", "count"), [(1902, 4), (1902.001, 1)])
def test_the_count_is_forgotten_later_than_dbpurgeage_after_the_end(start_s: float, count: int) -> None:
    jail = replace(DOUBLING, windows=(Window(1, 1000),), forget_ms=100_000)
    [ban] = judged(start_s, jail=jail, seen=banned(2, 1802, count=3)).changed
    assert ban.count == count


def test_a_count_that_is_never_forgotten_grows_for_ever() -> None:
    jail = replace(DOUBLING, windows=(Window(1, 1000),), forget_ms=None, maxtime_ms=DAY_MS)
    [ban] = judged(10**9, jail=jail, seen=banned(2, 1802, count=3)).changed
    assert (ban.count, ban.length_ms) == (4, 14_400_000)


def test_a_ban_for_ever_has_no_end_and_is_never_extended() -> None:
    [ban] = judged(0, 1, 2, 10**9, jail=replace(JAIL, bantime_ms=FOREVER_MS)).changed
    assert (ban.until_ms, ban.extended) == (FOREVER_MS, 0)


def test_the_random_part_follows_from_the_offender_and_the_start() -> None:
    jail = replace(DOUBLING, rndtime_ms=DAY_MS)
    lengths = [judge(Offender(), at(0, 1, start), jail, key=key).changed[0].length_ms
               for key in (KEY, "203.0.113.8/32") for start in (2, 3, 2)]  # fmt: skip
    assert lengths[0] == lengths[2] != lengths[1]
    assert lengths[0] != lengths[3]


@pytest.mark.parametrize(
    ("seconds", "starts", "evidence"),
    [
        ((0, 1, 2), [2], 3),
        ((0, 100, 200, 300, 400), [400], 5),
        ((0, 100, 200, 300), [], 0),
        ((0, 100, 200, 201, 202), [202], 3),
    ],
    ids=["fast", "slow", "too-slow", "both"],
)
def test_any_of_several_windows_bans(seconds: tuple[int, ...], starts: list[int], evidence: int) -> None:
    jail = replace(JAIL, windows=(Window(3, 10_000), Window(5, 1_000_000)))
    verdict = judged(*seconds, jail=jail)
    assert [start for start, _ in spans(verdict)] == starts
    assert sum(len(ban.evidence) for ban in verdict.changed) == evidence


def test_unused_hits_are_those_since_the_last_ban_in_time_order() -> None:
    assert judged(0, 1, 2, 5, 3001, 3000).unused == tuple(at(3000, 3001))


SLOW = at(*range(0, 40_000, 1000))


def test_a_small_batch_is_stored_whole() -> None:
    assert worth_storing([*SLOW[:32], *SLOW[:32]], JAIL, key=KEY) == set(SLOW[:32])


def test_of_a_large_batch_every_hit_is_stored_that_the_batch_alone_does_not_ban() -> None:
    assert worth_storing(SLOW, JAIL, key=KEY) == set(SLOW)


def test_of_a_hot_address_only_the_newest_hits_are_stored() -> None:
    hot = at(*range(1000))
    assert worth_storing(hot, JAIL, key=KEY) == set(hot[-32:])


@pytest.mark.parametrize(
    ("settled_s", "forgotten"), [(0, 0), (0.001, 1), (5000, 5), (7000.001, 8), (10**9, 8)], ids=str
)
def test_hits_are_forgotten_that_are_settled_and_older_than_those_kept(settled_s: float, forgotten: int) -> None:
    settled_ms = round(settled_s * 1000)
    assert forgettable(frozenset(SLOW), tuple(SLOW), JAIL, settled_ms=settled_ms) == set(SLOW[:forgotten])


def test_hits_that_a_ban_has_used_are_forgotten() -> None:
    used = at(-3, -2, -1)
    assert forgettable(frozenset([*used, *SLOW]), tuple(SLOW), JAIL, settled_ms=0) == set(used)


def test_even_unsettled_hits_are_kept_up_to_a_bound_and_the_oldest_go_first() -> None:
    many = at(*range(UNUSED_MAX + 3))
    assert forgettable(frozenset(many), tuple(many), JAIL, settled_ms=0) == set(many[:3])


def test_of_a_batch_no_more_is_stored_than_is_kept_and_the_oldest_is_left_out_first() -> None:
    sparse = at(*range(0, 2 * UNUSED_MAX * 1000, 1000))
    assert worth_storing(sparse, JAIL, key=KEY) == set(sparse[-UNUSED_MAX:])
    assert worth_storing(sparse, replace(JAIL, windows=(Window(1000, 10_000),)), key=KEY) == set(
        sparse[-UNUSED_MAX:]
    )


WEIGHTS = [Hit(0, "one", weight) for weight in (1, 2, 3)]


@pytest.mark.parametrize("order", list(permutations(WEIGHTS)), ids=str)
def test_the_same_infraction_with_another_weight_counts_once_by_its_largest(order: Sequence[Hit]) -> None:
    jail = replace(JAIL, windows=(Window(4, 1_000_000),))
    assert judge(Offender(), order, jail, key=KEY) == judge(Offender(), WEIGHTS[2:], jail, key=KEY)
    assert judge(Offender(), order, jail, key=KEY).unused == (WEIGHTS[2],)
    (ban,) = judge(Offender(frozenset(order)), [Hit(1, "other")], jail, key=KEY).changed
    assert ban.evidence == (WEIGHTS[2], Hit(1, "other"))


def test_the_weights_of_one_infraction_crowd_out_no_other() -> None:
    others = at(*range(32))
    same = [Hit(40_000, "one", weight) for weight in range(1, 1000)]
    jail = replace(JAIL, windows=(Window(1000, 1_000_000),))
    assert worth_storing([*others, *same], jail, key=KEY) == {*others, same[-1]}


SETTINGS = {
    "3-600-1800": Jail(windows=(Window(3, 600_000),), bantime_ms=1_800_000, forget_ms=None),
    "5-3600-3600-doubling-1w": Jail(
        windows=(Window(5, 3_600_000),),
        bantime_ms=3_600_000,
        increment=True,
        maxtime_ms=7 * DAY_MS,
        forget_ms=None,
    ),
}
SETS = ("elasticssh", "secrepo10k", "webvpn67k")
Row = dict[str, object]


def rows(file: Path) -> list[Row]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def attack(oracle: Path, name: str, jail: Jail) -> list[tuple[OffenderId, Hit]]:
    hits = []
    for number, row in enumerate(rows(oracle / f"{name}.infractions.ndjson")):
        who = OffenderId(str(row["jail"]), jail.key(parse_address(str(row["ip"]))))
        hits.append((who, Hit(round(float(str(row["time"])) * 1000), str(number))))
    return hits


def as_row(who: OffenderId, ban: Ban) -> Row:
    times = {"start": ban.start_ms, "until": ban.until_ms, "length": ban.length_ms}
    shown: Row = {"jail": who.jail, "ip": display(who.key), "count": ban.count, "extended": ban.extended}
    return shown | {name: each / 1000 for name, each in times.items()}


def by_start(bans: list[Row]) -> list[Row]:
    return sorted(bans, key=lambda row: (row["start"], row["jail"], row["ip"]))


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", SETS)
def test_the_verdicts_on_a_real_attack_are_exactly_the_oracles(oracle: Path, name: str, setting: str) -> None:
    jail = SETTINGS[setting]
    hits: dict[OffenderId, list[Hit]] = defaultdict(list)
    for who, hit in attack(oracle, name, jail):
        hits[who].append(hit)
    found = [as_row(who, ban) for who in hits for ban in judge(Offender(), hits[who], jail, key=who.key).changed]
    assert found
    assert by_start(found) == by_start(rows(oracle / f"{name}.{setting}.rounded.bans.ndjson"))


def settle(ledger: MemoryLedger, jail: Jail, who: OffenderId, hit: Hit) -> None:
    """Take one infraction through the ledger, as the intake does."""
    offender = ledger.record({who: [hit]})[who]
    while isinstance(offender, Offender):
        verdict = judge(offender, [hit], jail, key=who.key)
        if not verdict.changed:
            if len(offender.hits) > jail.hits_kept:
                ledger.trim(who, forgettable(offender.hits, verdict.unused, jail, settled_ms=hit.at_ms))
            return
        offender = ledger.commit({who: Decision.on(offender, verdict.changed)})[who]
    raise offender


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", SETS[:2])
def test_infractions_one_at_a_time_through_a_ledger_get_the_oracles_verdicts_too(
    oracle: Path, name: str, setting: str
) -> None:
    ledger, jail = MemoryLedger(), SETTINGS[setting]
    hits = attack(oracle, name, jail)
    for who, hit in hits:
        settle(ledger, jail, who, hit)
    found = [as_row(who, ban) for who in {who for who, _ in hits} for ban in ledger.history(who)]
    assert by_start(found) == by_start(rows(oracle / f"{name}.{setting}.rounded.bans.ndjson"))


class TestALiftedBan:
    def test_infractions_up_to_the_lift_count_no_more(self) -> None:
        lifted = Offender(frozenset(at(1, 2, 3)), lifted_ms=3000)
        assert judge(lifted, at(1, 2, 3), JAIL, key=KEY) == Verdict((), ())
        assert judge(lifted, at(3, 4, 5), JAIL, key=KEY).unused == tuple(at(4, 5))

    def test_they_do_not_make_the_ban_longer_either(self) -> None:
        ban = Ban(1000, 5000, 1, 600_000)
        assert judge(Offender(ban=ban, lifted_ms=5000), at(2, 4, 5), JAIL, key=KEY).changed == ()

    def test_the_lift_is_remembered_with_the_next_ban(self) -> None:
        lifted = Offender(ban=Ban(1000, 5000, 1, 600_000), revision=2, lifted_ms=5000)
        (anew,) = judge(lifted, at(6, 7, 8), JAIL, key=KEY).changed
        assert (anew.start_ms, anew.count) == (8000, 2)
        assert Decision.on(lifted, (anew,)).applied(lifted).lifted_ms == 5000
