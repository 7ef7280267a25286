"""Completion in a real bash, switched on as docs/commands.md says."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from demo.fleet import BIN
from tests.conftest import ROOT, skip_or_fail

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = ROOT / "docs" / "commands.md"
PATIENCE_S = 30.0
CLEAR_LINE = "\x15"


class Terminal:
    """An interactive bash without anybody's settings, and what its terminal shows."""

    def __init__(self, home: Path) -> None:
        bash = shutil.which("bash")
        if not bash:
            skip_or_fail("no bash")
        self._end, other = pty.openpty()
        self._bash = subprocess.Popen(
            [str(bash), "--norc", "--noprofile", "-i"],
            stdin=other,
            stdout=other,
            stderr=other,
            env={"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(home), "TERM": "dumb", "LC_ALL": "C.UTF-8"},
            cwd=home,
            start_new_session=True,
        )
        os.close(other)

    def type(self, text: str, until: str) -> str:
        """Type *text*, and return what is shown from then on as soon as it has *until* in it."""
        os.write(self._end, text.encode())
        shown, ends_s = "", time.monotonic() + PATIENCE_S
        while until not in shown:
            left_s = ends_s - time.monotonic()
            assert left_s > 0, f"not shown in {PATIENCE_S:.0f} s: {until!r}; {shown!r}"
            if select.select([self._end], [], [], left_s)[0]:
                shown += os.read(self._end, 65_536).decode(errors="replace")
        return shown

    def close(self) -> None:
        self._bash.kill()
        self._bash.wait()
        os.close(self._end)


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """A bash that completes `f2b`."""
    opened = Terminal(tmp_path_factory.mktemp("home"))
    (line,) = re.findall(r"^eval .*_F2B_COMPLETE=bash_source.*$", PAGE.read_text("utf-8"), re.MULTILINE)
    opened.type(f'{line}; echo "on:"$?\n', "on:0")
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("f2b expl", "f2b explain "),
        ("f2b explain 203.0.113.7 --js", "--json "),
        ("f2b allow imp", "f2b allow import "),
        ("f2b stats --by netw", "--by network "),
        ("f2b --table f2b expl", "f2b --table f2b explain "),
    ],
)
def test_a_verb_an_option_and_its_value_are_completed(terminal: Terminal, typed: str, completed: str) -> None:
    shown = terminal.type(f"{CLEAR_LINE}{typed}\t", completed)
    assert "Traceback" not in shown


def test_what_fits_is_shown_where_several_do(terminal: Terminal) -> None:
    shown = terminal.type(f"{CLEAR_LINE}f2b re\t\t", "repair")
    assert {"release", "reload", "repair", "resume"} <= set(shown.split())


def test_after_a_misspelt_verb_nothing_is_completed_and_nothing_said(terminal: Terminal) -> None:
    shown = terminal.type(f'{CLEAR_LINE}f2b lst --js\t{CLEAR_LINE}echo do""ne\n', "done")
    assert "--json" not in shown
    assert "Error" not in shown
    assert "Usage" not in shown
