"""How far a stored ban is enforced."""

from __future__ import annotations

from dataclasses import replace

import pytest

from f2b_worker.domain.judge.enforcement import NotedPlace, NotNoted, Place, State, state_of
from f2b_worker.domain.judge.verdicts import BY_HAND, UNREADABLE, Ban
from f2b_worker.domain.networks import Networks
from f2b_worker.domain.noted_sets import NotedGroup, NotedSet

KEY = "203.0.113.7/32"
HOME = "2001:db8::/64"
BAN = Ban(1_000, 9_000, 1, 8_000)


def place(*held: str, from_ms: int | None = None) -> dict[str, Place]:
    return {"block": Place({4: [set(held)]}, from_ms)}


@pytest.mark.parametrize(
    ("places", "state"),
    [
        ({}, None),
        (place(KEY), State.ENFORCED),
        (place(KEY, from_ms=500), State.ENFORCED),
        (place("203.0.113.0/24"), State.COVERED),
        (place(), State.WAITING),
        (place(from_ms=1_001), State.WAITING),
        (place(from_ms=1_000), State.HELD_BACK),
        (place("192.0.2.1/32", "192.0.2.2/32"), State.LEFT_OUT),
        ({"captcha": Place({4: [{KEY}]})}, State.NO_IP_SET),
        ({"block": Place({6: [{HOME}]})}, State.NO_IP_SET),
    ],
)
def test_a_running_ban_is_as_far_as_its_ip_sets_and_the_notes_say(
    places: dict[str, Place], state: State | None
) -> None:
    assert state_of(KEY, BAN, places, Networks(), capacity=2) == state


def test_no_surge_guard_holds_back_what_somebody_banned_by_hand() -> None:
    assert state_of(KEY, replace(BAN, origin=BY_HAND), place(from_ms=1_000), Networks()) == State.WAITING


def test_what_the_allowlist_an_observing_jail_or_a_broken_item_says_comes_first() -> None:
    held = place(KEY)
    observed = Ban(1_000, 9_000, 1, 8_000, observed=True)
    assert state_of(KEY, BAN, held, Networks(["203.0.113.0/24"])) == State.ALLOWLISTED
    assert state_of(KEY, observed, held, Networks(["203.0.113.0/24"])) == State.OBSERVED
    assert state_of(KEY, UNREADABLE, held, Networks()) == State.UNREADABLE


@pytest.mark.parametrize(
    ("held", "state"),
    [
        (["203.0.113.0/32", "203.0.113.2/31"], State.ENFORCED),
        (["203.0.113.0/32", "203.0.113.0/24"], State.COVERED),
        (["203.0.113.0/32", "203.0.113.0/30"], State.COVERED),
        (["203.0.113.0/32"], State.WAITING),
        ([], State.WAITING),
    ],
)
def test_a_range_around_somebody_allowed_is_as_enforced_as_the_least_of_its_pieces(
    held: list[str], state: State
) -> None:
    assert state_of("203.0.113.0/30", BAN, place(*held), Networks(["203.0.113.1"])) == state


def test_in_several_blocklists_it_is_what_is_lacking_most() -> None:
    ban = Ban(1_000, 9_000, 1, 8_000, blocklists=("block", "captcha"))
    both = {**place(KEY), "captcha": Place({4: [set()]})}
    assert state_of(KEY, ban, both, Networks()) == State.WAITING
    assert state_of(KEY, ban, place(KEY), Networks()) == State.NO_IP_SET


NET = "203.0.113.0/24"
FULL, ROOMY = (NotedSet("f2b-ipv4", 2, 0),), (NotedSet("f2b-ipv4", 2, 0), NotedSet("f2b-ipv4-2", 1, 0))


def noted(
    out: tuple[str, ...] | None = (),
    held_back: tuple[str, ...] | None = (),
    *,
    sets: tuple[NotedSet, ...] = ROOMY,
    known_ms: int = 20_000,
    networks: frozenset[str] = frozenset(),
    from_ms: int | None = None,
) -> dict[str, NotedPlace]:
    group = NotedGroup("block", 4, sets, out, held_back)
    return {"block": NotedPlace({4: group}, known_ms, networks, from_ms)}


@pytest.mark.parametrize(
    ("places", "state"),
    [
        (noted(), State.ENFORCED),
        (noted(networks=frozenset({NET})), State.COVERED),
        (noted((KEY,)), State.WAITING),
        (noted((KEY,), sets=FULL), State.LEFT_OUT),
        (noted(("203.0.113.8/32",), sets=FULL), State.ENFORCED),
        (noted(known_ms=999), State.WAITING),
        (noted(held_back=(KEY,), from_ms=1_000), State.HELD_BACK),
        (noted(held_back=("203.0.113.8/32",), from_ms=1_000), State.ENFORCED),
        (noted(held_back=(KEY,), from_ms=1_001), State.ENFORCED),
        (noted(held_back=None, from_ms=1_001), State.ENFORCED),
        ({"captcha": noted()["block"]}, State.NO_IP_SET),
    ],
)
def test_a_running_ban_is_as_far_as_the_note_of_its_ip_sets_says(
    places: dict[str, NotedPlace], state: State
) -> None:
    assert state_of(KEY, BAN, places, Networks(), capacity=2) == state


@pytest.mark.parametrize(
    "places",
    [
        noted(known_ms=1_000),
        noted(known_ms=10_999),
        noted(None),
        noted((NET,)),
        noted(None, from_ms=1_000),
        noted(held_back=None, from_ms=1_000),
    ],
)
def test_where_the_note_does_not_name_all_that_is_out_nothing_is_made_up(places: dict[str, NotedPlace]) -> None:
    with pytest.raises(NotNoted):
        state_of(KEY, BAN, places, Networks(), capacity=2)


def test_what_the_note_has_no_ip_set_for_is_in_none() -> None:
    assert state_of(HOME, BAN, noted(), Networks()) == State.NO_IP_SET


def test_of_a_range_around_somebody_allowed_a_piece_that_waits_counts() -> None:
    places = noted(("203.0.113.2/31",))
    assert state_of("203.0.113.0/30", BAN, places, Networks(["203.0.113.1"])) == State.WAITING
    assert state_of("203.0.113.0/30", BAN, noted(), Networks(["203.0.113.1"])) == State.ENFORCED
