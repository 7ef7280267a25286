"""The commands: their help, what they refuse, and with which exit code."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from f2b_worker.cli import main as entry_point
from f2b_worker.cli.shim import main as shim
from f2b_worker.cli.worker import main as worker
from f2b_worker.config.loading import env_name, option_name
from f2b_worker.config.settings import WorkerSettings
from f2b_worker.config.shim_settings import ShimSettings
from f2b_worker.signals import UNHEEDED
from tests.environment import forget_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import click
    from pydantic import BaseModel

COMMANDS: dict[str, tuple[click.Command, list[str]]] = {
    "f2b-worker": (worker, []),
    "f2b-shim": (shim, []),
}
SETTINGS: dict[str, tuple[type[BaseModel], tuple[str, ...]]] = {
    "f2b-worker": (WorkerSettings, tuple(WorkerSettings.model_fields)),
    "f2b-shim": (ShimSettings, tuple(ShimSettings.model_fields)),
}


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_settings(monkeypatch)


def run(command: str, *arguments: str) -> Result:
    main, path = COMMANDS[command]
    return CliRunner().invoke(main, [*path, *arguments], prog_name=command.split(maxsplit=1)[0])


def help_of(command: str) -> str:
    answer = run(command, "--help")
    assert answer.exit_code == 0, answer.output
    return re.sub(r"\s+", " ", answer.output)


def line(answer: Result) -> str:
    """The one line that the user reads."""
    assert answer.exit_code == 3, answer.output
    assert answer.stderr.count("\n") == 1
    return answer.stderr


def test_every_command_is_tested_here() -> None:
    assert SETTINGS.keys() == COMMANDS.keys()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_what_it_does_and_gives_an_example(command: str) -> None:
    text = help_of(command)
    assert re.search(rf"Usage: {command} \[OPTIONS\]", text)
    assert re.search(rf"Example: {command} ", text)
    assert run(command, "-h").output == run(command, "--help").output


@pytest.mark.parametrize("command", COMMANDS)
def test_the_example_uses_options_that_there_are(command: str) -> None:
    example = help_of(command).split("Example: ")[1].split(",")[0]
    given = {word for word in shlex.split(example) if word.startswith("--")}
    assert given <= set(re.findall(r"--[a-z-]+", help_of(command).split("Example: ")[0]))


@pytest.mark.parametrize(
    ("command", "name"), [(command, name) for command, (_, names) in SETTINGS.items() for name in names]
)
def test_the_help_shows_each_setting_with_its_reason_environment_and_default(command: str, name: str) -> None:
    field = SETTINGS[command][0].model_fields[name]
    shown = help_of(command).split(f" {option_name(name)} ")[1].split("]")[0]
    assert shown.split("[")[0].strip().endswith(".")
    assert f"[env: {env_name(name)}" in shown
    if field.is_required():
        assert shown.endswith("; required")
    elif field.default not in (None, ()):
        assert shown.endswith(f"; default: {field.default}")


@pytest.mark.parametrize("command", ["f2b-worker", "f2b-shim"])
def test_the_file_is_an_option_too(command: str) -> None:
    assert "[env: F2B_CONFIG]" in help_of(command).split(" --config ")[1]


def test_the_help_of_the_worker_lists_its_exit_codes() -> None:
    text = help_of("f2b-worker")
    assert all(f"{code} " in text.split("Exit codes:")[1] for code in (0, 2, 3, 4))


def blocked() -> set[int]:
    """The signals that wait until somebody takes them."""
    return set(signal.pthread_sigmask(signal.SIG_BLOCK, []))


@pytest.fixture
def blocked_at_first() -> Iterator[set[int]]:
    first = blocked()
    yield first
    signal.pthread_sigmask(signal.SIG_SETMASK, first)


def test_a_hang_up_and_what_asks_for_nothing_wait_until_the_command_is_imported(
    blocked_at_first: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[int]] = []
    monkeypatch.setattr("f2b_worker.cli.worker.main", lambda: seen.append(blocked()))
    entry_point()
    assert seen == [blocked_at_first | {signal.SIGHUP} | UNHEEDED]


def test_a_hang_up_waits_on_until_a_worker_takes_it(blocked_at_first: set[int]) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    assert "queue" in line(run("f2b-worker"))
    assert signal.SIGHUP in blocked()


def test_the_command_has_hang_ups_wait_before_the_half_second_of_imports() -> None:
    code = "import sys, f2b_worker.cli; print(*{each.partition('.')[0] for each in sys.modules})"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "f2b_worker" in loaded
    assert not {"boto3", "botocore", "click", "pydantic", "structlog"} & set(loaded)


@pytest.mark.parametrize("command", ["f2b-worker", "f2b-shim"])
def test_the_version_is_one_line(command: str) -> None:
    answer = run(command, "--version")
    assert answer.exit_code == 0
    assert re.fullmatch(rf"{command}, version \d+\.\d+\.\d+\S*\n", answer.output)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("wrong", [["--quue", "f2b"], ["--log-level"], ["--table"], ["surprise"]])
def test_wrong_usage_ends_with_2(command: str, wrong: list[str]) -> None:
    answer = run(command, *wrong)
    assert answer.exit_code == 2
    assert wrong[0] in answer.stderr


@pytest.mark.parametrize("command", ["f2b-worker", "f2b-shim"])
def test_a_file_that_is_not_there_is_wrong_usage_and_is_named(command: str) -> None:
    answer = run(command, "--queue", "f2b", "--config", "nowhere.toml")
    assert answer.exit_code == 2
    assert "nowhere.toml" in answer.stderr


@pytest.mark.parametrize("command", ["f2b-worker", "f2b-shim"])
def test_a_command_without_its_queue_ends_with_3_and_names_the_option(command: str) -> None:
    assert re.match(rf"{command.split(maxsplit=1)[0]}: --queue: ", line(run(command)))


@pytest.mark.parametrize(
    ("command", "wrong", "named"),
    [
        ("f2b-worker", ["--processes", "0"], "--processes"),
        ("f2b-worker", ["--scope", "MOON"], "--scope"),
        ("f2b-worker", ["--max-age", "a while"], "--max-age"),
        ("f2b-worker", ["--poll-s", "20"], "--poll-s"),
        ("f2b-worker", ["--log-level", "loud"], "--log-level"),
        ("f2b-shim", ["--port", "0"], "--port"),
    ],
)
def test_a_wrong_value_ends_with_3_and_names_the_option(command: str, wrong: list[str], named: str) -> None:
    assert f": {named}: " in line(run(command, "--queue", "f2b", *wrong))


@pytest.mark.parametrize(
    ("contradiction", "line"),
    [
        (
            ("--standalone", "--queue", "f2b"),
            "--standalone keeps queue and ledger in --state: leave out --queue and --table",
        ),
        (("--standalone", "--processes", "2"), "--standalone has one judge process: leave out --processes"),
        (
            ("--queue", "f2b", "--state", "f2b.db"),
            "--state is the file of --standalone: leave out --state, or leave out --queue and --table",
        ),
    ],
)
def test_options_that_contradict_each_other_end_with_3_in_one_line(
    contradiction: tuple[str, ...], line: str
) -> None:
    refused = run("f2b-worker", *contradiction)
    assert (refused.exit_code, refused.stderr) == (3, f"f2b-worker: {line}\n")


def test_standalone_mode_without_its_packages_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "f2b_worker.process.standalone.worker", None)
    refused = run("f2b-worker", "--standalone")
    assert refused.exit_code == 3
    told = "--standalone needs more packages: install f2b-worker with its extra [shim], as README.md shows"
    assert refused.stderr == f"f2b-worker: {told}\n"


def test_every_wrong_value_is_named_at_once() -> None:
    told = line(run("f2b-worker", "--processes", "0", "--scope", "MOON"))
    assert all(f"{name}: " in told for name in ("--queue", "--processes", "--scope"))


@pytest.mark.parametrize("command", [command for command, (_, names) in SETTINGS.items() if names])
def test_a_misspelt_variable_ends_with_3_and_is_named(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("F2B_QUEU", "f2b")
    assert "F2B_QUEU is not a setting of f2b; did you mean F2B_QUEUE?" in line(run(command))


@pytest.mark.parametrize("command", ["f2b-worker"])
@pytest.mark.parametrize(
    ("content", "named"), [("queue = ", "not TOML"), ("[worker]\nquue = 'f2b'\n", "quue"), ("\xff", "not TOML")]
)
def test_a_file_that_cannot_be_used_ends_with_3_and_is_named(
    command: str, content: str, named: str, tmp_path: Path
) -> None:
    file = tmp_path / "f2b.toml"
    file.write_text(content, "latin-1")
    told = line(run(command, "--queue", "f2b", "--config", str(file)))
    assert named in told


def test_the_worker_refuses_wrong_jails_by_name(tmp_path: Path) -> None:
    file = tmp_path / "f2b.toml"
    file.write_text("[jails.ssh]\nmaxretry = 0\nfindtme = '10m'\n")
    told = line(run("f2b-worker", "--queue", "f2b", "--config", str(file)))
    assert str(file) in told
    assert "jails.ssh.maxretry" in told
    assert "jails.ssh.findtme" in told
