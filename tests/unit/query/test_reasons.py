"""Why an address is banned, or is not, in one sentence."""

from __future__ import annotations

import pytest

from f2b_worker.domain.jails import Window
from f2b_worker.domain.judge.explanations import Exemption, Explanation, WindowCount
from f2b_worker.domain.judge.verdicts import Ban, OffenderId
from f2b_worker.domain.networks import NEVER_BANNED
from f2b_worker.query import reasons
from f2b_worker.query.reasons import because
from f2b_worker.testing import FakeClock

NOW_MS = FakeClock().now_ms()  # 2023-11-14 22:13:20Z


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
    assert reasons._OWN_RANGES.keys() <= set(NEVER_BANNED.entries)
