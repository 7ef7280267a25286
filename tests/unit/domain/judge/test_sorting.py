import pytest

from f2b_worker.domain.jails import DAY_MS, FOREVER_MS, Jail, Policy
from f2b_worker.domain.judge.infractions import Infraction, Reason
from f2b_worker.domain.judge.sorting import Sorted, Sorter
from f2b_worker.domain.judge.soundness import are_sound
from f2b_worker.domain.judge.verdicts import Hit, OffenderId
from f2b_worker.domain.networks import Networks

NOW_MS = 1_800_000_000_000
MINUTES_5_MS = 300_000
LOGIN = Jail("login", ignore=Networks(["198.51.100.0/24"]), ipv4_prefix=24)
POLICY = Policy(Jail(), {"login": LOGIN})


def infraction(
    ip: str = "203.0.113.7", jail: str = "login", at_ms: int = NOW_MS, note: str | None = None
) -> Infraction:
    return Infraction(ip, jail, at_ms, f"id-{ip}", note)


def sort(*infractions: Infraction, max_age_ms: int | None = DAY_MS) -> Sorted:
    return Sorter(POLICY, max_age_ms).sort_out(infractions, now_ms=NOW_MS)


def test_a_good_infraction_is_a_hit_of_its_jail_and_key() -> None:
    found = sort(infraction())
    assert found.hits == {OffenderId("login", "203.0.113.0/24"): [Hit(NOW_MS, "id-203.0.113.7")]}
    assert (found.refused, found.ignored, found.unknown_jails) == ([], {}, {})


@pytest.mark.parametrize(
    ("at_ms", "reason"),
    [
        (NOW_MS - DAY_MS, None),
        (NOW_MS - DAY_MS - 1, Reason.TOO_OLD),
        (NOW_MS + MINUTES_5_MS, None),
        (NOW_MS + MINUTES_5_MS + 1, Reason.IN_FUTURE),
    ],
)
def test_an_infraction_out_of_time_is_refused_from_the_next_millisecond_on(
    at_ms: int, reason: Reason | None
) -> None:
    found = sort(infraction(at_ms=at_ms))
    assert [refusal.reason for refusal in found.refused] == ([reason] if reason else [])
    assert len(found.hits) == (0 if reason else 1)


@pytest.mark.parametrize(
    ("at_ms", "reason", "told"),
    [
        (NOW_MS * 1000, Reason.IN_FUTURE, "is it in microseconds where milliseconds belong?"),
        (NOW_MS // 1000, Reason.TOO_OLD, "is its time in seconds where milliseconds belong?"),
        (NOW_MS + DAY_MS, Reason.IN_FUTURE, "its time is more than 5 minutes ahead of this clock"),
        (NOW_MS - 2 * DAY_MS, Reason.TOO_OLD, "it is older than max_age"),
    ],
)
def test_a_time_that_was_meant_in_another_unit_is_named_as_that(at_ms: int, reason: Reason, told: str) -> None:
    (refusal,) = sort(infraction(at_ms=at_ms)).refused
    assert refusal.reason is reason
    assert refusal.detail.endswith(told)


def test_white_space_of_any_length_around_an_address_is_read_and_not_remembered() -> None:
    sorter = Sorter(POLICY, None)
    found = sorter.sort_out([infraction(" " * 1000 + "203.0.113.7")], now_ms=NOW_MS)
    assert (len(found.hits), sorter.remembered) == (1, 0)


def test_without_max_age_any_age_is_judged_but_the_future_is_not() -> None:
    found = sort(infraction(at_ms=0), infraction(at_ms=NOW_MS + DAY_MS), max_age_ms=None)
    assert [refusal.reason for refusal in found.refused] == [Reason.IN_FUTURE]
    assert len(found.hits) == 1


@pytest.mark.parametrize("max_age_ms", [None, 2 * FOREVER_MS])
def test_of_any_age_only_a_time_is_taken_that_can_be_read_again_when_it_is_stored(max_age_ms: int | None) -> None:
    found = sort(infraction(at_ms=-FOREVER_MS), infraction(at_ms=-FOREVER_MS - 1), max_age_ms=max_age_ms)
    assert [(each.reason, each.detail) for each in found.refused] == [
        (Reason.TOO_OLD, "its time lies before all history")
    ]
    assert all(are_sound(hits) for hits in found.hits.values())
    assert len(found.hits) == 1


def test_an_unknown_jail_is_counted_and_judged_by_the_defaults_under_its_own_name() -> None:
    found = sort(infraction(jail="typo"), infraction("203.0.113.8", jail="typo"), infraction(jail="default"))
    assert found.unknown_jails == {"typo": 2}
    assert set(found.hits) == {
        OffenderId("typo", "203.0.113.7/32"),
        OffenderId("typo", "203.0.113.8/32"),
        OffenderId("default", "203.0.113.7/32"),
    }


def test_what_is_ignored_is_counted_by_reason_and_not_refused() -> None:
    found = sort(infraction("::ffff:10.0.0.1"), infraction("198.51.100.7"), infraction("198.51.100.8"))
    assert found.ignored == {"own_range": 1, "ignoreip": 2}
    assert (dict(found.hits), found.refused) == ({}, [])


def test_whom_the_allowlist_has_is_ignored_in_every_jail_together_with_all_that_is_judged_as_one() -> None:
    policy = Policy(
        jails={"net": Jail("net", ipv4_prefix=24)},
        allowed=Networks(["203.0.113.7", "2001:db8::7", "198.51.100.0/24"]),
    )
    reports = [
        *(infraction("203.0.113.7"), infraction("203.0.113.7", jail="typo"), infraction("::ffff:198.51.100.9")),
        *(infraction("2001:db8::9"), infraction("203.0.113.9", jail="net"), infraction("203.0.113.9")),
    ]
    found = Sorter(policy, None).sort_out(reports, now_ms=NOW_MS)
    assert (found.ignored, found.refused) == ({"allowlist": 5}, [])
    assert set(found.hits) == {OffenderId("login", "203.0.113.9/32")}


@pytest.mark.parametrize(
    "ip", ["example.org", "10.0.0.0/8", "fe80::1%eth0", "203.0.113.7:http", "", "203.0.113.007", "203.0.113.7\0"]
)
def test_a_bad_address_is_set_aside_alone(ip: str) -> None:
    found = sort(infraction("203.0.113.7"), infraction(ip), infraction("203.0.113.9"))
    assert [refusal.reason for refusal in found.refused] == [Reason.BAD_ADDRESS]
    assert [len(hits) for hits in found.hits.values()] == [2]


def test_spellings_of_one_address_are_one_offender() -> None:
    found = sort(infraction("203.0.113.7"), infraction("::ffff:203.0.113.7"), infraction("::FFFF:CB00:7107"))
    assert [len(hits) for hits in found.hits.values()] == [3]


def test_a_refusal_holds_the_infraction_in_the_simple_form() -> None:
    [refusal] = sort(infraction("bad", at_ms=NOW_MS - 1, note="seen twice")).refused
    assert refusal.item == {
        "ip": "bad",
        "jail": "login",
        "at": (NOW_MS - 1) / 1000,
        "id": "id-bad",
        "note": "seen twice",
    }
    assert refusal.detail == "'bad' is no IPv4 or IPv6 address"


def test_the_order_in_which_infractions_come_is_kept_for_each_offender() -> None:
    found = sort(infraction(at_ms=NOW_MS), infraction(at_ms=NOW_MS - 5))
    assert [hit.at_ms for [*hits] in found.hits.values() for hit in hits] == [NOW_MS, NOW_MS - 5]
