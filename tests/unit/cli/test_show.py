"""How a ban is shown."""

from __future__ import annotations

import pytest

from f2b_worker.cli.show import ban_object, ban_table
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
def test_a_ban_names_its_blocklists_unless_it_is_in_the_usual_one_or_in_none(
    blocklists: tuple[str, ...], observed: bool, remark: str
) -> None:
    ban = Ban(0, 1000, 1, 1000, observed=observed, blocklists=blocklists)
    row = list(ban_table([(WHO, ban)]))[1]
    assert row.endswith(f"   1        0{remark}")
    shown = ban_object(WHO, ban)
    assert shown.get("blocklists") == (list(blocklists) if remark.startswith("  in") else None)
    assert shown.get("observed", False) is observed
