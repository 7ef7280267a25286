from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from f2b_worker.adapters.dynamodb.ban_log.packing import FORMAT, pack, unpack
from f2b_worker.adapters.dynamodb.zipped import unzipped, zipped
from f2b_worker.domain.ban_log.changes import Change
from f2b_worker.domain.jails import DEFAULT_BLOCKLIST, FOREVER_MS
from f2b_worker.domain.judge.verdicts import UNREADABLE, Ban, OffenderId

NOW_MS = 1_764_000_000_000
ONE = Change(OffenderId("login", "203.0.113.7/32"), Ban(NOW_MS, NOW_MS + 600_000, 1, 600_000), 1)
GOLDEN: dict[str, Any] = {
    "t0": NOW_MS,
    "jails": ["login"],
    "key": ["203.0.113.7/32"],
    "jail": [0],
    "start": [0],
    "length": [600_000],
    "over": [0],
    "count": [1],
    "rev": [1],
}


@st.composite
def bans(draw: st.DrawFn) -> Ban:
    start_ms = draw(st.integers(-FOREVER_MS, FOREVER_MS))
    return Ban(
        start_ms=start_ms,
        until_ms=draw(st.integers(start_ms, FOREVER_MS)),
        count=draw(st.integers(1, 1000)),
        length_ms=draw(st.integers(0, FOREVER_MS)),
        extended=draw(st.integers(0, 10**9)),
        observed=draw(st.booleans()),
        blocklists=tuple(draw(st.lists(st.sampled_from([DEFAULT_BLOCKLIST, "vpn", "edge"]), max_size=2))),
    )


CHANGES = st.lists(
    st.builds(
        Change,
        st.builds(
            OffenderId, st.sampled_from(["login", "api"]), st.sampled_from(["203.0.113.7/32", "2001:db8::/64"])
        ),
        bans(),
        st.integers(1, 2**53),
        st.integers(0, FOREVER_MS),
    ),
    max_size=8,
)


@settings(deadline=None, derandomize=True, database=None)
@given(CHANGES, st.frozensets(st.sampled_from(["allow", "control"])))
def test_what_is_packed_is_read_as_it_was(changes: list[Change], looks: frozenset[str]) -> None:
    unpacked = unpack(pack(changes, looks))

    assert list(unpacked.changes) == changes
    assert unpacked.looks == looks
    assert unpacked.unreadable == 0
    assert unpacked.is_whole


def test_the_format_is_what_later_versions_must_read_for_ever() -> None:
    assert json.loads(unzipped(pack([ONE])[1:])) == GOLDEN
    assert list(unpack(packed(GOLDEN)).changes) == [ONE]


def test_columns_of_a_later_version_are_ignored() -> None:
    assert list(unpack(packed(GOLDEN | {"reason": ["brute force"]})).changes) == [ONE]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("start", "soon"),
        ("start", 2**70),
        ("length", -1),
        ("over", -600_001),
        ("count", -1),
        ("count", True),
        ("list", 7),
        ("observed", 2),
        ("lifted", -1),
        ("extended", None),
    ],
)
def test_a_ban_that_cannot_be_read_is_unreadable_and_costs_no_other(column: str, value: object) -> None:
    two = {name: held * 2 if name not in {"jails", "t0"} else held for name, held in GOLDEN.items()}
    two["key"] = ["203.0.113.7/32", "203.0.113.8/32"]
    two[column] = [0, value] if column in {"list", "observed", "lifted", "extended"} else [two[column][0], value]

    unpacked = unpack(packed(two))

    assert list(unpacked.changes) == [ONE, Change(OffenderId("login", "203.0.113.8/32"), UNREADABLE, 1)]
    assert not unpacked.is_whole, "whoever reads it says so"


@pytest.mark.parametrize(("column", "value"), [("key", 7), ("jail", 5), ("jail", -1), ("rev", 0), ("rev", "new")])
def test_a_row_that_does_not_say_whose_it_is_or_which_revision_is_counted(column: str, value: object) -> None:
    unpacked = unpack(packed(GOLDEN | {column: [value]}))

    assert (list(unpacked.changes), unpacked.unreadable) == ([], 1)
    assert not unpacked.is_whole


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x02" + pack([ONE])[1:],
        b"\x01no zlib",
        pack([ONE])[:-9],
        FORMAT + zipped("no JSON"),
        FORMAT + zipped("[1]"),
        FORMAT + zipped(json.dumps(GOLDEN | {"rev": []})),
    ],
)
def test_what_is_no_pack_at_all_is_refused(content: bytes) -> None:
    with pytest.raises((ValueError, AttributeError)):
        unpack(content)


def packed(content: dict[str, object]) -> bytes:
    return FORMAT + zipped(json.dumps(content))
