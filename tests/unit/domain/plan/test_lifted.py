"""What is left of lifted bans is known by their keys, as long as that matters."""

from __future__ import annotations

import pytest

from f2b_worker.domain.plan.lifted import Lifted

ONE, TWO, RANGE = "203.0.113.1/32", "203.0.113.2/32", "198.51.100.0/24"


@pytest.mark.parametrize(
    ("entry", "is_touched"),
    [
        *((ONE, True), (TWO, False), ("203.0.113.0/24", True), (RANGE, True), ("198.51.100.7/32", True)),
        *(("198.51.0.0/16", True), ("198.51.101.0/24", False), ("2001:db8::/64", False)),
    ],
)
def test_a_lifted_key_its_parts_and_what_is_around_it_are_touched(entry: str, *, is_touched: bool) -> None:
    lifted = Lifted()
    assert not lifted.touches(entry)
    lifted.note(ONE, 1000)
    lifted.note(RANGE, 1000)
    assert lifted.touches(entry) is is_touched


def test_what_is_banned_again_or_lifted_long_ago_is_forgotten() -> None:
    lifted = Lifted()
    lifted.note(ONE, 1000)
    lifted.note(RANGE, 1000)
    lifted.note(ONE, 500)
    assert lifted.touches("203.0.113.0/24")
    lifted.discard(ONE)
    assert not lifted.touches("203.0.113.0/24")
    lifted.forget(1000)
    assert lifted.touches("198.51.100.7/32")
    lifted.forget(1001)
    assert not lifted.touches("198.51.100.7/32")


def test_each_lift_is_news_once() -> None:
    lifted = Lifted()
    assert not lifted.take_news()
    lifted.note(ONE, 1000)
    assert (lifted.take_news(), lifted.take_news()) == (True, False)
    lifted.note(ONE, 1000)
    assert not lifted.take_news()
