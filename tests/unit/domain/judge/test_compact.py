"""A compact table holds what a dictionary would, whatever the keys and values are, in a fraction of its memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from f2b_worker.domain.judge.compact import ENTRIES_MAX, CompactTable
from f2b_worker.domain.judge.verdicts import OffenderId
from tests.memory import bytes_of

_LIKE_ENTRIES = ["", "1", "11", "a\tMQ==\n0:b", "\n0:b\t", "\\n", "\n", "é", "\ud800", "\U0001f600", "10.0.0.1/32"]
_KEYS = st.sampled_from(_LIKE_ENTRIES) | st.text(max_size=5)
_WHO = st.builds(OffenderId, st.sampled_from(["login", "scan", "1", "\n"]), _KEYS)
_VALUES = st.sampled_from([b"", b"\n0:b\t", b"\n0:\tMQ==\n"]) | st.binary(max_size=40)


def offenders(number: int) -> list[OffenderId]:
    return [
        OffenderId("login", f"198.{each // 62_500}.{each // 250 % 250}.{each % 250}/32") for each in range(number)
    ]


@given(st.lists(st.tuples(_WHO, st.none() | _VALUES), max_size=40))
def test_it_holds_what_a_dictionary_would_hold(steps: list[tuple[OffenderId, bytes | None]]) -> None:
    table, known = CompactTable(), dict[OffenderId, bytes]()
    for who, value in steps:
        if value is None:
            table.forget(who)
            known.pop(who, None)
        else:
            table.put(who, value)
            known[who] = value
    assert dict(table) == known
    assert len(table) == len(known)
    assert all(table.get(who) == known.get(who) and (who in table) == (who in known) for who, _ in steps)


def test_all_are_found_and_new_ones_told_from_known_ones_while_it_grows() -> None:
    table, whom = CompactTable(), offenders(5_000)
    for number, who in enumerate(whom):
        assert who not in table
        table.put(who, b"%d" % number)
    for number, who in enumerate(whom[:100]):
        table.put(who, b"again %d" % number)
    values = [*(b"again %d" % number for number in range(100)), *(b"%d" % number for number in range(100, 5_000))]
    assert [table.get(who) for who in whom] == values
    assert len(table) == len(dict(table)) == 5_000


def test_what_was_begun_to_be_gone_through_stays_as_it_was() -> None:
    table, whom = CompactTable(), offenders(2 * 64 * ENTRIES_MAX)
    table.put(whom[0], b"before")
    begun = iter(table)
    for who in whom:  # it grows, too
        table.put(who, b"after")
    assert list(begun) == [(whom[0], b"before")]


@pytest.mark.parametrize("number", [32_000, 33_000], ids=["shortly before it grows", "shortly after"])
def test_an_entry_of_24_bytes_takes_less_than_65_with_its_key_however_many_there_are(number: int) -> None:
    whom = offenders(number)
    table, size = bytes_of(lambda: _filled(CompactTable(), whom))
    assert len(table) == number
    assert size / number < 65


def test_one_made_for_so_many_takes_no_more_where_there_are_few() -> None:
    _, size = bytes_of(lambda: _filled(CompactTable(100_000), offenders(100)))
    assert size < 225_000  # a place of 8 bytes for each bucket


def _filled(table: CompactTable, whom: list[OffenderId]) -> CompactTable:
    for who in whom:
        table.put(who, bytes(24))
    return table
