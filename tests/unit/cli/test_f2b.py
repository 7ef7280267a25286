"""Every command of `f2b`: its help, its place in the reference, what it refuses, and how fast it starts."""

from __future__ import annotations

import inspect
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

from f2b_worker.adapters.sqlite.file import make_or_open
from f2b_worker.cli import command_page, schemas
from f2b_worker.cli.f2b import VERBS, main
from f2b_worker.cli.output import painted
from f2b_worker.config.operator import DESCRIPTIONS, VARIABLES
from f2b_worker.errors import AccessDenied, RefusedError, Unavailable
from tests.environment import forget_settings
from tests.unit.cli.tree import commands, examples

if TYPE_CHECKING:
    from f2b_worker.errors import F2bError

DOCS = Path(__file__).resolve().parents[3] / "docs"
TREE = commands()
NAMES = [" ".join(words) for words in TREE]
HEAVY = {"boto3", "botocore", "pydantic", "structlog", "prometheus_client", "jsonschema"}


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    forget_settings(monkeypatch)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, prog_name="f2b")


def command(name: str) -> click.Command:
    return TREE[tuple(name.split())]


@pytest.mark.parametrize("name", NAMES)
def test_every_command_says_what_it_does_and_gives_an_example(name: str) -> None:
    text = run(*name.split(), "--help").output
    assert re.search(rf"Usage: f2b {name} \[OPTIONS\]", text)
    assert f"Example: f2b {name}" in text
    assert run(*name.split(), "-h").output == text


@pytest.mark.parametrize("name", NAMES)
def test_the_examples_use_options_that_there_are(name: str) -> None:
    known = {option for each in command(name).params for option in (*each.opts, *each.secondary_opts)}
    given = {word for line in examples(command(name)) for word in shlex.split(line) if word.startswith("-")}
    assert given - {"-"} <= known


@pytest.mark.parametrize("name", NAMES)
def test_every_option_is_explained_in_a_sentence(name: str) -> None:
    for each in command(name).params:
        if isinstance(each, click.Option):
            assert (each.help or "").partition("  [env")[0].endswith("."), each.opts


@pytest.mark.parametrize("name", VERBS)
def test_the_list_of_commands_says_of_each_what_its_own_help_says_first(name: str) -> None:
    found = main.get_command(click.Context(main), name)
    assert found is not None
    first = inspect.cleandoc(found.help or "").split("\n\n")[0].replace("\n", " ")
    assert VERBS[name].short == first
    assert VERBS[name].short in re.sub(r"\s+", " ", run("--help").output)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("wrong", [["--quue", "f2b"], ["--table"]])
def test_wrong_usage_ends_with_2_and_names_what_is_wrong(name: str, wrong: list[str]) -> None:
    answer = run(*name.split(), *wrong)
    assert answer.exit_code == 2
    assert wrong[0] in answer.stderr
    assert answer.stdout == ""


@pytest.mark.parametrize("words", sorted({words[:-1] for words in TREE if len(words) > 1}))
def test_the_help_of_a_group_names_its_commands(words: tuple[str, ...]) -> None:
    text = run(*words, "--help").output
    for each, found in TREE.items():
        if each[:-1] == words:
            first = inspect.cleandoc(found.help or "").split("\n\n")[0]
            assert re.search(rf"^  {each[-1]} +{re.escape(first)}$", text, re.MULTILINE)


def test_a_misspelt_command_is_answered_with_the_nearest() -> None:
    answer = run("lst")
    assert answer.exit_code == 2
    assert "No such command 'lst'. Did you mean list?" in answer.stderr


def test_f2b_alone_shows_its_help_and_is_wrong_usage() -> None:
    answer = run()
    assert answer.exit_code == 2
    assert "Usage: f2b" in answer.output


def test_the_version_is_one_line() -> None:
    assert re.fullmatch(r"f2b, version \d+\.\d+\.\d+\S*\n", run("--version").output)


@pytest.mark.parametrize("name", NAMES)
def test_every_command_prints_json_whose_schema_is_in_the_docs(name: str) -> None:
    assert any("--json" in each.opts for each in command(name).params)
    Draft202012Validator.check_schema(schemas.COMMANDS[name])


def test_there_is_no_schema_of_a_command_that_is_not_there() -> None:
    assert schemas.COMMANDS.keys() == set(NAMES)


def test_the_committed_reference_is_what_the_commands_say() -> None:
    assert (DOCS / "commands.md").read_text("utf-8") == command_page.page(), "run: make docs"


def test_the_committed_schemas_are_what_the_commands_promise() -> None:
    assert json.loads((DOCS / "commands.schema.json").read_text("utf-8")) == schemas.document(), "run: make docs"


@pytest.mark.parametrize(
    ("error", "code"),
    [(RefusedError("no"), 1), (AccessDenied("not allowed"), 3), (Unavailable("away"), 3)],
)
def test_an_error_is_one_line_and_an_exit_code_that_tells_its_kind(
    error: F2bError, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("f2b_worker.cli.listing.open_ban_book", fail)
    answer = run("list", "--state", "f2b.db")
    assert (answer.exit_code, answer.stdout, answer.stderr) == (code, "", f"f2b: {error}\n")


def test_ctrl_c_is_one_line_and_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("f2b_worker.cli.listing.open_ban_book", interrupt)
    answer = run("list", "--state", "f2b.db")
    assert (answer.exit_code, answer.stderr) == (130, "f2b: interrupted\n")


@pytest.mark.parametrize("before", [True, False], ids=["before the command", "after it"])
def test_an_option_counts_before_the_command_and_after_it(before: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes `f2b --table prod list` must not be shown another table."""
    used: list[str] = []

    def note(settings: object, **_: object) -> None:
        used.append(settings.table)  # type: ignore[attr-defined]
        raise RefusedError("enough")

    monkeypatch.setattr("f2b_worker.cli.listing.open_ban_book", note)
    run(*(["--table", "prod", "list"] if before else ["list", "--table", "prod"]))
    assert used == ["prod"]


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_the_help_names_the_variable_of_each_setting(name: str) -> None:
    option = f"--{name.replace('_', '-')}"
    shown = [
        re.sub(r"\s+", " ", each.help or "")
        for found in TREE.values()
        for each in found.params
        if isinstance(each, click.Option) and option in each.opts and DESCRIPTIONS[name] in (each.help or "")
    ]
    assert shown
    assert all(f"[env: {VARIABLES.get(name, 'AWS_REGION')}" in text for text in shown)


def imported(*arguments: str) -> set[str]:
    """What a process of `f2b` has imported at its end."""
    code = (
        "import atexit, sys; from f2b_worker.cli import main_of_operator;"
        "atexit.register(lambda: print(*{each.partition('.')[0] for each in sys.modules}, file=sys.stderr));"
        f"sys.argv = ['f2b', *{arguments!r}]; main_of_operator()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return set(done.stderr.splitlines()[-1].split())


def test_the_help_imports_nothing_that_takes_long() -> None:
    assert not imported("--help") & HEAVY


def test_to_complete_the_name_of_a_command_nothing_is_imported_that_takes_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, text in {"_F2B_COMPLETE": "bash_complete", "COMP_WORDS": "f2b ", "COMP_CWORD": "1"}.items():
        monkeypatch.setenv(name, text)
    assert not imported() & HEAVY


@pytest.mark.parametrize(
    "question", [("banned", "203.0.113.7"), ("explain", "203.0.113.7"), ("list",), ("status",)]
)
def test_a_question_to_a_state_file_imports_nothing_that_takes_long(
    question: tuple[str, ...], tmp_path: Path
) -> None:
    make_or_open(tmp_path / "f2b.db").close()
    assert not imported(*question, "--state", str(tmp_path / "f2b.db")) & HEAVY


def test_a_question_to_a_table_imports_of_that_botocore_alone() -> None:
    code = (
        "import sys, f2b_worker.cli.banned, f2b_worker.adapters.aws, f2b_worker.adapters.dynamodb.ban_book;"
        "print(*{each.partition('.')[0] for each in sys.modules})"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert set(loaded.split()) & {*HEAVY, "pydantic_core"} == {"botocore"}


@pytest.mark.parametrize("colour", [True, False])
def test_a_colour_is_for_a_terminal_on_which_nobody_said_no(colour: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    if colour:
        monkeypatch.delenv("NO_COLOR", raising=False)
    else:
        monkeypatch.setenv("NO_COLOR", "1")
    assert (painted("OK", "green") == "OK") is not colour
    monkeypatch.setattr("sys.stdout.isatty", lambda: False, raising=False)
    assert painted("OK", "green") == "OK"


def test_a_list_that_is_watched_is_shown_again_until_ctrl_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_or_open(tmp_path / "f2b.db").close()
    waits: list[float] = []

    def wait(_self: object, _event: object, timeout_s: float) -> None:
        waits.append(timeout_s)
        if len(waits) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("f2b_worker.cli.watching.SystemClock.wait", wait)
    answer = run("list", "--state", str(tmp_path / "f2b.db"), "-w")
    assert (answer.exit_code, waits) == (130, [2.0, 2.0, 2.0])
    assert answer.stdout.count("ADDRESS") == 3
    assert run("list", "--watch", "0.1").exit_code == 2


def test_a_list_says_of_how_many_it_shows_the_first(tmp_path: Path) -> None:
    make_or_open(tmp_path / "f2b.db").close()
    here = ("--state", str(tmp_path / "f2b.db"))
    assert run("ban", *(f"203.0.113.{last}" for last in range(1, 8)), *here).exit_code == 0
    answer = run("list", "--limit", "3", "--sort", "ip", *here)
    assert answer.stderr.splitlines()[0] == "3 of 7; --limit 0 shows all"
    assert len(answer.stdout.splitlines()) == 4
    found = json.loads(run("list", "--limit", "3", "--sort", "ip", "--json", *here).stdout)
    assert (found["shown"], found["total"]) == (3, 7)
    assert [each["ip"] for each in found["bans"]] == ["203.0.113.1", "203.0.113.2", "203.0.113.3"]
    assert len(run("list", "-o", "plain", *here).stdout.splitlines()) == 7
    assert run("list", "--json", "-o", "csv", *here).exit_code == 2
