from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from f2b_worker.domain.judge.infractions import Infraction
from f2b_worker.domain.judge.verdicts import Hit, Offender, OffenderId, forgettable, judge, worth_storing
from f2b_worker.testing import MemoryLedger
from tests.property.judging import Deed, Law, in_order, incomplete, is_broken, jail_of, split, term_of, unsound
from tests.property.test_verdict_properties import (
    ALWAYS_MS,
    NEVER_MS,
    PROFILE,
    TURNS,
    batch,
    deliveries,
    settle,
    work,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from f2b_worker.domain.jails import Jail
    from f2b_worker.domain.judge.verdicts import Ban

KEY, IP = "203.0.113.1/32", "203.0.113.1"
WHO = OffenderId("default", KEY)
Deeds = list[Deed]


@st.composite
def laws(draw: st.DrawFn, *, honest: bool = True, fewest: int = 1) -> Law:
    """Jails with up to three windows; their bans last at least findtime if they are to be honest."""
    seconds = st.integers(1, 60).map(lambda findtime_s: findtime_s * 1000)
    windows = draw(st.lists(st.tuples(st.integers(fewest, 12), seconds), min_size=1, max_size=3))
    longest_ms = max(findtime_ms for _, findtime_ms in windows)
    more_ms = st.sampled_from([0, 0, 1, 30_000, 300_000])
    bantime_ms = longest_ms + draw(more_ms) if honest else draw(st.integers(1, 60_000))
    increment = draw(st.booleans())
    maxtime_ms = draw(st.none() | more_ms.map(lambda extra_ms: bantime_ms + extra_ms))
    return Law(tuple(windows), bantime_ms, increment, maxtime_ms)


@st.composite
def deeds_of_one(draw: st.DrawFn, max_size: int = 30, heaviest: int = 6) -> Deeds:
    """Infractions of one address, crowded enough for several bans."""
    span_ms = draw(st.sampled_from([5_000, 100_000, 1_000_000]))
    step_ms = draw(st.sampled_from([1, 500, 1_000]))
    moments = st.integers(0, span_ms // step_ms).map(lambda steps: steps * step_ms)
    weights = st.just(1) | st.integers(1, heaviest)
    rows = draw(st.lists(st.tuples(moments, weights), min_size=1, max_size=max_size))
    return [Deed(at_ms, str(number), weight) for number, (at_ms, weight) in enumerate(rows)]


def infractions(deeds: Sequence[Deed]) -> list[Infraction]:
    return [Infraction(IP, "default", deed.at_ms, deed.id, weight=deed.weight) for deed in deeds]


def hits(deeds: Sequence[Deed]) -> list[Hit]:
    return [Hit(*deed) for deed in deeds]


def judged(deeds: Sequence[Deed], law: Law) -> tuple[Ban, ...]:
    return judge(Offender(), hits(deeds), jail_of(law), key=KEY).changed


def judged_one_by_one(deeds: Sequence[Deed], law: Law) -> list[Ban]:
    """Judge each infraction alone, and once more when it comes again."""
    ledger = MemoryLedger()
    work(ledger, jail_of(law), [[each] for each in infractions(sorted(deeds)) for _ in (0, 1)], [])
    return ledger.history(WHO)


def wrongs(bans: Sequence[Ban], deeds: Deeds, law: Law) -> list[str]:
    """Say what is unsound or, at the time of the last infraction, incomplete."""
    faults = unsound(bans, deeds, law)
    if law.is_honest:
        faults += incomplete(bans, deeds, law, max(deed.at_ms for deed in deeds))
    return faults


@given(laws(honest=False) | laws(), deeds_of_one(max_size=60))
@settings(PROFILE, max_examples=400)
def test_in_time_order_the_bans_are_those_of_plain_sums_of_weights(law: Law, deeds: Deeds) -> None:
    wanted = in_order(deeds, law)
    assert [term_of(ban) for ban in judged(deeds, law)] == wanted
    assert [term_of(ban) for ban in judged_one_by_one(deeds, law)] == wanted


@given(laws(honest=False) | laws(), deeds_of_one(max_size=40), st.integers(1, 1000))
@settings(PROFILE, max_examples=300)
def test_an_infraction_of_a_weight_bans_exactly_as_so_many_of_weight_one_at_its_time(
    law: Law, deeds: Deeds, heavy: int
) -> None:
    deeds = [*deeds, Deed(deeds[0].at_ms + 1, "heavy", heavy)]
    apart = [part for deed in deeds for part in split(deed)]
    assert [term_of(ban) for ban in judged(deeds, law)] == [term_of(ban) for ban in judged(apart, law)]


@given(laws(honest=False) | laws(), deeds_of_one(max_size=60))
@settings(PROFILE, max_examples=200)
def test_the_evidence_is_the_fewest_of_the_newest_infractions_that_count_for_enough(
    law: Law, deeds: Deeds
) -> None:
    assert unsound(judged(deeds, law), deeds, law) == []


@given(st.data(), laws(), deeds_of_one(), TURNS)
@settings(PROFILE, max_examples=400)
def test_in_any_order_over_two_workers_weighted_bans_are_sound_and_complete(
    data: st.DataObject, law: Law, deeds: Deeds, turns: list[bool]
) -> None:
    ledger = MemoryLedger()
    work(ledger, jail_of(law), data.draw(deliveries(infractions(deeds))), turns)
    assert wrongs(ledger.history(WHO), deeds, law) == []


@given(st.data(), laws(honest=False), deeds_of_one(), TURNS)
@settings(PROFILE, max_examples=150)
def test_weighted_bans_shorter_than_findtime_are_sound_in_any_order_too(
    data: st.DataObject, law: Law, deeds: Deeds, turns: list[bool]
) -> None:
    ledger = MemoryLedger()
    work(ledger, jail_of(law), data.draw(deliveries(infractions(deeds))), turns)
    assert unsound(ledger.history(WHO), deeds, law) == []


@given(st.data(), laws(), deeds_of_one(), TURNS)
@settings(PROFILE, max_examples=100)
def test_a_complete_redelivery_of_weighted_infractions_changes_no_ban(
    data: st.DataObject, law: Law, deeds: Deeds, turns: list[bool]
) -> None:
    ledger, jail = MemoryLedger(), jail_of(law)
    work(ledger, jail, data.draw(deliveries(infractions(deeds))), turns)
    before = ledger.history(WHO)
    work(ledger, jail, data.draw(deliveries(infractions(deeds))), turns)
    assert ledger.history(WHO) == before


SEEDS = st.integers(0, 2**32)


def crowd(random: Random) -> Deeds:
    """More infractions of one address than are stored whole, in a dense stretch or a long one."""
    span_ms = random.choice([20_000, 600_000, 5_000_000])
    weights = random.choice([(1,), (1, 1, 1, 5), (1, 2, 3, 4)])
    return [
        Deed(random.randrange(random.choice([20_000, span_ms])), str(number), random.choice(weights))
        for number in range(random.randint(33, 150))
    ]


@given(SEEDS, laws(), st.sampled_from([1, 2, 5, 40]), TURNS)
@settings(PROFILE, max_examples=200)
def test_weighted_batches_that_are_too_many_to_store_whole_are_sound_and_complete_too(
    seed: int, law: Law, parts: int, turns: list[bool]
) -> None:
    random = Random(seed)
    deeds = crowd(random)
    order = infractions(random.sample([*deeds, *deeds], k=2 * len(deeds)))
    ledger = MemoryLedger()
    work(ledger, jail_of(law), [order[part::parts] for part in range(parts)], turns)
    assert wrongs(ledger.history(WHO), deeds, law) == []


@given(SEEDS, laws())
@settings(PROFILE, max_examples=200)
def test_a_worker_that_dies_after_storing_what_is_worth_it_loses_no_verdict(seed: int, law: Law) -> None:
    random, ledger, jail = Random(seed), MemoryLedger(), jail_of(law)
    deeds = crowd(random)
    order = infractions(random.sample(deeds, k=len(deeds)))
    cut = random.randrange(len(order))
    dies = settle(ledger, jail, batch(order[:cut], jail))
    next(dies, None)  # it has recorded and judged nothing yet, and goes no further
    work(ledger, jail, [order[cut:], order[:cut]], [])
    assert wrongs(ledger.history(WHO), deeds, law) == []


@given(laws(honest=False) | laws(), deeds_of_one(max_size=60))
@settings(PROFILE, max_examples=200)
def test_a_batch_is_stored_whole_or_as_its_newest_and_all_that_it_bans_nobody_with(law: Law, deeds: Deeds) -> None:
    jail = jail_of(law)
    stored = worth_storing(hits(deeds), jail, key=KEY)
    newest = sorted(hits(deeds))[-jail.hits_kept :]
    unused = judge(Offender(), hits(deeds), jail, key=KEY).unused
    assert stored.issuperset([*newest, *unused])
    assert stored.issubset(hits(deeds))


@given(st.data(), laws(), deeds_of_one(), TURNS)
@settings(PROFILE, max_examples=200)
def test_the_same_infractions_with_other_weights_are_judged_once_by_their_largest_in_any_order(
    data: st.DataObject, law: Law, deeds: Deeds, turns: list[bool]
) -> None:
    again = data.draw(st.lists(st.tuples(st.sampled_from(deeds), st.integers(1, 6)), min_size=1, max_size=20))
    told = [*deeds, *(deed._replace(weight=weight) for deed, weight in again)]
    heaviest = list({deed[:2]: deed for deed in sorted(told)}.values())
    ledger = MemoryLedger()
    work(ledger, jail_of(law), data.draw(deliveries(infractions(told))), turns)
    bans = ledger.history(WHO)
    cited = [hit[:2] for ban in bans for hit in ban.evidence]
    assert len(set(cited)) == len(cited)
    # A ban may have started before the largest weight came; then as much as was known backs it.
    assert unsound(bans, told, law) == []
    if law.is_honest:
        assert incomplete(bans, heaviest, law, max(deed.at_ms for deed in heaviest)) == []
    assert [term_of(ban) for ban in judged(told, law)] == in_order(heaviest, law)


@st.composite
def slow_attackers(draw: st.DrawFn) -> tuple[Law, Deeds]:
    """Somebody who waits for the end of findtime whenever one more infraction would be a ban."""
    law = draw(laws(fewest=2))
    random, gap_ms = Random(draw(SEEDS)), draw(st.sampled_from([500, 5_000, 30_000]))
    heaviest = min(maxretry for maxretry, _ in law.windows) - 1
    deeds: Deeds = []
    at_ms = 0
    for number in range(draw(st.integers(33, 90))):
        at_ms += random.randrange(gap_ms)
        deed = Deed(at_ms, str(number), random.choice([1, 1, min(2, heaviest), heaviest]))
        if any(is_broken([*deeds, deed], at_ms, window) for window in law.windows):
            at_ms += law.longest_findtime_ms
        deeds.append(deed._replace(at_ms=at_ms))
    return law, deeds


@given(st.data(), slow_attackers())
@settings(PROFILE, max_examples=150)
def test_forgetting_settled_infractions_loses_no_verdict_on_whatever_the_kept_ones_suffice_for(
    data: st.DataObject, attacker: tuple[Law, Deeds]
) -> None:
    law, deeds = attacker
    jail, stored = jail_of(law), frozenset(hits(deeds))
    enough = max(maxretry for maxretry, _ in law.windows)
    newest = deeds[-(jail.hits_kept - enough)]  # after it come so few that what a ban at it needs is kept, too
    late = data.draw(_some_after(newest.at_ms))
    after = _forgotten(stored, jail, ALWAYS_MS)
    assert _verdicts(after, late, jail) == _verdicts(stored, late, jail)


@given(st.data(), slow_attackers())
@settings(PROFILE, max_examples=150)
def test_forgetting_infractions_that_nobody_can_come_late_for_loses_no_verdict(
    data: st.DataObject, attacker: tuple[Law, Deeds]
) -> None:
    law, deeds = attacker
    jail, stored = jail_of(law), frozenset(hits(deeds))
    settled_ms = data.draw(st.sampled_from([deed.at_ms for deed in deeds]))
    late = data.draw(_some_after(settled_ms + law.longest_findtime_ms))
    after = _forgotten(stored, jail, settled_ms)
    assert _verdicts(after, late, jail) == _verdicts(stored, late, jail)
    assert _forgotten(stored, jail, NEVER_MS) == stored


def _some_after(first_ms: int) -> st.SearchStrategy[list[Hit]]:
    rows = st.lists(st.tuples(st.integers(0, 90_000), st.integers(1, 6)), min_size=1, max_size=6)
    return rows.map(
        lambda found: [Hit(first_ms + at_ms, f"late{n}", weight) for n, (at_ms, weight) in enumerate(found)]
    )


def _forgotten(stored: frozenset[Hit], jail: Jail, settled_ms: int) -> frozenset[Hit]:
    verdict = judge(Offender(stored), (), jail, key=KEY)
    assert verdict.changed == ()
    return stored - forgettable(stored, verdict.unused, jail, settled_ms=settled_ms)


def _verdicts(stored: frozenset[Hit], late: list[Hit], jail: Jail) -> tuple[Ban, ...]:
    return judge(Offender(stored), late, jail, key=KEY).changed


@given(laws(honest=False) | laws(), deeds_of_one(max_size=20), st.integers(0, 19), st.integers(1, 50))
@settings(PROFILE, max_examples=200)
def test_a_heavier_infraction_starts_the_first_ban_no_later(law: Law, deeds: Deeds, place: int, more: int) -> None:
    place %= len(deeds)
    heavier = [*deeds[:place], deeds[place]._replace(weight=deeds[place].weight + more), *deeds[place + 1 :]]
    for before in judged(deeds, law)[:1]:
        assert judged(heavier, law)[0].start_ms <= before.start_ms
    assert [term_of(replace(ban, evidence=())) for ban in judged(heavier, law)] == in_order(heavier, law)
