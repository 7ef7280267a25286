import json
import math
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from demo.checker import (
    Ban,
    Infraction,
    Rules,
    as_oracle,
    difference,
    expected,
    incomplete,
    key,
    owed,
    unsound,
)
from demo.data import read

PLAIN = Rules(maxretry=3, findtime_s=600, bantime_s=1800)
DOUBLING = Rules(maxretry=5, findtime_s=3600, bantime_s=3600, increment=True, maxtime_s=7 * 24 * 3600)
SETTINGS = {"3-600-1800": PLAIN, "5-3600-3600-doubling-1w": DOUBLING}
IP = "203.0.113.7"


def hits(*at_s: float, ip: str = IP, jail: str = "login") -> list[Infraction]:
    return [Infraction(ip, jail, round(each * 1000)) for each in at_s]


def ban(start_s: float, until_s: float, count: int = 1, length_s: float = 1800, extended: int = 0) -> Ban:
    start_ms, until_ms, length_ms = (round(each * 1000) for each in (start_s, until_s, length_s))
    return Ban("login", IP, start_ms, until_ms, count, length_ms, extended)


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_oracle_is_reproduced_and_found_sound_and_complete(oracle: Path, setting: str) -> None:
    files = sorted(oracle.glob(f"*.{setting}.rounded.bans.ndjson"))
    assert files, "the oracle's folder holds no bans of this setting"
    for file in files:
        infractions = read(str(file).removesuffix(f"{setting}.rounded.bans.ndjson") + "infractions.ndjson")
        bans = expected(infractions, SETTINGS[setting])
        wanted = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
        assert [as_oracle(each) for each in bans] == wanted
        assert unsound(bans, infractions, SETTINGS[setting]) == []
        assert incomplete(bans, infractions, SETTINGS[setting], infractions[-1].at_ms) == []


def test_the_oracles_seconds_are_ints_when_whole_and_fractions_otherwise() -> None:
    row = json.dumps(as_oracle(ban(2, 1802.5)))
    assert '"start": 2, "until": 1802.5, "count": 1, "length": 1800, "extended": 0}' in row


@pytest.mark.parametrize("limits", [(0, 600, 1800), (3, 0, 1800), (3, 600, -1)])
def test_rules_that_are_not_covered_are_refused(limits: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="start at 1"):
        Rules(*limits)


# What is judged

JUDGED = {
    "203.0.113.7": "203.0.113.7 ::ffff:203.0.113.7 ::ffff:cb00:7107",
    "192.0.2.1": "::192.0.2.1 ::ffff:0:192.0.2.1",
    "198.17.255.255": "198.17.255.255",
    "64:ff9b::c000:201": "64:ff9b::192.0.2.1",
    "2002:c000:201::/48": "2002:c000:201:: 2002:c000:201:ffff::1",
    "100.63.255.255": "100.63.255.255",
    "172.32.0.1": "172.32.0.1",
    "2001:db8:0:1::/64": "2001:db8:0:1:: 2001:0DB8:0:1:ffff::",
}


@pytest.mark.parametrize("judged", JUDGED)
def test_an_address_is_judged_as_itself_or_as_its_network(judged: str) -> None:
    assert {key(ip, PLAIN) for ip in JUDGED[judged].split()} == {judged}


def test_prefix_lengths_are_settings() -> None:
    rules = replace(PLAIN, ipv4_prefix=24, ipv6_prefix=128)
    assert key("203.0.113.7", rules) == "203.0.113.0/24"
    assert key("2001:db8::1", rules) == "2001:db8::1"


NEVER = """
    10.1.2.3 172.31.255.255 192.168.0.1 127.8.8.8 169.254.169.254 100.64.0.1 100.127.255.255 224.0.0.1
    239.255.255.255 0.0.0.0 :: ::1 fd00::1 fe80::1 ff02::1 ::ffff:10.1.2.3 ::ffff:100.64.0.1
    198.18.0.1 198.19.255.255 192.0.0.1 192.88.99.1 100::1 fec0::1 2001:2::1
"""


@pytest.mark.parametrize("ip", NEVER.split())
def test_special_addresses_are_never_banned(ip: str) -> None:
    assert key(ip, PLAIN) is None
    assert expected(hits(1, 2, 3, 4, ip=ip), PLAIN) == []


def test_the_maxretry_th_hit_starts_the_ban() -> None:
    assert expected(hits(0, 1), PLAIN) == []
    assert expected(hits(0, 1, 2), PLAIN) == [ban(2, 1802)]


def test_a_hit_exactly_findtime_old_is_outside_the_window() -> None:
    assert expected(hits(0, 1, 600), PLAIN) == []
    assert expected(hits(0, 1, 599.999), PLAIN) == [ban(599.999, 2399.999)]


def test_a_hit_at_until_extends() -> None:
    assert expected(hits(0, 1, 2, 1802), PLAIN) == [ban(2, 3602, extended=10)]


def test_a_hit_one_millisecond_after_until_begins_a_new_window() -> None:
    late = (1802.001, 1803, 1804)
    assert expected(hits(0, 1, 2, *late[:2]), PLAIN) == [ban(2, 1802)]
    assert expected(hits(0, 1, 2, *late), PLAIN) == [ban(2, 1802), ban(1804, 3604, count=2)]


def test_hits_at_the_same_time_all_count_and_together_move_an_end_once() -> None:
    assert expected(hits(5, 5, 5, 5), PLAIN) == [ban(5, 1805)]
    assert expected(hits(0, 1, 2, 9, 9), PLAIN) == [ban(2, 1982, extended=1)]


def test_hits_during_a_ban_do_not_count_towards_the_next_even_when_bans_are_short() -> None:
    short = replace(PLAIN, bantime_s=60)
    assert expected(hits(0, 1, 2, 50, 51, 120), short) == [ban(2, 116, length_s=60, extended=9)]


@pytest.mark.parametrize(
    ("bantime_s", "hit_s", "until_s", "steps"),
    [
        (1800, 2.001, 1982, 1),
        (1800, 182, 1982, 1),
        (1800, 182.001, 2162, 2),
        (6000, 3, 6602, 1),
        (86_400, 3, 87_002, 1),
        (86_400, 86_402, 172_802, 144),
        (601, 3, 663.1, 1),
    ],
)
def test_a_step_is_a_tenth_of_the_ban_and_ten_minutes_at_most(
    bantime_s: int, hit_s: float, until_s: float, steps: int
) -> None:
    rules = replace(PLAIN, bantime_s=bantime_s)
    assert expected(hits(0, 1, 2, hit_s), rules) == [ban(2, until_s, length_s=bantime_s, extended=steps)]


def test_what_every_order_owes_is_not_rounded() -> None:
    assert owed(hits(0, 1, 2, 1000, 900), PLAIN) == [ban(2, 2800)]
    assert owed(hits(0, 1, 2, 1000, 2801), PLAIN) == [ban(2, 2800)]
    assert expected(hits(0, 1, 2, 1000, 2801), PLAIN) == [ban(2, 4682, extended=16)]


def test_bans_double_up_to_maxtime() -> None:
    rules = Rules(1, 600, 600, increment=True, maxtime_s=2000)
    lengths_ms = [each.length_ms for each in expected(hits(0, 1000, 3000, 10_000), rules)]
    assert lengths_ms == [600_000, 1_200_000, 2_000_000, 2_000_000]


def test_an_extension_lasts_as_long_as_the_ban_it_extends() -> None:
    rules = Rules(1, 600, 600, increment=True)
    assert expected(hits(0, 1000, 1500), rules)[1] == ban(1000, 2800, 2, 1200, extended=5)


def test_jails_and_addresses_are_judged_apart_and_one_network_together() -> None:
    apart = [*hits(0, 1), *hits(2, 3, jail="scan"), *hits(4, 5, ip="203.0.113.8")]
    assert expected(apart, PLAIN) == []
    together = [*hits(0, ip="2001:db8::1"), *hits(1, ip="2001:db8::2"), *hits(2, ip="2001:db8::3")]
    assert [each.key for each in expected(together, PLAIN)] == ["2001:db8::/64"]


def test_bans_that_start_together_stay_in_order_of_occurrence() -> None:
    infractions = [*hits(0, 0, 0, ip="203.0.113.9"), *hits(0, 0, 0, ip="203.0.113.8")]
    assert [each.key for each in expected(infractions, PLAIN)] == ["203.0.113.9", "203.0.113.8"]


# Planted wrong bans: a check that cannot fail is a defect

TWO_BANS = hits(0, 1, 2, 2000, 2001, 2002)
SECOND = ban(2002, 3802, count=2)
TOUCHING = [ban(2, 1802), ban(1802, 3602, count=2)]


WRONG: dict[str, tuple[list[Infraction], list[Ban], str]] = {
    "one hit short": (hits(1, 2), [ban(2, 1802)], "2 usable infractions"),
    "a hit too old": (hits(0, 1, 600), [ban(600, 2400)], "2 usable infractions"),
    "no hit at start": (hits(0, 1, 2), [ban(1.5, 1801.5)], "no usable infraction at its start"),
    "nobody reported it": (hits(), [ban(2, 1802)], "0 usable infractions"),
    "another jail's hits": (hits(0, 1, 2, jail="scan"), [ban(2, 1802)], "0 usable"),
    "the same ban twice": (hits(0, 1, 2), [ban(2, 1802), ban(2, 1802, 2)], "0 usable"),
    "private": (hits(0, 1, 2, ip="10.0.0.1"), [replace(ban(2, 1802), key="10.0.0.1")], "0 usable"),
    "overlap": (hits(0, 1, 2, 9), [ban(2, 1802), ban(9, 1809, 2)], "starts before"),
    "start at an until": (hits(0, 1, 2, 1800, 1801, 1802), TOUCHING, "before it has ended"),
    "length": (hits(0, 1, 2), [ban(2, 1803, length_s=1801)], "lasts 1801000 ms, not 1800000"),
    "count from two": (hits(0, 1, 2), [ban(2, 1802, count=2)], "number 2, not 1"),
    "count repeated": (TWO_BANS, [ban(2, 1802), replace(SECOND, count=1)], "number 1, not 2"),
    "count jumps": (TWO_BANS, [ban(2, 1802), replace(SECOND, count=3)], "number 3, not 2"),
    "made-up until": (hits(0, 1, 2, 9), [ban(2, 1810)], "makes it end at 1810000"),
    "until too early": (hits(0, 1, 2, 9), [ban(2, 1801)], "makes it end at 1801000"),
    "extended by a hit before it": (hits(0, 1, 2), [ban(2, 1801)], "makes it end"),
    "extended after its end": (hits(0, 1, 2, 1803), [ban(2, 3603)], "makes it end"),
    "until not rounded": (hits(0, 1, 2, 9), [ban(2, 1809)], "makes it end at 1809000"),
    "rounded too far": (hits(0, 1, 2, 182), [ban(2, 2162)], "makes it end at 2162000"),
    "one millisecond": (hits(0, 1, 2), [ban(2, 1802.001)], "makes it end at 1802001"),
}


@pytest.mark.parametrize(("infractions", "bans", "fault"), WRONG.values(), ids=WRONG)
def test_a_wrong_ban_is_noticed(infractions: list[Infraction], bans: list[Ban], fault: str) -> None:
    sentences = unsound(bans, infractions, PLAIN)
    assert len(sentences) == 1
    assert fault in sentences[0]


def test_a_ban_from_hits_that_the_ban_before_has_used_is_noticed() -> None:
    short = replace(PLAIN, bantime_s=60)
    infractions = hits(0, 1, 2, 100, 101)
    bans = [ban(2, 62, length_s=60), ban(101, 161, 2, 60)]
    (sentence,) = unsound(bans, infractions, short)
    assert "at 101000: 2 usable infractions" in sentence
    assert unsound(bans, [*infractions, *hits(99)], short) == []


def test_a_ban_too_short_or_too_long_for_its_count_is_noticed() -> None:
    rules = replace(PLAIN, increment=True)
    assert unsound([ban(2, 1802), ban(2002, 5602, 2, 3600)], TWO_BANS, rules) == []
    (sentence,) = unsound([ban(2, 1802), SECOND], TWO_BANS, rules)
    assert "lasts 1800000 ms, not 3600000" in sentence


def test_each_wrong_ban_has_its_own_sentence_whatever_the_order_of_the_list() -> None:
    bans = [replace(SECOND, length_ms=1, count=7), ban(2, 1805)]
    sentences = unsound(bans, TWO_BANS, PLAIN)
    assert ["at 2000:" in each for each in sentences] == [True, False]


LACKING: list[tuple[list[Ban], str]] = [
    ([], "not banned, but should be until 1809000"),
    ([ban(2, 1802)], "banned until 1802000, but should be until 1982000"),
    ([ban(2, 1809)], "banned until 1809000, but should be until 1982000"),
    ([replace(ban(2, 1809), jail="scan")], "not banned"),
    ([replace(ban(2, 1809), key="203.0.113.8")], "not banned"),
    ([ban(1001, 2801)], "not banned"),
]


@pytest.mark.parametrize(("bans", "fault"), LACKING)
def test_a_missing_or_short_running_ban_is_noticed(bans: list[Ban], fault: str) -> None:
    (sentence,) = incomplete(bans, hits(0, 1, 2, 9), PLAIN, 1_000_000)
    assert fault in sentence


def test_a_ban_is_owed_to_its_last_millisecond_and_may_last_longer() -> None:
    assert len(incomplete([], hits(0, 1, 2), PLAIN, 1_802_000)) == 1
    assert incomplete([], hits(0, 1, 2), PLAIN, 1_802_001) == []
    assert incomplete([ban(1, 9999)], hits(0, 1, 2), PLAIN, 1_802_000) == []


def test_completeness_cannot_be_asked_of_a_moment_before_the_last_infraction() -> None:
    with pytest.raises(ValueError, match="before the last infraction"):
        incomplete([], hits(0, 1, 2), PLAIN, 1999)


def test_with_increment_only_a_lower_count_excuses_an_earlier_end() -> None:
    rules = replace(PLAIN, increment=True)
    late = [ban(2002, 3802)]  # the infractions of the first ban came after those of the second
    assert unsound(late, TWO_BANS, rules) == []
    assert incomplete(late, TWO_BANS, rules, 5_000_000) == []
    assert len(incomplete([ban(2002, 3801)], TWO_BANS, rules, 3_000_000)) == 1
    assert len(incomplete([ban(2, 1802), SECOND], TWO_BANS, rules, 3_000_000)) == 1
    assert len(incomplete([], TWO_BANS, rules, 5_000_000)) == 1


def test_with_increment_a_count_above_the_expected_owes_no_more_and_none_owes_less_than_the_first() -> None:
    rules = replace(PLAIN, increment=True)
    bridged = [*TWO_BANS, *hits(1000)]  # seen last, when there were two bans: in order it makes them one
    assert incomplete([ban(2, 1802), ban(2002, 5602, 2, 3600)], bridged, rules, 3_000_000) == []
    assert len(incomplete([ban(2, 1801, count=0)], hits(0, 1, 2), rules, 2000)) == 1


def test_a_judge_that_forgot_hits_which_a_late_ban_should_be_extended_by_is_noticed() -> None:
    infractions = hits(1000, 2500, 0, 1, 2)  # the last three came late
    assert unsound([ban(2, 1802)], infractions, PLAIN) == []
    (sentence,) = incomplete([ban(2, 1802)], infractions, PLAIN, 2_600_000)
    assert "should be until 4322000" in sentence


LATE = hits(1, 2, 3, 1900, 0)  # the last one came late: in order, the ban starts at 2, and 3 extends it over 1900


def test_a_ban_that_starts_later_than_in_order_may_be_rounded_up_less() -> None:
    assert expected(LATE, PLAIN) == [ban(2, 3782, extended=11)]
    assert unsound([ban(3, 1803)], LATE, PLAIN) == []
    assert incomplete([ban(3, 1803)], LATE, PLAIN, 1_900_000) == []


def test_even_then_it_lasts_as_long_as_its_own_infractions_make_it() -> None:
    infractions = [*LATE, *hits(1700)]
    assert incomplete([ban(3, 3783, extended=11)], infractions, PLAIN, 2_000_000) == []
    (sentence,) = incomplete([ban(3, 3782, extended=11)], infractions, PLAIN, 2_000_000)
    assert "banned until 3782000, but should be until 3783000" in sentence
    assert incomplete([ban(3, 3782, extended=11)], infractions, PLAIN, 3_784_000) == []


def test_the_difference_names_missing_unexpected_and_different_bans() -> None:
    found = [ban(2, 1802), ban(9000, 9999), ban(9000, 9999)]
    wanted = [ban(2, 1803, extended=1), SECOND, ban(9000, 9999)]
    name = "the ban of 203.0.113.7 in login at"
    assert difference(found, wanted) == [
        f"{name} 2000: different in until_ms (1802000 instead of 1803000), extended (0 instead of 1)",
        f"{name} 2002000: missing",
        f"{name} 9000000: unexpected",
    ]
    assert difference(wanted, wanted) == []


# A right judge is not accused, in whatever order it learns of the infractions


def judged_as_they_come(at_ms: list[int], rules: Rules) -> list[Ban]:
    """Judge one offender: at each arrival, replay all that is known since the last ban's start."""
    bans: list[Ban] = []
    for known in range(1, len(at_ms) + 1):
        while starts_a_ban(bans, at_ms[:known], rules):
            pass
    return bans


def rounded_up(found: Ban, hit_ms: int) -> Ban:
    step_ms = min(found.length_ms // 10, 600_000)
    steps = max(found.extended, math.ceil((hit_ms - found.start_ms) / step_ms))
    return replace(found, until_ms=found.start_ms + found.length_ms + steps * step_ms, extended=steps)


def starts_a_ban(bans: list[Ban], known_ms: list[int], rules: Rules) -> bool:
    past_ms = bans[-1].start_ms if bans else -1
    window: list[int] = []
    for hit in sorted(each for each in known_ms if each > past_ms):
        if bans and hit <= bans[-1].until_ms:
            bans[-1] = rounded_up(bans[-1], hit)
            continue
        window = [each for each in window if each > hit - rules.findtime_s * 1000] + [hit]
        if len(window) == rules.maxretry:
            count = len(bans) + 1
            length_s = rules.bantime_s * (2 ** (count - 1) if rules.increment else 1)
            length_s = min(length_s, rules.maxtime_s or length_s)
            bans.append(ban(hit / 1000, hit / 1000 + length_s, count, length_s))
            return True
    return False


RIGHT = [
    PLAIN,
    replace(PLAIN, bantime_s=600),
    replace(PLAIN, increment=True, bantime_s=600),
    replace(PLAIN, increment=True, bantime_s=700, maxtime_s=2000),
]


@pytest.mark.parametrize("rules", RIGHT)
def test_a_right_judge_is_never_accused(rules: Rules) -> None:
    for seed in range(400):
        random = Random(seed)
        at_ms = [random.randrange(8000) * 1000 for _ in range(random.randint(3, 25))]
        infractions = [Infraction(IP, "login", each) for each in at_ms]
        now_ms = max(at_ms) + random.randrange(2_000_000)
        bans = judged_as_they_come(at_ms, rules)
        assert unsound(bans, infractions, rules) == []
        assert incomplete(bans, infractions, rules, now_ms) == []
        in_order = judged_as_they_come(sorted(at_ms), rules)
        assert difference(in_order, expected(infractions, rules)) == []


def test_with_bans_shorter_than_findtime_a_right_judge_may_be_incomplete() -> None:
    short = replace(PLAIN, bantime_s=60)
    infractions = hits(1, 2, 100, 0, 200, 300)
    bans = judged_as_they_come([each.at_ms for each in infractions], short)
    assert bans == [ban(100, 160, length_s=60)]
    assert unsound(bans, infractions, short) == []
    assert len(incomplete(bans, infractions, short, 300_000)) == 1
