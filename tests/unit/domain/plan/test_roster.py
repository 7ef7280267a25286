"""From the bans of all jails to which key is wanted in which blocklist until when."""

from __future__ import annotations

import pytest

from f2b_worker.domain.ban_log.changes import KEPT_AFTER_END_MS
from f2b_worker.domain.judge.verdicts import Ban, OffenderId
from f2b_worker.domain.networks import Networks
from f2b_worker.domain.plan.roster import Roster
from f2b_worker.domain.plan.wants import Want
from f2b_worker.ports import StandingBan

A, B = "203.0.113.1/32", "203.0.113.2/32"
HOME = "2001:db8::/64"
NOW_MS = 1_000


def ban(until_ms: int, *blocklists: str, start_ms: int = 0, observed: bool = False) -> Ban:
    return Ban(start_ms, until_ms, 1, 1, blocklists=blocklists or ("block",), observed=observed)


def roster(*allowed: str) -> Roster:
    return Roster(["block", "captcha"], Networks(allowed))


def take_in(into: Roster, key: str, each: Ban, jail: str = "login") -> None:
    into.take_in(OffenderId(jail, key), each, NOW_MS)


@pytest.mark.parametrize(("until_ms", "is_wanted"), [(NOW_MS - 1, False), (NOW_MS, True), (NOW_MS + 1, True)])
def test_a_ban_runs_up_to_and_at_its_end(until_ms: int, is_wanted: bool) -> None:
    bans = roster()
    take_in(bans, A, ban(until_ms))
    bans.expire(NOW_MS)
    assert bans.wanted["block"] == ({A: until_ms} if is_wanted else {})
    assert bans.remembered() == {A}


@pytest.mark.parametrize("ends_ms", [(2000, 3000, 500), (3000, 500, 2000), (500, 2000, 3000)])
def test_a_key_banned_in_several_jails_is_wanted_until_the_latest_end(ends_ms: tuple[int, ...]) -> None:
    bans = roster()
    for number, until_ms in enumerate(ends_ms):
        take_in(bans, A, ban(until_ms), f"jail-{number}")
    assert bans.wanted["block"] == {A: 3000}
    bans.expire(2001)
    assert bans.wanted["block"] == {A: 3000}


def test_a_key_is_wanted_in_the_union_of_its_blocklists_in_each_until_its_own_latest_end() -> None:
    bans = roster()
    take_in(bans, A, ban(2000, "block", "captcha"), "login")
    take_in(bans, A, ban(3000, "captcha"), "scan")
    assert bans.wanted == {"block": {A: 2000}, "captcha": {A: 3000}}
    bans.expire(2001)
    assert bans.wanted == {"block": {}, "captcha": {A: 3000}}


def test_only_what_changed_is_told() -> None:
    bans = roster()
    take_in(bans, A, ban(2000))
    take_in(bans, A, ban(2000))
    take_in(bans, A, ban(2500))
    bans.expire(2501)
    bans.expire(9999)
    assert bans.take_changes() == [Want("block", A, 2000), Want("block", A, 2500), Want("block", A, None)]


def test_a_ban_of_a_blocklist_that_others_keep_is_remembered_and_not_wanted() -> None:
    bans = roster()
    take_in(bans, A, ban(2000, "elsewhere"))
    assert (bans.remembered(), bans.wanted["block"], bans.active) == ({A}, {}, 0)


def test_an_observed_ban_is_not_wanted_and_does_not_make_an_entry_ours() -> None:
    bans = roster()
    take_in(bans, A, ban(2000, observed=True))
    assert (bans.remembered(), bans.wanted["block"]) == (set(), {})


@pytest.mark.parametrize("allowed", ["203.0.113.1", "203.0.113.0/31", "0.0.0.0/0"])
def test_nothing_allowlisted_is_wanted_and_it_is_counted(allowed: str) -> None:
    bans = roster(allowed)
    take_in(bans, A, ban(2000))
    take_in(bans, HOME, ban(2000))
    assert (bans.wanted["block"], bans.allowlisted, bans.active) == ({HOME: 2000}, {A}, 1)
    bans.expire(2001)
    assert bans.allowlisted == set()


def test_a_network_that_holds_one_allowlisted_address_is_not_wanted() -> None:
    bans = roster("2001:db8::77")
    take_in(bans, HOME, ban(2000))
    assert bans.wanted["block"] == {}


def test_a_changed_allowlist_lets_out_at_once_and_in_again() -> None:
    bans = roster()
    take_in(bans, A, ban(2000))
    bans.take_changes()
    bans.allow(Networks(["203.0.113.1"]))
    assert bans.take_changes() == [Want("block", A, None)]
    bans.allow(Networks())
    assert bans.wanted["block"] == {A: 2000}


def test_a_full_reading_replaces_everything_and_tells_the_difference() -> None:
    bans = roster()
    take_in(bans, A, ban(2000))
    take_in(bans, B, ban(2000))
    bans.take_changes()
    bans.replace([(OffenderId("login", B), ban(2000), 0), (OffenderId("login", HOME), ban(3000), 0)], NOW_MS)
    assert bans.take_changes() == [Want("block", HOME, 3000), Want("block", A, None)]
    assert bans.remembered() == {B, HOME}


def test_a_ban_is_fresh_once_however_often_it_is_extended_or_read_again() -> None:
    bans = roster()
    for until_ms in (2000, 2500, 2500):
        take_in(bans, A, ban(until_ms, start_ms=900))
    take_in(bans, A, ban(9000, start_ms=950))
    assert [each.start_ms for each in bans.take_fresh()] == [900, 950]


def test_thousands_of_extensions_do_not_pile_up() -> None:
    bans = roster()
    for until_ms in range(2000, 12_000):
        take_in(bans, A, ban(until_ms))
    assert len(bans._ends) < 2000
    bans.expire(12_000)
    assert bans.wanted["block"] == {}


class TestHoldingBack:
    def test_bans_from_a_time_on_stay_out_and_older_ones_stay_in(self) -> None:
        bans = roster()
        take_in(bans, A, ban(2000, start_ms=10))
        take_in(bans, B, ban(2000, start_ms=20))
        bans.hold_back(20)
        take_in(bans, HOME, ban(2000, start_ms=30))
        assert (bans.wanted["block"], bans.held_back) == ({A: 2000}, {B, HOME})

    def test_who_is_in_a_set_already_stays_there_for_as_long_as_the_new_ban_says(self) -> None:
        held = {("block", A)}
        bans = Roster(["block"], Networks(), lambda blocklist, key: (blocklist, key) in held)
        take_in(bans, A, ban(2000, start_ms=10))
        bans.hold_back(20)
        take_in(bans, A, ban(3000, start_ms=30), "scan")
        bans.expire(2001)
        assert (bans.wanted["block"], bans.held_back) == ({A: 3000}, set())

    def test_bans_still_end_and_a_release_lets_all_in(self) -> None:
        bans = roster()
        bans.hold_back(20)
        take_in(bans, A, ban(2000, start_ms=30))
        take_in(bans, B, ban(3000, start_ms=30))
        bans.expire(2001)
        assert bans.held_back == {B}
        bans.hold_back(None)
        assert (bans.wanted["block"], bans.held_back) == ({B: 3000}, set())

    def test_a_key_that_turns_out_to_be_in_a_set_is_let_in(self) -> None:
        held: set[str] = set()
        bans = Roster(["block"], Networks(), lambda _, key: key in held)
        bans.hold_back(20)
        take_in(bans, A, ban(2000, start_ms=30))
        held.add(A)
        bans.reconsider()
        assert bans.wanted["block"] == {A: 2000}


class TestLifts:
    @pytest.mark.parametrize(("until_ms", "lifted_ms"), [(NOW_MS - 1, NOW_MS - 1), (NOW_MS + 900, NOW_MS + 900)])
    def test_a_lifted_ban_is_over_whatever_clock_the_lift_is_of(self, until_ms: int, lifted_ms: int) -> None:
        bans = roster()
        take_in(bans, A, ban(9000))
        bans.take_changes()
        bans.take_in(OffenderId("login", A), ban(until_ms), NOW_MS, lifted_ms)
        assert bans.take_changes() == [Want("block", A, None)]
        assert (bans.lifted.touches(A), bans.explains(A, until_ms)) == (True, True)

    def test_a_short_ban_by_hand_runs_although_a_lift_before_spent_infractions_of_a_clock_ahead(self) -> None:
        bans = roster()
        bans.take_in(OffenderId("manual", A), ban(60_000, start_ms=NOW_MS), NOW_MS, 200_000)
        assert bans.wanted["block"] == {A: 60_000}

    def test_a_ban_in_another_jail_goes_on(self) -> None:
        bans = roster()
        take_in(bans, A, ban(9000))
        take_in(bans, A, ban(8000), "scan")
        bans.take_in(OffenderId("login", A), ban(500), NOW_MS, 500)
        assert bans.wanted["block"] == {A: 8000}

    def test_a_ban_after_a_lift_runs_and_its_end_is_none(self) -> None:
        bans = roster()
        bans.take_in(OffenderId("login", A), ban(500), NOW_MS, 500)
        bans.take_in(OffenderId("login", A), ban(2000, start_ms=600), NOW_MS, 500)
        assert (bans.wanted["block"], bans.lifted.touches(A)) == ({A: 2000}, False)
        bans.expire(2001)
        assert (bans.wanted["block"], bans.lifted.touches(A)) == ({}, False)

    def test_who_takes_over_knows_of_lifts_and_forgets_them_with_the_ban(self) -> None:
        bans = roster()
        standing = [
            StandingBan(OffenderId("login", A), ban(500), 500),
            StandingBan(OffenderId("login", B), ban(900)),
        ]
        assert bans.replace(standing, NOW_MS) == 2
        assert (bans.lifted.touches(A), bans.lifted.touches(B)) == (True, False)
        bans.expire(500 + KEPT_AFTER_END_MS + 1)
        assert not bans.lifted.touches(A)


def test_newcomers_are_those_whose_ban_began_lately_and_runs_until_nobody_asks_for_them() -> None:
    bans = roster()
    take_in(bans, A, ban(5000, start_ms=900))
    bans.look_for_newcomers(500)
    take_in(bans, A, ban(5000, start_ms=499))
    take_in(bans, B, ban(2000, start_ms=500))
    take_in(bans, HOME, ban(5000, start_ms=800))
    assert bans.newcomers == {B: 500, HOME: 800}
    bans.expire(2001)
    assert bans.newcomers == {HOME: 800}
    bans.forget_newcomers()
    take_in(bans, HOME, ban(6000, start_ms=900))
    assert bans.newcomers == {}
