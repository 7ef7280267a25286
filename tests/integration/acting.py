"""An operator's shell on an empty ledger: a table and a state file alike."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from f2b_worker.adapters.sqlite.file import make_or_open
from f2b_worker.cli.f2b import main
from tests.integration.provisioning import provisioned

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.provisioning import Cloud

IP = "203.0.113.7"
FILE = """\
[defaults]
ignoreip = ["198.51.100.0/24"]

[jails.login]
bantime = "2h"

[blocklists.captcha]
ip_set = "doubt"
"""


@pytest.fixture(params=["table", "file"], autouse=True)
def place(request: pytest.FixtureRequest, cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty ledger, which the settings name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    (tmp_path / "f2b.toml").write_text(FILE)
    if request.param == "table":
        provisioned("--queue", "f2b", "--no-deletion-protection", "--no-point-in-time-recovery")
    else:
        make_or_open(tmp_path / "f2b.db").close()
        monkeypatch.setenv("F2B_STATE", "f2b.db")
    return str(request.param)


def ok(*arguments: str, code: int = 0, text: str | None = None) -> Result:
    answer = CliRunner().invoke(main, arguments, input=text, prog_name="f2b")
    assert answer.exit_code == code, answer.output
    return answer


def told(*arguments: str, code: int = 0, text: str | None = None) -> Any:
    return json.loads(ok(*arguments, "--json", code=code, text=text).stdout)


def outcomes(*arguments: str, code: int = 0, text: str | None = None) -> dict[str, str]:
    return {each["ip"]: each["outcome"] for each in told(*arguments, code=code, text=text)["outcomes"]}


def banned() -> set[str]:
    return set(ok("list", "-o", "plain").stdout.split())
