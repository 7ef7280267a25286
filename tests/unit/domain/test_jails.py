from dataclasses import replace

import pytest

from f2b_worker.domain.addresses import parse_address
from f2b_worker.domain.jails import DAY_MS, FOREVER_MS, Jail, Policy, Window
from f2b_worker.domain.networks import Networks

HOUR_MS = 3_600_000
PLAIN = Jail("login", bantime_ms=HOUR_MS)
DOUBLING = replace(PLAIN, increment=True)


def lengths_h(jail: Jail, counts: int = 5) -> list[float]:
    return [jail.ban_length_ms(count, seed="s") / HOUR_MS for count in range(1, counts + 1)]


def test_the_defaults_are_those_of_fail2ban() -> None:
    jail = Jail()
    assert jail.windows == (Window(maxretry=5, findtime_ms=600_000),)
    assert (jail.bantime_ms, jail.increment, jail.forget_ms) == (600_000, False, DAY_MS)


@pytest.mark.parametrize(
    ("jail", "hours"),
    [
        (PLAIN, [1, 1, 1, 1, 1]),
        (DOUBLING, [1, 2, 4, 8, 16]),
        (replace(DOUBLING, factor=3), [1, 6, 12, 24, 48]),
        (replace(DOUBLING, factor=0.5), [1, 1, 2, 4, 8]),
        (replace(DOUBLING, multipliers=(1, 5, 30)), [1, 5, 30, 30, 30]),
        (replace(DOUBLING, multipliers=(7, 5)), [1, 5, 5, 5, 5]),
        (replace(DOUBLING, multipliers=(1, 5), factor=2), [1, 10, 10, 10, 10]),
        (replace(DOUBLING, maxtime_ms=5 * HOUR_MS), [1, 2, 4, 5, 5]),
        (replace(DOUBLING, maxtime_ms=HOUR_MS // 2), [0.5] * 5),
        (replace(DOUBLING, bantime_ms=FOREVER_MS, maxtime_ms=HOUR_MS), [FOREVER_MS / HOUR_MS] * 5),
    ],
    ids=[
        "plain",
        "doubling",
        "factor",
        "small-factor",
        "multipliers",
        "first-plain",
        "both",
        "cap",
        "cap-1",
        "ever",
    ],
)
def test_the_nth_ban_lasts_as_long_as_its_jail_says(jail: Jail, hours: list[float]) -> None:
    assert lengths_h(jail) == hours


@pytest.mark.parametrize(
    "ignored", [{"maxtime_ms": 1}, {"rndtime_ms": HOUR_MS}, {"factor": 9.0}, {"multipliers": (9.0,)}]
)
def test_without_increment_every_ban_lasts_bantime(ignored: dict[str, object]) -> None:
    jail = replace(PLAIN, **ignored)  # type: ignore[arg-type]
    assert lengths_h(jail) == [1] * 5


def test_a_ban_is_never_longer_than_for_ever() -> None:
    assert DOUBLING.ban_length_ms(1_000_000, seed="s") == FOREVER_MS


def test_the_random_part_is_the_same_for_everybody_who_judges_the_same_ban() -> None:
    jail = replace(DOUBLING, rndtime_ms=HOUR_MS)
    again = replace(DOUBLING, rndtime_ms=HOUR_MS)
    assert jail.ban_length_ms(1, seed="203.0.113.7/32|5") == again.ban_length_ms(1, seed="203.0.113.7/32|5")


def test_the_random_part_lies_within_its_bound_and_reaches_both_ends() -> None:
    jail = replace(DOUBLING, rndtime_ms=3, maxtime_ms=DAY_MS)
    extra = {jail.ban_length_ms(1, seed=str(seed)) - HOUR_MS for seed in range(100)}
    assert extra == {0, 1, 2, 3}


def test_the_random_part_differs_between_jails() -> None:
    jails = [replace(DOUBLING, name=name, rndtime_ms=DAY_MS) for name in ("login", "scan")]
    assert len({jail.ban_length_ms(1, seed="s") for jail in jails}) == 2


def test_the_random_part_is_added_after_the_cap() -> None:
    jail = replace(DOUBLING, maxtime_ms=HOUR_MS, rndtime_ms=HOUR_MS)
    lengths = {jail.ban_length_ms(9, seed=str(seed)) for seed in range(20)}
    assert HOUR_MS < max(lengths) <= 2 * HOUR_MS


def test_our_own_addresses_are_ignored_for_that_reason() -> None:
    assert PLAIN.ignores(parse_address("::ffff:127.0.0.1")) == "own_range"


def test_an_address_of_ignoreip_is_ignored_for_that_reason() -> None:
    jail = replace(PLAIN, ignore=Networks(["203.0.113.0/24"]))
    assert jail.ignores(parse_address("::ffff:203.0.113.7")) == "ignoreip"
    assert jail.ignores(parse_address("203.0.112.7")) is None


def test_our_own_addresses_can_be_banned_once_that_is_switched_off() -> None:
    jail = replace(PLAIN, own_ranges=False, ignore=Networks(["10.0.0.1"]))
    assert jail.ignores(parse_address("10.0.0.2")) is None
    assert jail.ignores(parse_address("10.0.0.1")) == "ignoreip"


def test_a_jail_names_keys_at_its_own_prefixes() -> None:
    jail = replace(PLAIN, ipv4_prefix=24, ipv6_prefix=48)
    assert jail.key(parse_address("203.0.113.7")) == "203.0.113.0/24"
    assert jail.key(parse_address("2001:db8:1:2::3")) == "2001:db8:1::/48"


@pytest.mark.parametrize(
    ("maxretry", "kept"), [((1,), 32), ((16,), 32), ((17,), 34), ((3, 50, 5), 100), ((500,), 1000)]
)
def test_twice_the_largest_maxretry_and_at_least_32_hits_are_kept(maxretry: tuple[int, ...], kept: int) -> None:
    assert Jail(windows=tuple(Window(each) for each in maxretry)).hits_kept == kept


def test_of_a_jail_that_forgives_much_no_more_hits_are_kept_than_an_item_holds() -> None:
    assert Jail(windows=(Window(1000),)).hits_kept == 1000


def test_an_unknown_jail_is_judged_by_the_defaults() -> None:
    policy = Policy(DOUBLING, {"scan": PLAIN})
    assert policy.jail("scan") is PLAIN
    assert policy.jail("nobody-configured-this") is DOUBLING
    assert policy.jail("default") is DOUBLING


@pytest.mark.parametrize(("name", "known"), [("default", True), ("scan", True), ("login", False)])
def test_only_configured_jails_and_the_default_one_are_known(name: str, known: bool) -> None:
    assert Policy(DOUBLING, {"scan": PLAIN}).knows(name) is known
