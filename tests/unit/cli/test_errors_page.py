"""docs/errors.md has every line that an error of ours makes, and each says, there or itself, what to do."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from f2b_worker import errors
from f2b_worker.cli.error_lines import lines_of
from f2b_worker.cli.error_remedies import KINDS, LINES, says_what_to_do
from f2b_worker.cli.errors_page import lines, page

if TYPE_CHECKING:
    from collections.abc import Iterator

CODE = Path(__file__).resolve().parents[3] / "worker/f2b_worker"
GENERAL = {errors.F2bError, errors.Retryable, errors.Permanent}  # nothing is raised as such


def kinds_below(kind: type[errors.F2bError]) -> Iterator[type[errors.F2bError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from kinds_below(each)


def test_every_kind_of_failure_has_something_to_do() -> None:
    found = {each for each in kinds_below(errors.F2bError) if each.__module__ == errors.__name__}

    assert set(KINDS) == found - GENERAL


def test_every_line_says_what_to_do_or_the_page_does() -> None:
    silent = {each.text for each in lines() if not says_what_to_do(each.text)}

    assert silent - set(LINES) == set(), "say in the line what to do; or else in error_remedies.py"


def test_the_page_says_what_to_do_about_no_line_that_there_is_not() -> None:
    assert set(LINES) - {each.text for each in lines()} == set()


def test_no_line_that_a_start_may_end_with_is_overlooked() -> None:
    """By a reading of the source that knows nothing of syntax."""
    form = r'(?:StartError|RefusedError|UsageError)\(\s*"([^"{]+)"\s*\)'
    read = {text for path in CODE.rglob("*.py") for text in re.findall(form, path.read_text("utf-8"))}

    assert len(read) > 15
    assert read - {each.text for each in lines()} == set()


@pytest.mark.parametrize(
    ("made", "line"),
    [
        ('StartError("one")', "one"),
        ('errors.Missing(f"a {x} b {LIMIT}")', "a … b 50"),
        ('StartError(f"{x}; {remedy}")', "…; mend it"),
        ("StartError(LINE)", "the whole line"),
        ('GaveUp("that" if x else "this")', "that"),
    ],
)
def test_a_line_is_found_with_its_gaps(made: str, line: str) -> None:
    source = f'def f(x):\n    remedy = "mend it"\n    raise {made}'
    kinds = dict.fromkeys(["StartError", "Missing", "GaveUp"])

    found = list(lines_of(source, "m.py", kinds, {"LIMIT": 50, "LINE": "the whole line"}))

    assert found[0].text == line


@pytest.mark.parametrize(
    "made", ["StartError(str(error))", 'StartError(f"{a}: {b}")', 'ValueError("no")', "Missing()"]
)
def test_a_line_that_only_a_run_can_tell_is_none(made: str) -> None:
    assert list(lines_of(f"raise {made}", "m.py", dict.fromkeys(["StartError", "Missing"]), {})) == []


@pytest.mark.parametrize(
    ("line", "says"), [("no table: make it", True), ("no table; run it again", True), ("no table is there", False)]
)
def test_a_line_that_asks_for_nothing_is_noticed(line: str, says: bool) -> None:
    assert says_what_to_do(line) is says


def test_the_line_that_the_page_begins_with_is_a_real_one() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "f2b_worker"],
        env={"F2B_QUEU": "f2b"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (said.returncode, said.stderr in page()) == (3, True)
