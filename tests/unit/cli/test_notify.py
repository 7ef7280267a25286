"""`f2b notify` lists targets without secrets, and says of each whether it takes a notice."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from f2b_worker.cli.f2b import main
from f2b_worker.cli.support import _without_secrets

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

FILE = """
[notices.good]
to = "command"
command = ["cat"]
[notices.bad]
to = "command"
command = ["sh", "-c", "echo no room >&2; exit 3"]
[notices.hook]
to = "webhook"
url = "https://hooks.example/very-secret"
on = "surge"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "f2b.toml"
    path.write_text(FILE)
    return path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["notify", *arguments])


def test_each_target_that_is_named_is_tried_and_its_outcome_is_a_line(config: Path) -> None:
    answer = run("test", "bad", "good", "--config", str(config))
    assert answer.stdout == "bad: not sent: command sh: exit code 3: no room\ngood: sent\n"
    assert answer.exit_code == 1
    answer = run("test", "good", "--config", str(config), "--json")
    assert json.loads(answer.stdout) == {"targets": [{"target": "good", "sent": True, "reason": None}]}
    assert answer.exit_code == 0


def test_the_list_shows_no_secret(config: Path) -> None:
    answer = run("list", "--config", str(config))
    assert answer.exit_code == 0
    assert [line.split()[:2] for line in answer.stdout.splitlines()[1:]] == [
        ["good", "command"],
        ["bad", "command"],
        ["hook", "webhook"],
    ]
    assert "very-secret" not in answer.output + run("list", "--json", "--config", str(config)).output


def test_a_target_that_is_not_there_is_named_with_the_nearest(config: Path) -> None:
    answer = run("test", "god", "--config", str(config))
    assert answer.exit_code == 1
    assert "there is no target 'god'; did you mean good?" in answer.stderr


def test_without_a_target_nobody_can_be_told(tmp_path: Path) -> None:
    (tmp_path / "f2b.toml").write_text("")
    answer = run("test", "--config", str(tmp_path / "f2b.toml"))
    assert answer.exit_code == 3
    assert "there is no target: write one as [notices.NAME]" in answer.stderr


def test_a_bug_report_has_no_secret_of_a_target() -> None:
    lines = [
        "[worker]",
        'queue = "f2b"',
        "[notices]",
        'group_wait = "1m"',
        'chat = { to = "apprise", urls = ["slack://very-secret"] }',
        "[notices.ops]",
        'to = "webhook"',
        'url = "https://very-secret"',
        'secret = "very-secret"',
        "[notices.chat]",
        "urls = [",
        '  "slack://very-secret",',
        "]",
        'text = """',
        "very-secret",
        '"""',
        "[jails.login]",
        "maxretry = 3",
    ]
    left = list(_without_secrets(lines))
    assert "very-secret" not in "\n".join(left)
    assert {"[notices.chat]", 'to = "webhook"', 'group_wait = "1m"', "maxretry = 3", 'queue = "f2b"'} <= set(left)
    assert list(_without_secrets(['notices.ops.url = "https://very-secret"'])) == [
        "notices.ops.url = # (left out)"
    ]
