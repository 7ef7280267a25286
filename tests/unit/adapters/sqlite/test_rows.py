"""Many bans are read at once as each is read by itself."""

from __future__ import annotations

from typing import Any

import pytest

from f2b_worker.adapters.remedies import MISSHAPEN
from f2b_worker.adapters.sqlite.rows import standing_of_row, standing_of_rows

JUDGED = b'[1,2,1,3,0,false,["block"]]'
BY_HAND = b'[1,2,1,3,0,true,["block","captcha"],"cli"]'
ROW = (b"203.0.113.7/32", b"login", JUDGED, 0)


def test_all_are_read_as_each_by_itself() -> None:
    rows = [ROW, (b"2001:db8::/64", "ü".encode(), BY_HAND, 5)]
    found = standing_of_rows(rows)
    assert found == [standing_of_row(*row) for row in rows]
    assert [hash(each) for each in found] == [hash(standing_of_row(*row)) for row in rows]
    assert standing_of_rows([]) == []


@pytest.mark.parametrize(
    "broken",
    [
        (b"\xff", b"login", JUDGED, 0),
        (b"a", b"login", b"nonsense", 0),
        (b"a", b"login", b"{}", 0),
        (b"a", b"login", b"[]", 0),
        (b"a", b"login", b"null", 0),
        (b"a", b"login", b"7", 0),
        (b"a", b"login", JUDGED, -1),
        (b"a", b"login", JUDGED, None),
        (b"a", b"login", JUDGED, "0"),
        (b"a", b"login", JUDGED.replace(b"[1,2", b"[3,2"), 0),
        (b"a", b"login", JUDGED.replace(b"false", b"0"), 0),
        (b"a", b"login", JUDGED.replace(b'["block"]', b'"block"'), 0),
        (b"a", b"login", JUDGED.replace(b'["block"]', b"[1]"), 0),
        (b"a", b"login", JUDGED.replace(b"[1,", b"[1.0,"), 0),
        (b"a", b"login", BY_HAND.replace(b'"cli"', b"1"), 0),
        (b"a", b"login", BY_HAND.replace(b'"cli"', b'"cli",1'), 0),
    ],
)
def test_if_one_of_them_cannot_be_read_none_is(broken: tuple[Any, ...]) -> None:
    with pytest.raises(MISSHAPEN):
        standing_of_rows([ROW, broken])
