"""What an explanation says of each infraction."""

import pytest

from f2b_worker.cli import explanation
from f2b_worker.cli.explanation import Answer, as_lines, as_object, because
from f2b_worker.cli.show import duration
from f2b_worker.domain.jails import FOREVER_MS, Window
from f2b_worker.domain.judge.explanations import Exemption, Explanation, WindowCount
from f2b_worker.domain.judge.verdicts import Ban, Hit, OffenderId
from f2b_worker.domain.networks import NEVER_BANNED
from f2b_worker.testing import FakeClock

NOW_MS = FakeClock().now_ms()  # 2023-11-14 22:13:20Z
BY = ["", "@web-1", "@web-2"]


def test_who_reported_each_infraction_of_a_ban_is_told() -> None:
    hits = tuple(Hit(NOW_MS + n * 1000, f"i{n}{by}") for n, by in enumerate(BY))
    ban = Ban(NOW_MS, NOW_MS + 600_000, 1, 600_000, evidence=hits)
    counts = (WindowCount(Window(), ()),)
    found = Explanation(OffenderId("login", "203.0.113.7/32"), ban, None, None, counts, None, None, ())
    answer = Answer(found, configured=True, holders=None, now_ms=NOW_MS)
    assert as_lines(answer)[3:] == [
        "    evidence   2023-11-14 22:13:20Z  i0",
        "               2023-11-14 22:13:21Z  i1, from web-1",
        "               2023-11-14 22:13:22Z  i2, from web-2",
    ]
    told = as_object(answer)["ban"]["evidence"]
    assert [(each["id"], each["reporter"]) for each in told] == [("i0", None), ("i1", "web-1"), ("i2", "web-2")]


@pytest.mark.parametrize(
    ("origin", "whence"), [("cli", "by hand"), ("import", "by f2b import"), ("adopted", "as found in an IP set")]
)
def test_a_ban_that_no_jail_judged_says_whence_it_comes_and_misses_no_infractions(
    origin: str, whence: str
) -> None:
    ban = Ban(NOW_MS, NOW_MS + 600_000, 1, 600_000, origin=origin)
    found = Explanation(
        OffenderId("login", "203.0.113.7/32"), ban, None, None, (WindowCount(Window(), ()),), None, None, ()
    )
    assert because(found, NOW_MS) == f"banned {whence} in jail login until 2023-11-14 22:23:20Z"


@pytest.mark.parametrize(
    ("network", "what"),
    [
        ("192.0.0.0/16", "the ban of the rest of 192.0.0.0/16 does not reach it"),
        ("192.0.2.0/25", "its ban is not enforced"),
        ("192.0.2.5/32", "its ban is not enforced"),
    ],
)
def test_who_goes_free_inside_a_banned_range_is_not_told_that_the_range_is_free(network: str, what: str) -> None:
    ban = Ban(NOW_MS, NOW_MS + 600_000, 1, 600_000, origin="cli")
    exemption = Exemption("allowlist", "192.0.2.0/24", lifts=True)
    found = Explanation(
        OffenderId("manual", network), ban, None, None, (WindowCount(Window(), ()),), None, exemption, ()
    )
    assert because(found, NOW_MS) == f"never banned: on the allowlist (192.0.2.0/24); {what}"


def test_every_kind_of_own_range_has_its_name() -> None:
    assert explanation._OWN_RANGES.keys() <= set(NEVER_BANNED.entries)


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0ms"),
        (-5, "0ms"),
        (999, "999ms"),
        (1500, "1s"),
        (600_000, "10m"),
        (129_600_000, "1d12h"),
        (90_061_000, "1d1h1m1s"),
        (FOREVER_MS, "all time"),
    ],
)
def test_a_duration_reads_as_in_the_jails_file(ms: int, text: str) -> None:
    assert duration(ms) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (22, "22nd"), (113, "113th")],
)
def test_the_nth_ban_reads_well(number: int, text: str) -> None:
    assert explanation._ordinal(number) == text
