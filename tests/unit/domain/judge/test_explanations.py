from dataclasses import replace

import pytest

from f2b_worker.domain.addresses import parse_address
from f2b_worker.domain.jails import FOREVER_MS, Jail, Window
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.explanations import (
    Exemption,
    Explanation,
    Remembered,
    Status,
    entry_over,
    explain,
)
from f2b_worker.domain.judge.verdicts import Ban, Hit, Offender, OffenderId, judge
from f2b_worker.domain.networks import Networks
from f2b_worker.testing import MemoryLedger

IP = "203.0.113.7"
FAST = Window(3, 600_000)
SLOW = Window(6, 86_400_000)
JAIL = Jail("login", (FAST,), bantime_ms=1_800_000)
NOBODY = Networks()


def at(*seconds: float) -> tuple[Hit, ...]:
    return tuple(Hit(round(each * 1000), f"id-{each}") for each in seconds)


def remembered(hits: tuple[Hit, ...], jail: Jail = JAIL, ip: str = IP) -> Remembered:
    """What the ledger holds after a worker has judged *hits*."""
    who, ledger = OffenderId(jail.name, jail.key(parse_address(ip))), MemoryLedger()
    ledger.record({who: hits})
    while changed := judge(ledger.offender(who), (), jail, key=who.key).changed:
        ledger.commit({who: Decision.on(ledger.offender(who), changed)})
    return Remembered(who, ledger.offender(who), tuple(ledger.history(who)))


def explained(
    *seconds: float,
    now_s: float,
    jail: Jail = JAIL,
    judged_by: Jail | None = None,
    allowed: Networks = NOBODY,
    ip: str = IP,
) -> Explanation:
    """Explain infractions at *seconds*; *judged_by* is the jail that the worker had then."""
    found = remembered(at(*seconds), judged_by or jail, ip)
    return explain(found, jail, parse_address(ip), allowed=allowed, now_ms=round(now_s * 1000))


def test_a_stranger_is_unknown() -> None:
    found = explained(now_s=0)
    assert found.status == Status.UNKNOWN
    assert (found.ban, found.due, found.window, found.newest, found.earlier) == (None, None, None, None, ())
    assert [(count.missing, count.oldest_drops_ms) for count in found.counts] == [(3, None)]


def test_a_running_ban_is_explained_by_its_evidence_and_the_window_it_broke() -> None:
    found = explained(0, 1, 2, now_s=60)
    assert found.status == Status.BANNED
    assert found.ban == Ban(2000, 1_802_000, 1, 1_800_000, evidence=at(0, 1, 2))
    assert found.window == FAST
    assert found.earlier == ()
    assert found.counts[0].hits == ()


@pytest.mark.parametrize(("now_s", "status"), [(1802, Status.BANNED), (1802.001, Status.BAN_ENDED)])
def test_at_its_end_a_ban_still_counts(now_s: float, status: Status) -> None:
    assert explained(0, 1, 2, now_s=now_s).status == status


def test_an_extended_ban_keeps_its_evidence() -> None:
    found = explained(0, 1, 2, 600, now_s=900)
    assert found.ban
    assert (found.ban.until_ms, found.ban.extended, found.ban.evidence) == (2_522_000, 4, at(0, 1, 2))


def test_of_several_windows_the_broken_one_is_named() -> None:
    jail = replace(JAIL, windows=(FAST, SLOW))
    assert explained(0, 1, 2, now_s=60, jail=jail).window == FAST
    assert explained(*range(0, 6 * 700, 700), now_s=3600, jail=jail).window == SLOW


def test_a_ban_by_a_window_that_was_configured_away_names_none() -> None:
    found = explained(0, 1, 2, now_s=60, jail=replace(JAIL, windows=(Window(5, 600_000),)), judged_by=JAIL)
    assert found.status == Status.BANNED
    assert found.window is None


def test_a_ban_whose_history_is_gone_is_explained_without_evidence() -> None:
    held = replace(remembered(at(0, 1, 2)), history=())
    found = explain(held, JAIL, parse_address(IP), allowed=NOBODY, now_ms=60_000)
    assert found.status == Status.BANNED
    assert found.ban == Ban(2000, 1_802_000, 1, 1_800_000)
    assert found.window is None


def test_a_history_that_is_newer_than_the_offender_is_believed() -> None:
    early, late = remembered(at(0, 1)), remembered(at(0, 1, 2))
    found = explain(
        Remembered(early.who, early.offender, late.history),
        JAIL,
        parse_address(IP),
        allowed=NOBODY,
        now_ms=60_000,
    )
    assert found.status == Status.BANNED
    assert found.ban == late.history[-1]
    assert found.newest is None


def test_who_is_watched_is_told_what_counts_what_is_missing_and_until_when() -> None:
    found = explained(0, 300, now_s=400)
    assert found.status == Status.WATCHED
    (count,) = found.counts
    assert (count.window, count.hits, count.missing, count.oldest_drops_ms) == (FAST, at(0, 300), 1, 600_000)


@pytest.mark.parametrize(("now_s", "left"), [(599.999, 2), (600, 1), (899.999, 1), (900, 0)])
def test_an_infraction_drops_out_of_the_window_at_the_moment_that_was_told(now_s: float, left: int) -> None:
    assert len(explained(0, 300, now_s=now_s).counts[0].hits) == left


def test_as_many_more_as_are_missing_make_a_ban() -> None:
    found = explained(0, 300, now_s=400)
    again = explained(0, 300, *[400] * found.counts[0].missing, now_s=400)
    assert again.status == Status.BANNED


def test_every_window_is_counted_for_itself() -> None:
    found = explained(0, 5000, 5001, now_s=5002, jail=replace(JAIL, windows=(FAST, SLOW)))
    assert [(len(count.hits), count.missing) for count in found.counts] == [(2, 1), (3, 3)]


def test_an_infraction_ahead_of_this_clock_counts() -> None:
    assert explained(0, 62, now_s=60).counts[0].hits == at(0, 62)


def test_infractions_that_never_stood_in_one_window_are_not_counted_together() -> None:
    found = explained(0, 350, 640, now_s=450)  # the last one is ahead of this clock
    assert found.status == Status.WATCHED
    assert found.counts[0].hits == at(350, 640)


def test_who_was_quiet_for_a_window_has_a_newest_infraction_and_none_that_counts() -> None:
    found = explained(0, 300, now_s=5000)
    assert found.status == Status.QUIET
    assert found.newest == at(300)[0]
    assert found.counts[0].missing == 3


def test_ended_bans_are_history_oldest_first_with_their_evidence() -> None:
    found = explained(0, 1, 2, 5000, 5001, 5002, now_s=90_000)
    assert found.status == Status.BAN_ENDED
    assert found.ban is None
    assert [(ban.count, ban.evidence) for ban in found.earlier] == [(1, at(0, 1, 2)), (2, at(5000, 5001, 5002))]


def test_the_running_ban_is_not_its_own_history() -> None:
    found = explained(0, 1, 2, 5000, 5001, 5002, now_s=5003)
    assert found.ban
    assert found.ban.count == 2
    assert [ban.count for ban in found.earlier] == [1]


def test_what_an_earlier_ban_has_used_is_not_counted_again() -> None:
    brief = replace(JAIL, bantime_ms=1000)
    found = explained(0, 1, 2, 10, now_s=11, jail=brief)
    assert found.status == Status.WATCHED
    assert found.counts[0].hits == at(10)


def test_a_ban_that_no_worker_has_stored_yet_is_due() -> None:
    found = explained(0, 1, 2, now_s=60, judged_by=replace(JAIL, windows=(Window(9, 600_000),)))
    assert found.status == Status.DUE
    assert found.ban is None
    assert found.due
    assert (found.due.start_ms, found.due.evidence) == (2000, at(0, 1, 2))
    assert found.window == FAST


def test_a_ban_that_would_be_over_by_now_is_not_due() -> None:
    found = explained(0, 1, 2, now_s=9000, judged_by=replace(JAIL, windows=(Window(9, 600_000),)))
    assert found.due is None


def test_a_ban_for_ever_runs() -> None:
    found = explained(0, 1, 2, now_s=10**9, jail=replace(JAIL, bantime_ms=FOREVER_MS))
    assert found.status == Status.BANNED


@pytest.mark.parametrize(
    ("ip", "network"),
    [("10.1.2.3", "10.0.0.0/8"), ("::ffff:127.0.0.1", "127.0.0.0/8"), ("fe80::1", "fe80::/10")],
)
def test_a_private_address_is_never_banned_and_its_range_is_named(ip: str, network: str) -> None:
    found = explained(now_s=0, ip=ip)
    assert found.status == Status.NEVER_BANNED
    assert found.exemption == Exemption("own_range", network, lifts=False)


def test_the_entry_of_the_jails_ignoreip_is_named() -> None:
    jail = replace(JAIL, ignore=Networks(["192.0.2.0/24", "203.0.113.0/28"]))
    found = explained(now_s=0, jail=jail)
    assert found.status == Status.NEVER_BANNED
    assert found.exemption == Exemption("ignoreip", "203.0.113.0/28", lifts=False)


def test_an_allowlisted_neighbour_in_the_same_64_exempts_the_whole() -> None:
    jail = replace(JAIL, ignore=Networks(["2001:db8::1"]))
    found = explained(now_s=0, jail=jail, ip="2001:db8::2")
    assert found.exemption == Exemption("ignoreip", "2001:db8::1", lifts=False)


def test_an_ignoreip_of_all_jails_lifts_a_running_ban() -> None:
    everybody = Networks([IP])
    found = explained(0, 1, 2, now_s=60, jail=replace(JAIL, ignore=everybody), judged_by=JAIL, allowed=everybody)
    assert found.status == Status.NEVER_BANNED
    assert found.exemption == Exemption("ignoreip", IP, lifts=True)
    assert found.ban


def test_an_ignoreip_of_one_jail_lifts_no_ban_that_runs() -> None:
    found = explained(0, 1, 2, now_s=60, jail=replace(JAIL, ignore=Networks([IP])), judged_by=JAIL)
    assert found.status == Status.BANNED
    assert found.exemption == Exemption("ignoreip", IP, lifts=False)


def test_nothing_is_due_to_whom_no_infraction_counts() -> None:
    strange = replace(JAIL, windows=(Window(9, 600_000),))
    found = explained(0, 1, 2, now_s=60, jail=replace(JAIL, ignore=Networks([IP])), judged_by=strange)
    assert found.status == Status.NEVER_BANNED
    assert found.due is None


@pytest.mark.parametrize(("held", "anything"), [(Offender(), False), (Offender(frozenset(at(1))), True)])
def test_the_ledger_knows_whom_it_holds_something_of(held: Offender, anything: bool) -> None:
    assert Remembered(OffenderId("login", IP), held, ()).anything == anything


@pytest.mark.parametrize(
    ("key", "entries", "holds"),
    [
        ("203.0.113.7/32", {"203.0.113.7/32", "203.0.113.0/24"}, "203.0.113.7/32"),
        ("203.0.113.7/32", {"203.0.113.0/24", "203.0.0.0/16"}, "203.0.113.0/24"),
        ("203.0.113.0/24", {"203.0.113.7/32"}, None),
        ("2001:db8::/64", {"2001:db8::/32"}, "2001:db8::/32"),
        ("2001:db8::/64", {"2001:db9::/64"}, None),
        ("203.0.113.7/32", set(), None),
    ],
)
def test_an_entry_holds_a_key_if_it_holds_all_of_it(key: str, entries: set[str], holds: str | None) -> None:
    assert entry_over(key, entries) == holds
