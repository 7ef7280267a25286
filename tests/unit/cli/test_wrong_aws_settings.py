"""Every command that calls AWS refuses a wrong setting of AWS's in the same way, before it calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from f2b_worker.adapters import caller
from f2b_worker.cli.f2b import main as f2b
from f2b_worker.cli.shim import main as shim
from tests.wrong_settings import OF_THE_METADATA_SERVICE, WRONG

if TYPE_CHECKING:
    from pathlib import Path

    import click

COMMANDS: dict[str, tuple[click.Command, list[str]]] = {
    "f2b-shim": (shim, ["--queue", "f2b"]),
    "f2b provision": (f2b, ["provision", "--queue", "f2b", "--table", "f2b", "--ip-set", "f2b"]),
    "f2b provision --dry-run": (f2b, ["provision", "--queue", "f2b", "--table", "f2b", "--dry-run"]),
    "f2b list": (f2b, ["list", "--table", "f2b"]),
    "f2b explain": (f2b, ["explain", "203.0.113.7", "--table", "f2b"]),
    "f2b release": (f2b, ["release", "--table", "f2b"]),
}
WRONG_HERE = WRONG | {
    "AWS_ENDPOINT_URL": "localhost:4566",
    "HTTPS_PROXY": "http://127.0.0.1:abc",
    "AWS_CONFIG_FILE": "[profile",  # what is in the file
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "AWS_ENDPOINT_URL",
        "AWS_PROFILE",
        "AWS_REGION",
        "HTTPS_PROXY",
        "NO_PROXY",
        "https_proxy",
        "no_proxy",
    ):
        monkeypatch.delenv(name, raising=False)
    for service in ("SQS", "DYNAMODB", "WAFV2"):
        monkeypatch.delenv(f"AWS_ENDPOINT_URL_{service}", raising=False)
    monkeypatch.setattr(caller.CALLER, "policy_file", "")  # each command names its own
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-2")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", WRONG_HERE)
def test_a_wrong_setting_of_awss_is_one_line_that_names_it_and_exit_code_3(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str, name: str
) -> None:
    value = WRONG_HERE[name]
    if name == "AWS_CONFIG_FILE":
        file = tmp_path / "aws"
        file.write_text(value)
        value = str(file)
    if name in OF_THE_METADATA_SERVICE:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv(name, value)
    called, arguments = COMMANDS[command]

    result = CliRunner().invoke(called, arguments)

    assert result.exit_code == 3, result.output
    (line,) = result.output.splitlines()
    assert line.startswith(command.split(maxsplit=1)[0] + ": ")
    assert line.endswith(f"; check {name}")


MFA = "role_arn = arn:aws:iam::123456789012:role/f2b\nmfa_serial = arn:aws:iam::123456789012:mfa/me\n"


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("named", "profiles"),
    [
        ("ours", f"[profile ours]\n{MFA}source_profile = base\n"),
        ("ours", f"[profile ours]\n{MFA}source_profile = ours\n"),
        ("base", f"[profile ours]\nrole_arn = arn\nsource_profile = base\n[profile base]\n{MFA}"),
    ],
)
def test_a_profile_that_asks_for_a_code_is_one_line_that_names_its_setting_and_exit_code_3(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str, named: str, profiles: str
) -> None:
    file = tmp_path / "aws"
    file.write_text(profiles)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    monkeypatch.setenv("AWS_PROFILE", "ours")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    called, arguments = COMMANDS[command]

    result = CliRunner().invoke(called, arguments)

    assert result.exit_code == 3, result.output
    (line,) = result.output.splitlines()
    assert f": mfa_serial of the profile {named} asks for a code" in line
    assert line.endswith("; check AWS_PROFILE")
