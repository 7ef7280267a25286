"""How a ban is shown."""

from __future__ import annotations

import pytest

from f2b_worker.cli.show import ban_table
from f2b_worker.domain.judge.verdicts import Ban, OffenderId
from f2b_worker.query.objects import ban_object

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
