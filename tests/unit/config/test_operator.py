"""The settings of `f2b`: where they come from, which one wins, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from f2b_worker.config.operator import (
    KNOWN_VARIABLES,
    SHIM_NAMES,
    WORKER_NAMES,
    OperatorSettings,
    load_operator,
    operator_errors,
)
from f2b_worker.config.settings import WorkerSettings
from f2b_worker.config.shim_settings import ShimSettings
from f2b_worker.domain.acts.act import AUDIT_DAYS
from f2b_worker.errors import StartError
from tests.environment import forget_settings


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No settings from outside, and a home of the test's own."""
    forget_settings(monkeypatch)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    return tmp_path


def file(folder: Path, text: str) -> Path:
    path = folder / "f2b.toml"
    path.write_text(text)
    return path


def refused(**given: object) -> str:
    with pytest.raises(StartError) as told:
        load_operator(given)
    return str(told.value)


def test_the_names_of_the_other_settings_are_those_of_their_models() -> None:
    assert set(WorkerSettings.model_fields) == WORKER_NAMES
    assert set(ShimSettings.model_fields) == SHIM_NAMES
    assert {"F2B_TABLE", "F2B_CONFIG", "F2B_TOKEN"} <= KNOWN_VARIABLES


def test_without_any_setting_the_ledger_is_the_table_that_provision_makes() -> None:
    assert load_operator({}) == OperatorSettings(table="f2b")


def test_the_command_line_wins_over_the_environment_that_over_operator_and_that_over_worker(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file(nowhere, "[worker]\ntable = 'w'\nscope = 'CLOUDFRONT'\nprocesses = 2\n")
    assert load_operator({"config": path}).table == "w"
    file(nowhere, "[worker]\ntable = 'w'\nscope = 'CLOUDFRONT'\n[operator]\ntable = 'o'\nregion = 'eu-west-1'\n")
    found = load_operator({"config": path})
    assert (found.table, found.scope, found.region) == ("o", "CLOUDFRONT", "eu-west-1")
    monkeypatch.setenv("F2B_TABLE", "e")
    assert load_operator({"config": path}).table == "e"
    assert load_operator({"config": path, "table": "l"}).table == "l"


def test_who_acts_keeps_it_as_long_as_the_workers_do_unless_told_otherwise(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_operator({}).audit_days == WorkerSettings(queue="f2b").audit_days == AUDIT_DAYS
    path = file(nowhere, "[worker]\naudit_days = 90\n")
    assert load_operator({"config": path}).audit_days == 90
    monkeypatch.setenv("F2B_AUDIT_DAYS", "30")
    assert load_operator({"config": path}).audit_days == 30
    assert load_operator({"config": path, "audit_days": 7}).audit_days == 7


def test_the_file_is_named_by_option_or_variable_or_is_the_usual_one(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = nowhere / "home" / "f2b"
    usual.mkdir(parents=True)
    file(usual, "[operator]\ntable = 'usual'\n")
    assert load_operator({}).table == "usual"
    monkeypatch.setenv("F2B_CONFIG", str(file(nowhere, "[operator]\ntable = 'named'\n")))
    assert load_operator({}).table == "named"


@pytest.mark.parametrize(
    ("line", "environment", "text", "expected"),
    [
        ({"state": "s.db"}, {}, "", "s.db"),
        ({"state": "s.db"}, {"F2B_TABLE": "t"}, "", "s.db"),
        ({"state": "s.db"}, {}, "[worker]\ntable = 't'\n", "s.db"),
        ({"table": "t"}, {"F2B_STATE": "s.db"}, "", None),
        ({"table": "t"}, {}, "[worker]\nstandalone = true\n", None),
        ({}, {"F2B_TABLE": "t"}, "[operator]\nstate = 's.db'\n", None),
        ({}, {}, "[worker]\nstandalone = true\n", "f2b.db"),
        ({}, {"F2B_STATE": "s.db"}, "[worker]\nstandalone = true\n", "s.db"),
        ({}, {}, "[operator]\nstate = 's.db'\n[worker]\ntable = 't'\n", "s.db"),
    ],
)
def test_the_ledger_is_a_file_or_a_table_as_the_strongest_that_says_so_says(
    nowhere: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    line: dict[str, str],
    environment: dict[str, str],
    text: str,
    expected: str | None,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = load_operator({**line, "config": file(nowhere, text)})
    assert found.state_file == (Path(expected) if expected else None)


def test_a_table_and_a_file_on_one_command_line_are_refused() -> None:
    assert "leave them out" in refused(table="t", state="s.db")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[operator]\ntabel = 't'\n", "operator.tabel: no such key; did you mean table?"),
        ("[worker]\ntabel = 't'\n", "worker.tabel: no such key; did you mean table?"),
        ("[operator]\ntable = 5\n", "operator.table: must be text, in quotes"),
        ("[operator]\ntable = ''\n", "operator.table: must not be empty"),
        ("[operator]\nip_set = 5\n", "operator.ip_set: must be a list of names"),
        ("[operator]\nscope = 'MOON'\n", "operator.scope: must be 'REGIONAL' or 'CLOUDFRONT'"),
        ("[operator]\naudit_days = 0\n", "operator.audit_days: must be a whole number of days from 1 to 3650"),
        ("[worker]\naudit_days = '1y'\n", "worker.audit_days: must be a whole number of days from 1 to 3650"),
        ("[operator]\nstandalone = 'perhaps'\n", "operator.standalone: must be true or false"),
        ("[operator]\nqueue = 'f2b.fifo'\n", "operator.queue: f2b.fifo is a FIFO queue"),
        ("operator = 5\n", "operator: must be a table: begin it with [operator]"),
        ("[operator", "not TOML"),
    ],
)
def test_what_is_wrong_in_the_file_is_named_with_the_file(nowhere: Path, text: str, told: str) -> None:
    path = file(nowhere, text)
    line = refused(config=path)
    assert line.startswith(f"{path}: ")
    assert told in line
    if "worker" not in text:
        assert operator_errors(path) == [line]


def test_what_is_wrong_in_the_environment_is_named_as_the_option_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("F2B_TABLE", "f2b\n")
    monkeypatch.setenv("F2B_SCOPE", "MOON")
    told = refused()
    assert "--table: 'f2b\\n' holds a space, a line break" in told
    assert "--scope: must be" in told


def test_a_misspelt_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("F2B_TABEL", "f2b")
    assert refused() == "environment variable F2B_TABEL is not a setting of f2b; did you mean F2B_TABLE?"


def test_the_settings_of_a_worker_or_a_shim_in_the_environment_disturb_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("F2B_PROCESSES", "2")
    monkeypatch.setenv("F2B_TOKEN", "secret")
    assert load_operator({}) == OperatorSettings()


def test_they_are_read_without_what_takes_long_to_import(nowhere: Path) -> None:
    path = file(nowhere, "[operator]\ntable = 't'\n")
    code = (
        "import sys; from pathlib import Path; from f2b_worker.config.operator import load_operator;"
        f"load_operator({{'config': Path({str(path)!r})}});"
        "print(*{each.partition('.')[0] for each in sys.modules})"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"boto3", "botocore", "click", "pydantic", "structlog"} & set(loaded.split())
