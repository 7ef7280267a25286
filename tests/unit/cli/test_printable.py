"""What others wrote into a state file steers no terminal, whatever command shows it in whatever form."""

from __future__ import annotations

import ast
import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

import f2b_worker.cli
from f2b_worker.adapters.sqlite.file import make_or_open
from f2b_worker.cli.f2b import main
from f2b_worker.cli.output import FORMS, JSON, TABLE, Listing, columns, painted, remark, say_lines, show
from f2b_worker.observe.printable import printable, printable_json
from tests.hostile import HOSTILE, SIGN, steering
from tests.unit.cli.tree import commands

if TYPE_CHECKING:
    from collections.abc import Iterator

    from click.testing import Result

FAR_S = 4_102_444_800


def test_each_character_that_cannot_be_seen_is_written_as_an_escape_and_no_other_is() -> None:
    assert printable("café Київ 日本 🦀") == "café Київ 日本 🦀"
    assert printable("\x1b[2J\x7f\x9b\u202e\n") == r"\x1b[2J\x7f\x9b\u202e\n"
    assert printable("a\tb\nc\r", keep="\n\t") == "a\tb\nc\\r"
    assert steering(printable(HOSTILE)) == []


def test_json_keeps_its_meaning() -> None:
    assert json.loads(printable_json({HOSTILE: HOSTILE})) == {HOSTILE: HOSTILE}
    assert steering(printable_json({HOSTILE: HOSTILE})) == []


@pytest.mark.parametrize("form", FORMS)
def test_a_listing_shows_text_of_others_so_that_it_steers_nothing(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"ip": HOSTILE, "more": [HOSTILE, 1]}]
    show(Listing("bans", rows, columns([("IP", "B"), (HOSTILE, "x")]), "ip", ("ip", "more")), form)
    remark(HOSTILE)
    shown = capsys.readouterr()
    assert steering(shown.out + shown.err) == []
    assert SIGN in shown.out
    if form == TABLE:
        title, row = shown.out.splitlines()
        assert title.index("B") == row.index("  x") + 2, "escapes have their width"
    if form == JSON:
        assert json.loads(shown.out) == {"bans": rows}


def test_colours_of_ours_stay_and_what_follows_them_has_none(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    line = painted("NO", "red") + f"   {HOSTILE}" + HOSTILE
    assert line.startswith(click.style("NO", fg="red", bold=True))
    assert steering(line.removeprefix(click.style("NO", fg="red", bold=True))) == []
    say_lines([line])
    assert capsys.readouterr().out == f"{line}\n"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, prog_name="f2b")


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state file in which every text that somebody may have written is hostile."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    path = tmp_path / "f2b.db"
    make_or_open(path).close()
    for command in (
        ["ban", "203.0.113.7", "--reason", "REASON"],
        ["ban", "203.0.113.8", "--reason", "REASON"],
        ["unban", "203.0.113.8", "--reason", "REASON"],
        ["allow", "add", "192.0.2.1", "--comment", "REASON"],
        ["pause", "--reason", "REASON"],
        ["reload"],
    ):
        done = run(*command, "--state", str(path))
        assert done.exit_code == 0, done.output
    inside = json.dumps(HOSTILE)[1:-1]
    sign = json.dumps([FAR_S * 1000, 0, HOSTILE, HOSTILE, 1])
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE acts SET reason = ?, who = ?", (HOSTILE, HOSTILE))
        file.execute("UPDATE acts SET jail = ? WHERE jail != ''", (HOSTILE,))
        file.execute("UPDATE allowed SET comment = ?, who = ?", (HOSTILE, HOSTILE))
        file.execute("UPDATE control SET content = replace(content, 'REASON', ?)", (inside,))
        file.execute("UPDATE offenders SET jail = jail || ? WHERE key LIKE '%.8/32'", (HOSTILE,))
        file.execute("UPDATE history SET jail = jail || ? WHERE key LIKE '%.8/32'", (HOSTILE,))
        file.execute("UPDATE offenders SET hits = ?", (json.dumps([[1, HOSTILE]]),))
        file.execute("UPDATE offenders SET ban = replace(ban, '\"block\"', ?)", (json.dumps(HOSTILE),))
        file.execute(
            "INSERT INTO offenders (key, jail, hits, ban, revision, changed, kept_until_day)"
            " VALUES (?, ?, '[]', '[', 1, 1, 99999999)",
            (HOSTILE, HOSTILE),
        )
        file.execute("INSERT OR REPLACE INTO control VALUES (?, ?)", (f"sign#{HOSTILE}", sign))
        file.execute("INSERT OR REPLACE INTO control VALUES (?, ?)", (f"pause#{HOSTILE}", HOSTILE))
        file.execute("INSERT INTO notes VALUES (?, ?, ?)", (HOSTILE, "surge", HOSTILE))
        file.execute("INSERT INTO notes VALUES ('eu-west-1', ?, ?)", (f"foreign#{HOSTILE}", inside))
        file.execute("INSERT INTO dead_letters VALUES (1, 1, ?, ?, ?, ?)", (HOSTILE,) * 4)
    return path


QUESTIONS = [
    ["list"],
    ["list", "--notes"],
    ["banned", "203.0.113.7", "198.51.100.1"],
    ["explain", "203.0.113.7"],
    ["explain", "203.0.113.8"],
    ["stats"],
    ["export"],
    ["audit"],
    ["audit", "--ip", "203.0.113.7"],
    ["allow", "list"],
    ["allow", "check", "192.0.2.1"],
    ["status"],
    ["doctor"],
    ["dlq", "list"],
    ["dlq", "show", "1"],
    ["release"],
    ["resume"],
    ["unban", "--all", "--yes"],
    ["dlq", "retry", "1"],
]


TREE = commands()


def forms(question: list[str]) -> Iterator[list[str]]:
    """Yield the options by which the command of a question prints in its forms."""
    words = tuple(word for word in question if not word.startswith("-"))
    command = next(TREE[words[:length]] for length in (2, 1) if words[:length] in TREE)
    options = {each.name for each in command.params}
    yield []
    if "output" in options:
        yield from (["-o", form] for form in FORMS)
    elif "as_json" in options:
        yield ["--json"]


ASKED = [[*question, *form] for question in QUESTIONS for form in forms(question)]


@pytest.mark.parametrize("asked", ASKED, ids=" ".join)
def test_no_command_lets_the_text_of_others_steer_the_terminal(asked: list[str], state: Path) -> None:
    answer = run(*asked, "--state", str(state))
    assert answer.exit_code in {0, 1, 3}, answer.output
    assert answer.exception is None or isinstance(answer.exception, SystemExit)
    assert steering(answer.output) == []


def test_the_file_is_hostile_indeed(state: Path) -> None:
    told = "".join(run(*question, "--state", str(state)).output for question in QUESTIONS)
    assert told.count(SIGN) > len(QUESTIONS)


def test_whatever_a_command_prints_goes_the_way_that_takes_care_of_it() -> None:
    """But for a page, schema or jails file that a command makes itself."""
    own = {"output.py", "jails.py", "command_page.py", "reference.py", "schemas.py"}
    own |= {"metrics_page.py", "log_page.py", "errors_page.py"}
    folder = Path(f2b_worker.cli.__file__).parent
    wild = [
        f"{path.name}:{node.lineno}"
        for path in folder.glob("*.py")
        if path.name not in own
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"print", "click.echo", "sys.stdout.write"}
    ]
    assert wild == []
