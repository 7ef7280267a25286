"""What `make run` prints to be copied is enough for the commands that it prints beside it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import boto3

from demo.run import EXPORTED

if TYPE_CHECKING:
    import pytest


def test_the_printed_environment_names_a_region_that_boto3_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    for name in EXPORTED:
        monkeypatch.setenv(name, "eu-west-1")

    assert boto3.session.Session().region_name == "eu-west-1"
