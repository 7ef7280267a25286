"""The report of `make demo` says what the hottest keys used of what AWS allows."""

from __future__ import annotations

from typing import Any

from demo.prove import unit_rows


def figures(**changed: Any) -> dict[str, Any]:
    limits = {"key_writes": 1000.0, "key_reads": 3000.0, "table_writes": 40_000.0, "table_reads": 40_000.0}
    return {
        "limits": limits,
        "peak_key_writes": [1_234.0, "bans#2"],
        "peak_key_reads": [0.0, ""],
        "throttled": {},
        **changed,
    }


def test_the_hottest_key_is_named_with_its_units_and_the_limit() -> None:
    rows = unit_rows(figures())
    assert rows["most writes of one key"] == "1,234 of 1,000 units, key bans#2"
    assert rows["most reads of one key"] == "0 of 3,000 units"
    assert rows["calls throttled, or parts of one"] == "0"


def test_what_was_throttled_is_counted_and_named_by_reason() -> None:
    rows = unit_rows(figures(throttled={"TableWriteKeyRangeThroughputExceeded": 1_100, "Other": 2}))
    said = "1,102 (Other 2, TableWriteKeyRangeThroughputExceeded 1,100)"
    assert rows["calls throttled, or parts of one"] == said
