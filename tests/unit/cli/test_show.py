"""How a ban is shown."""

from __future__ import annotations

import pytest

from f2b_worker.cli.show import ban_object, ban_table
from f2b_worker.domain.jails import FOREVER_MS
from f2b_worker.domain.judge.verdicts import Ban, OffenderId

WHO = OffenderId("login", "203.0.113.7/32")


@pytest.mark.parametrize(
    ("blocklists", "observed", "remark"),
    [
        (("block",), False, ""),
        (("captcha",), False, "  in captcha"),
        (("block", "count"), False, "  in block, count"),
        (("captcha",), True, "  observed only"),
    ],
)
def test_a_table_names_blocklists_unless_it_is_the_usual_one_or_none_and_json_names_all(
    blocklists: tuple[str, ...], observed: bool, remark: str
) -> None:
    ban = Ban(0, 1000, 1, 1000, observed=observed, blocklists=blocklists)
    row = list(ban_table([(WHO, ban)]))[1]
    assert row.endswith(f"   1        -{remark}")
    shown = ban_object(WHO, ban)
    assert (shown["blocklists"], shown["observed"]) == (list(blocklists), observed)


@pytest.mark.parametrize(
    ("extended", "over_ms", "shown"), [(1, 180_000, "3m"), (11, 1_980_000, "33m"), (0, 0, "-")]
)
def test_people_read_by_how_much_a_ban_was_extended_and_programs_by_how_many_steps(
    extended: int, over_ms: int, shown: str
) -> None:
    ban = Ban(0, 1_800_000 + over_ms, 1, 1_800_000, extended)
    assert list(ban_table([(WHO, ban)]))[1].endswith(f"   1 {shown:>8}")
    assert ban_object(WHO, ban)["extended"] == extended


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
