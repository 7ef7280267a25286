"""A ban, and an act, as a JSON object."""

from __future__ import annotations

import pytest

from f2b_worker.domain.acts.act import Act, Verb
from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.domain.judge.verdicts import Ban, OffenderId
from f2b_worker.query.objects import act_object, ban_object

WHO = OffenderId("login", "203.0.113.7/32")


def test_each_time_is_there_in_epoch_seconds_and_as_rfc_3339() -> None:
    shown = ban_object(WHO, Ban(1_700_000_000_000, 1_700_000_600_500, 1, 600_500))
    assert (shown["start"], shown["start_at"]) == (1_700_000_000, "2023-11-14T22:13:20Z")
    assert (shown["until"], shown["until_at"]) == (1_700_000_600.5, "2023-11-14T22:23:20.500Z")


def test_an_end_that_never_comes_is_null() -> None:
    shown = ban_object(WHO, Ban(0, FOREVER_MS, 1, FOREVER_MS))
    assert (shown["until"], shown["until_at"], shown["length"]) == (None, None, None)


@pytest.mark.parametrize(("origin", "by"), [("", "judge"), ("cli", "cli"), ("adopted", "adopted")])
def test_a_ban_says_who_banned(origin: str, by: str) -> None:
    assert ban_object(WHO, Ban(0, 1, 1, 1, origin=origin))["by"] == by


def test_an_act_says_how_it_was_done() -> None:
    act = Act("a", 0, "ann", Verb.UNBAN, how="and forget the past")
    assert act_object(act)["how"] == "and forget the past"
