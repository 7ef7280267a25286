"""What a stored ban and a stored hit must be like before anybody judges by them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.domain.judge.soundness import are_sound, wrong_in_ban
from f2b_worker.domain.judge.verdicts import UNREADABLE, Ban, Hit

WRONG: tuple[Any, ...] = ("5", 1.5, True, 10**38)
GOOD = Ban(1_000, 9_000, 1, 8_000, evidence=(Hit(1_000, "a"),))


@pytest.mark.parametrize("ban", [GOOD, Ban(0, FOREVER_MS, 3, FOREVER_MS, 10_000), replace(GOOD, observed=True)])
def test_what_a_judge_writes_is_sound(ban: Ban) -> None:
    assert wrong_in_ban(ban) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            (name, value)
            for name in ("start_ms", "until_ms", "length_ms", "count")
            for value in ("5", 1.5, True, 10**38)
        ),
        ("until_ms", 999),
        ("count", -1),
        ("origin", None),
        ("length_ms", -1),
        ("extended", -1),
        ("observed", 1),
        ("blocklists", (5,)),
        ("evidence", (Hit(1, "a", 0),)),
    ],
)
def test_the_attribute_that_no_ban_can_have_is_named(name: str, value: Any) -> None:
    assert wrong_in_ban(replace(GOOD, **{name: value})) == name


def test_what_stands_for_an_unreadable_ban_is_none_that_can_be_read() -> None:
    assert wrong_in_ban(UNREADABLE) is not None


@pytest.mark.parametrize("wrong", [Hit("5", "a"), Hit(5, 5), Hit(10**20, "a"), Hit(5, "a", 1.5)])  # type: ignore[arg-type]
def test_a_hit_of_another_type_or_size_is_none(wrong: Hit) -> None:
    assert not are_sound([Hit(5, "a"), wrong])
