"""What `f2b support` writes down, and what it leaves out."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from f2b_worker.adapters.sqlite.file import make_or_open
from f2b_worker.cli.f2b import main

if TYPE_CHECKING:
    from pathlib import Path

SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "hush-1",
    "AWS_ACCESS_KEY_ID": "hush-2",
    "AWS_SESSION_TOKEN": "hush-3",
    "F2B_TOKEN": "hush-4",
}


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    make_or_open(tmp_path / "f2b.db").close()
    config = tmp_path / "f2b.toml"
    config.write_text('[jails.login]\nmaxretry = 3\n# api_token = "hush-5"\n')
    file = tmp_path / "support.zip"
    command = ["support", "--state", str(tmp_path / "f2b.db"), "--config", str(config), "--output", str(file)]
    answer = CliRunner().invoke(main, command)
    assert answer.exit_code == 0, answer.output
    assert CliRunner().invoke(main, command).exit_code == 1, "it overwrites nothing"
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_it_has_versions_settings_status_doctor_and_the_file(parts: dict[str, str]) -> None:
    assert "boto3" in json.loads(parts["versions.json"])
    assert json.loads(parts["settings.json"])["state"].endswith("f2b.db")
    assert json.loads(parts["status.json"])["ok"] is False
    assert any(not each["ok"] for each in json.loads(parts["doctor.json"]))
    assert "maxretry = 3" in parts["f2b.toml"]
    assert json.loads(parts["environment.json"])["AWS_REGION"] == "eu-west-1"


def test_it_has_no_secret(parts: dict[str, str]) -> None:
    assert "hush" not in "".join(parts.values())
    assert set(SECRETS) <= json.loads(parts["environment.json"]).keys()
