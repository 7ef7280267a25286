"""What a line can cost that makes a regex backtrack for years: its own verdict, and nobody else's."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from f2b_producer.logs import Counts, Found, LogFilter
from f2b_producer.logs.time_limit import ALLOWANCE_TICKS, TimeLimit, TooSlowError, stop

NOW_MS = int(datetime(2026, 11, 22, 18, 30, tzinfo=UTC).timestamp() * 1000)
AT_MS = int(datetime(2026, 11, 22, 18, 5, 9, tzinfo=UTC).timestamp() * 1000)
BAD_REGEX = "bad user (?:[a-z]+)+ from <HOST>$"
SLOW = "2026-11-22T18:05:09Z bad user " + "a" * 60 + "! from 192.0.2.1"
GOOD = "2026-11-22T18:05:09Z bad user bob from 203.0.113.{}"


@pytest.mark.parametrize(
    ("failregexes", "ignoreregexes"), [([BAD_REGEX], []), ([r"^\s*bad user .* from <HOST>"], ["(?:a|a)+$"])]
)
def test_a_line_that_keeps_a_regex_busy_is_given_up_and_the_others_are_judged(
    failregexes: list[str], ignoreregexes: list[str]
) -> None:
    log_filter = LogFilter(failregexes, ignoreregexes, zone=UTC)
    slow = SLOW if not ignoreregexes else f"{GOOD.format(9)} {'a' * 60}!"
    lines = [GOOD.format(1), slow, GOOD.format(2), slow, GOOD.format(3)]
    found = [found for line in lines if (found := log_filter.find(line, now_ms=NOW_MS))]
    assert found == [Found(f"203.0.113.{number}", AT_MS) for number in (1, 2, 3)]
    assert log_filter.counts == Counts(matched=3, too_slow=2)
    assert log_filter.counts.lines == len(lines)


def test_of_many_slow_lines_the_first_ones_are_named_and_then_ever_fewer() -> None:
    told: list[str] = []
    log_filter = LogFilter([BAD_REGEX], zone=UTC, tell=told.append)
    for _ in range(9):
        log_filter.find(f"{SLOW}\x1b[2J\u202e", now_ms=NOW_MS)
    assert [text.split(" so far")[0] for text in told] == [f"too slow, {times}" for times in (1, 2, 4, 8)]
    assert all(repr(BAD_REGEX) in text and "bad user aaaa" in text for text in told)
    assert all(text.isprintable() for text in told)  # what an attacker wrote moves no cursor


def test_a_slow_line_uses_up_what_the_next_ones_may_take_and_others_earn_it_again() -> None:
    limit = TimeLimit()
    limit.run(len, "")
    stop()  # this test makes the ticks

    def ticks_of_a_slow_line() -> int:
        ticks = 0

        def judge(_: str) -> None:
            nonlocal ticks
            while True:
                ticks += 1
                signal.raise_signal(signal.SIGVTALRM)

        with pytest.raises(TooSlowError):
            limit.run(judge, "")
        return ticks

    def others(ticks: int) -> None:
        for _ in range(ticks):
            limit.run(lambda _: signal.raise_signal(signal.SIGVTALRM), "")

    assert ticks_of_a_slow_line() == ALLOWANCE_TICKS + 1  # the first tick does not know when the line began
    assert ticks_of_a_slow_line() == 2
    assert ticks_of_a_slow_line() == 2
    others(6)
    assert 2 < ticks_of_a_slow_line() < ALLOWANCE_TICKS
    others(10 * ALLOWANCE_TICKS)
    assert ticks_of_a_slow_line() == ALLOWANCE_TICKS + 1


def test_a_tick_between_two_lines_ends_nothing() -> None:
    limit = TimeLimit()
    for _ in range(3 * ALLOWANCE_TICKS):
        signal.raise_signal(signal.SIGVTALRM)
    assert limit.run(len, "abc") == 3


def test_f2b_report_names_a_slow_line_and_reports_the_next_one(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text(f"{SLOW}\n{GOOD.format(7)}\n")
    command = [sys.executable, "-m", "f2b_producer.report", "--dry-run", "--tail", str(log), "--from-start"]
    with subprocess.Popen(
        [*command, "--failregex", BAD_REGEX], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        told = process.stderr.readline()
        shown = process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        summary = process.stderr.readline()
        assert process.wait(20) == os.EX_OK
    assert told.startswith(f"f2b-report: {log}: too slow, 1 so far: the regex")
    assert "203.0.113.7" in shown
    assert summary.startswith(f"f2b-report: {log}: 1 matched, 1 too slow;")
