"""Who may act in the dashboard, as it is set."""

from __future__ import annotations

from typing import Any

import click
import pytest
from click.testing import CliRunner

from f2b_worker.cli.options import settings_options
from f2b_worker.config.loading import load
from f2b_worker.config.settings import WorkerSettings
from f2b_worker.errors import StartError


@click.command()
@settings_options(WorkerSettings)
def shown(**given: Any) -> None:
    """Show the tokens as the command line makes them."""
    click.echo(load(WorkerSettings, given).dashboard_token)


def complaint(**given: object) -> str:
    with pytest.raises(StartError) as refused:
        load(WorkerSettings, {"queue": "f2b", **given})
    return str(refused.value)


def test_a_token_of_the_dashboard_is_given_on_the_command_line_and_not_shown() -> None:
    run = CliRunner().invoke(shown, ["--queue", "f2b", "--dashboard-token", "ann:correct-horse-battery"])
    assert run.output == "(SecretStr('**********'),)\n"


def test_several_tokens_have_a_space_between_two() -> None:
    settings = load(WorkerSettings, {"queue": "f2b", "dashboard_token": f"a:{'x' * 16} b:{'y' * 16}"})
    assert [each.get_secret_value()[0] for each in settings.dashboard_token] == ["a", "b"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("correct-horse-battery", "--dashboard-token: write NAME:TOKEN"),
        (":correct-horse-battery", "--dashboard-token: write NAME:TOKEN"),
        ("a b:correct-horse-battery", "--dashboard-token: write NAME:TOKEN"),
        ("<b>:correct-horse-battery", "--dashboard-token: write NAME:TOKEN"),
        (f"{'a' * 65}:correct-horse-battery", "--dashboard-token: write NAME:TOKEN"),
        ("ann:correct-horse", "--dashboard-token: the token of ann has 13 characters and can be guessed"),
    ],
)
def test_a_token_without_a_name_or_one_that_can_be_guessed_is_refused_and_not_shown(given: str, told: str) -> None:
    line = complaint(dashboard_token=given)
    assert line.startswith(told)
    assert "horse" not in line


def test_an_empty_token_leaves_the_dashboard_read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("F2B_DASHBOARD_TOKEN", " ")
    assert load(WorkerSettings, {"queue": "f2b"}).dashboard_token == ()
