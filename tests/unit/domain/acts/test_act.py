from __future__ import annotations

from dataclasses import replace

import pytest

from f2b_worker.domain.acts.act import TEXT_MAX, Act, Verb
from f2b_worker.domain.acts.allowlist import AllowEntry, counting
from f2b_worker.domain.acts.control import EVERY_BLOCKLIST, Control, Pause

ACT = Act("5f0c91aa00000001", 1000, "ann@laptop", Verb.UNBAN, ("203.0.113.7/32",))


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"id": ""}, "id of an act"),
        ({"id": "a#b"}, "id of an act"),
        ({"id": "a" * 65}, "id of an act"),
        ({"by": "x" * (TEXT_MAX + 1)}, "by has 1,001 characters"),
        ({"reason": "x" * (TEXT_MAX + 1)}, "reason has 1,001 characters"),
        ({"reason": "\udcff"}, "reason is no text"),
        ({"at_ms": -1}, "at_ms"),
        ({"at_ms": 1.5}, "at_ms"),
        ({"count": -1}, "count"),
    ],
)
def test_an_act_that_could_not_be_stored_is_refused_by_what_is_wrong(wrong: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        replace(ACT, **wrong)  # type: ignore[arg-type]


def test_an_act_on_many_names_the_first_hundred_and_says_how_many_there_were() -> None:
    many = replace(ACT, what=tuple(map(str, range(1000)))).shortened()
    assert (many.what, many.count) == (tuple(map(str, range(100))), 1000)
    assert many.shortened() == many
    assert replace(ACT, count=7).shortened().count == 7


def test_an_entry_of_the_allowlist_counts_up_to_its_last_moment() -> None:
    entries = [AllowEntry("192.0.2.1/32", 1000), AllowEntry("192.0.2.2/32"), AllowEntry("192.0.2.3/32", 999)]
    assert [entry.network for entry in counting(entries, 1000)] == ["192.0.2.1/32", "192.0.2.2/32"]


def test_a_blocklist_is_paused_by_its_own_pause_or_that_of_all_and_of_both_by_the_one_that_ends_later() -> None:
    mine, all_ = Pause(0, 1000, "ann"), Pause(0, 2000, "bob")
    assert Control({"block": mine}).pause_of("block", 1000) == mine
    assert Control({"block": mine}).pause_of("block", 1001) is None
    assert Control({"block": mine}).pause_of("captcha", 0) is None
    assert Control({EVERY_BLOCKLIST: all_}).pause_of("captcha", 0) == all_
    assert Control({"block": mine, EVERY_BLOCKLIST: all_}).pause_of("block", 0) == all_
    for_ever = replace(mine, until_ms=None)
    assert Control({"block": for_ever, EVERY_BLOCKLIST: all_}).pause_of("block", 9_999) == for_ever
