"""What is judged of a line that is too long: its start and its end, and nothing that only the cut makes."""

import io
from datetime import UTC, datetime

import pytest

from f2b_producer.logs import Counts, Found, LogFilter, read_lines
from f2b_producer.logs.lines import LINE_MAX_CHARACTERS, cut

NOW_MS = int(datetime(2026, 11, 22, 18, 30, tzinfo=UTC).timestamp() * 1000)
ACCESS = '203.0.113.7 - - [22/Nov/2026:18:05:09 +0000] "POST /login?{} HTTP/1.1" 401 12 "-" "curl"'


@pytest.mark.parametrize("filling", ["a" * LINE_MAX_CHARACTERS, "%20" * 100_000, "\u00e4" * 50_000])
def test_a_long_url_does_not_hide_who_asked_and_how_it_was_answered(filling: str) -> None:
    log_filter = LogFilter([r'^<HOST> - - \[\] "POST /login[^"]*" 401 '], zone=UTC)
    found = log_filter.find(ACCESS.format(filling), now_ms=NOW_MS)
    assert found == Found("203.0.113.7", NOW_MS - 1_491_000)
    assert log_filter.counts == Counts(matched=1, too_long=1)
    assert log_filter.counts.lines == 1


@pytest.mark.parametrize("filling", ["a" * 8_000, "\\x22 " * 3_000, '\\\\\\"' * 4_000, "[" * 9_000])
def test_a_long_name_and_a_long_agent_hide_neither_who_asked_nor_how_it_was_answered(filling: str) -> None:
    line = (
        f'203.0.113.7 - {filling} [22/Nov/2026:18:05:09 +0000] "POST /login?{filling} HTTP/1.1" 401 12'
        f' "{filling}" "{filling}"'
    )
    log_filter = LogFilter([r'^<HOST> - .* \[\] "POST /login(?:[^"\\]|\\.)*" 401 '], zone=UTC)
    assert log_filter.find(line, now_ms=NOW_MS) == Found("203.0.113.7", NOW_MS - 1_491_000)
    assert log_filter.counts == Counts(matched=1, too_long=1)


def test_a_line_that_fits_is_judged_as_it_is() -> None:
    log_filter = LogFilter(["^from <HOST> x+$"], zone=UTC)
    line = "from 203.0.113.7 ".ljust(LINE_MAX_CHARACTERS, "x")
    assert log_filter.find(f"\ufeff{line}\r\n", now_ms=NOW_MS)
    assert log_filter.counts == Counts(matched=1, no_date=1)
    assert log_filter.find(f"{line}x", now_ms=NOW_MS)
    assert log_filter.counts == Counts(matched=2, no_date=2, too_long=1)


@pytest.mark.parametrize("shift", range(4))
def test_a_quote_that_was_escaped_ends_no_text_after_the_cut(shift: int) -> None:
    forged = r"\",\"client\":\"198.51.100.1\" " * 3_000
    line = '{"agent":"' + "x" * shift + forged + '","client":"203.0.113.7"}'
    log_filter = LogFilter([r'"client":"<HOST>"'], zone=UTC)
    found = log_filter.find(line, now_ms=NOW_MS)
    assert found
    assert found.ip == "203.0.113.7"


@pytest.mark.parametrize("backslashes", [0, 1, 2, 3])
def test_where_it_is_cut_no_backslash_changes_the_meaning_of_what_follows(backslashes: int) -> None:
    for line in (
        "a" * (3 * LINE_MAX_CHARACTERS // 4 - backslashes) + "\\" * backslashes + "b" * LINE_MAX_CHARACTERS,
        "a" * LINE_MAX_CHARACTERS + "\\" * backslashes + '"' + "b" * (LINE_MAX_CHARACTERS // 4 - 1),
    ):
        kept = cut(line)
        assert len(kept) <= LINE_MAX_CHARACTERS
        assert "\\" not in kept
        assert ('"' in kept) == ('"' in line and not backslashes)


def test_a_line_of_backslashes_alone_is_cut_too() -> None:
    assert cut("\\" * 10 * LINE_MAX_CHARACTERS) == ""


def test_the_lines_of_a_file_come_whole_wherever_its_pieces_end() -> None:
    text = b"\n".join([b"a" * 70_000, b"", b"\xff\rb", b"c" * 65_535, b"without end"])
    assert b"\n".join(read_lines(io.BytesIO(text))) == text
    assert list(read_lines(io.BytesIO(b"a\n"))) == [b"a"]
