"""The tree of commands on the local AWS, and on a state file: each example as the help shows it, and its JSON."""

from __future__ import annotations

import gzip
import json
import shlex
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.sqlite.file import make_or_open
from f2b_worker.cli import schemas
from f2b_worker.config.settings import WorkerSettings
from f2b_worker.domain.jails import Policy
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.verdicts import Ban, Offender, OffenderId
from f2b_worker.process.assembly import open_ledger
from tests.integration.provisioning import Cloud, run
from tests.unit.cli.tree import commands, examples

if TYPE_CHECKING:
    from pathlib import Path

TREE = commands()
SERVES = {("dashboard",)}
"""Commands that end by Ctrl-C only: tests/acceptance/test_dashboard_of_a_fleet.py runs it."""

EXAMPLES = [
    pytest.param(words, line.replace(" /etc/", " etc/"), id=line)  # below the folder of the test
    for words, command in TREE.items()
    if words not in SERVES
    for line in examples(command)
]
OF_A_LEDGER = [
    " ".join(words)
    for words, command in TREE.items()
    if words not in {("provision",), ("doctor",), ("support",), ("notify", "list"), ("notify", "test")}
    and any(each.name == "table" for each in command.params)
]
NO = {"banned", "allow remove", "resume", "status", "dlq show", "doctor"}
"""Commands whose example is a question that is answered with no in a new fleet."""

OF_A_TABLE = {"repair": "has nothing to repair"}
"""Commands that a state file has no use for, and what they say."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the examples are run: with the files that they name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    assert run("init").exit_code == 0
    with (tmp_path / "f2b.toml").open("a") as file:
        file.write('[notices.ops]\nto = "command"\ncommand = ["true"]\n')
    line = json.dumps({"ip": "203.0.113.7", "jail": "login", "time": 1_700_000_000})
    (tmp_path / "attack.ndjson.gz").write_bytes(gzip.compress(f"{line}\n{line}\n{line}\n".encode()))
    (tmp_path / "bans.csv").write_text("ip,until\n203.0.113.9,4102444800\n")
    (tmp_path / "offices.csv").write_text("ip,comment\n192.0.2.0/28,the office in Kyiv\n")
    (tmp_path / "etc" / "fail2ban").mkdir(parents=True)
    (tmp_path / "etc" / "fail2ban" / "jail.conf").write_text("[sshd]\nenabled = true\n")
    return tmp_path


@pytest.fixture
def fleet(cloud: Cloud, folder: Path) -> Cloud:
    """A fleet as the example of `provision` makes it, with one ban."""
    (example,) = examples(TREE["provision",])
    made = run(*shlex.split(example)[1:])
    assert made.exit_code == 0, made.output
    ledger, now_ms = open_ledger(WorkerSettings(queue="f2b"), Policy(), SystemClock()), SystemClock().now_ms()
    who = OffenderId("login", "198.51.100.7/32")
    stored = ledger.commit({who: Decision(Offender(), Ban(now_ms, now_ms + 600_000, 1, 600_000))})[who]
    assert isinstance(stored, Offender)
    assert ledger.publish({who: stored}) == {}
    ledger.close()
    return cloud


def document(name: str, stdout: str) -> Any:
    found = json.loads(stdout)
    Draft202012Validator(
        schemas.document() | {"$ref": f"#/$defs/{name}"}, format_checker=Draft202012Validator.FORMAT_CHECKER
    ).validate(found)
    return found


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize(("words", "line"), EXAMPLES)
def test_the_example_of_every_command_runs_on_a_fleet_as_it_is_shown(
    words: tuple[str, ...], line: str, folder: Path
) -> None:
    if words == ("init",):
        (folder / "f2b.toml").unlink()
    program, *arguments = shlex.split(line)
    answer = run(*arguments)
    assert program == "f2b"
    assert answer.exit_code == (1 if " ".join(words) in NO else 0), answer.output


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize(("words", "line"), EXAMPLES)
def test_the_json_of_every_example_is_one_document_of_its_schema(words: tuple[str, ...], line: str) -> None:
    answer = run(*as_json(shlex.split(line)[1:]))
    assert answer.exit_code in {0, 1}, answer.output
    document(" ".join(words), answer.stdout)


def as_json(arguments: list[str]) -> list[str]:
    """Ask for JSON instead of the form that an example asks for."""
    if "-o" in arguments:
        place = arguments.index("-o")
        arguments = arguments[:place] + arguments[place + 2 :]
    return [*arguments, "--json", *(["--force"] if arguments[0] == "init" else [])]


def on_a_file(line: str) -> list[str]:
    """Leave out what names a table or a queue."""
    arguments, kept = iter(shlex.split(line)[1:]), []
    for each in arguments:
        if each in {"--table", "--queue", "--ip-set", "--capacity"}:
            next(arguments)
        else:
            kept.append(each)
    return kept


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize(("words", "line"), EXAMPLES)
def test_the_example_of_every_command_runs_on_a_state_file(
    words: tuple[str, ...], line: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_or_open(folder / "f2b.db").close()
    monkeypatch.setenv("F2B_STANDALONE", "true")
    name = " ".join(words)
    answer = run(*as_json(on_a_file(line)))
    if name in OF_A_TABLE:
        assert (answer.exit_code, answer.stdout) == (3, "")
        assert OF_A_TABLE[name] in answer.stderr
        return
    assert answer.exit_code in {0, 1}, answer.output
    document(name, answer.stdout)


@pytest.mark.usefixtures("cloud", "folder")
@pytest.mark.parametrize("name", OF_A_LEDGER)
def test_every_command_ends_with_3_where_its_ledger_is_not_there(name: str) -> None:
    (line, *_) = examples(TREE[tuple(name.split())])
    answer = run(*shlex.split(line)[1:])
    assert answer.exit_code == 3, answer.output
    assert answer.stdout == ""
    assert answer.stderr.startswith("f2b: ")


class TestForms:
    @pytest.mark.usefixtures("fleet")
    def test_a_list_is_the_same_in_every_form(self) -> None:
        (ban,) = document("list", run("list", "--json").stdout)["bans"]
        assert ban["ip"] == "198.51.100.7"
        assert json.loads(run("list", "-o", "ndjson").stdout) == ban
        assert document("list", run("list", "-o", "json").stdout)["bans"] == [ban]
        assert run("list", "-o", "plain").stdout == "198.51.100.7\n"
        title, row = run("list", "-o", "csv").stdout.splitlines()
        assert dict(zip(title.split(","), row.split(","), strict=True)) == {
            key: ""
            if value is None
            else " ".join(value)
            if isinstance(value, list)
            else str(value).lower()
            if isinstance(value, bool)
            else str(value)
            for key, value in ban.items()
        }
        assert "198.51.100.7" in run("list").stdout

    @pytest.mark.usefixtures("fleet")
    @pytest.mark.parametrize(
        ("options", "found"),
        [
            (["--jail", "login"], True),
            (["--jail", "other"], False),
            (["--ip", "198.51.100.7"], True),
            (["--ip", "198.51.100.8"], False),
            (["--range", "198.51.100.0/24"], True),
            (["--range", "198.51.101.0/24"], False),
            (["--range", "2001:db8::/32"], False),
            (["--since", "1h"], True),
            (["--until", "1h"], True),
            (["--until", "1m"], False),
            (["--by", "judge"], True),
            (["--by", "cli"], False),
        ],
    )
    def test_a_list_has_only_what_is_asked_for(self, options: list[str], found: bool) -> None:
        assert bool(run("list", "-o", "plain", *options).stdout) is found

    @pytest.mark.parametrize("wrong", [["--ip", "nobody"], ["--range", "10.0.0.0/99"], ["--since", "a while"]])
    def test_what_is_no_address_or_time_is_wrong_usage(self, wrong: list[str]) -> None:
        answer = run("list", *wrong)
        assert answer.exit_code == 2
        assert wrong[0] in answer.stderr
