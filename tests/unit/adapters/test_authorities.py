"""Which file of certificate authorities is used, and what is said of one that cannot be."""

from __future__ import annotations

import shutil
from pathlib import Path

import boto3
import botocore
import pytest

from f2b_worker.adapters.aws import sqs_client
from f2b_worker.adapters.aws_settings import _read_authorities, authorities_of
from f2b_worker.errors import Misconfigured

VARIABLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-2")


def refusal() -> str:
    with pytest.raises(Misconfigured) as caught:
        sqs_client("f2b", connections=1)
    return str(caught.value)


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_folder_of_authorities_is_refused_since_the_sdk_takes_one_file(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(tmp_path))
    assert refusal() == (
        f"SQS client: the CA bundle {tmp_path} cannot be used: Is a directory; name one file with all of the "
        f"certificates; check {variable}"
    )


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_file_that_is_not_there_or_holds_no_certificate_is_refused(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "authorities.pem"
    if content is not None:
        bundle.write_text(content)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    line = refusal()
    assert line.startswith(f"SQS client: the CA bundle {bundle} cannot be used: ")
    assert line.endswith("; check AWS_CA_BUNDLE")


def test_a_file_that_was_read_is_read_again_once_it_changed_and_not_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "authorities.pem"
    shutil.copy(Path(botocore.__file__).with_name("cacert.pem"), bundle)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    before = _read_authorities.cache_info().misses
    for _ in range(2):
        sqs_client("f2b", connections=1).close()
    assert _read_authorities.cache_info().misses == before + 1
    bundle.write_text("no certificate")
    assert f"the CA bundle {bundle} cannot be used" in refusal()


def test_aws_own_variable_counts_before_that_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    assert authorities_of(boto3.session.Session()) is None
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/theirs")
    assert authorities_of(boto3.session.Session()) == "/theirs"
    monkeypatch.setenv("AWS_CA_BUNDLE", "/ours")
    assert authorities_of(boto3.session.Session()) == "/ours"
