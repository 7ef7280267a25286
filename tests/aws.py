"""The local AWS for tests of any folder; conftest imports it where a test asks: boto3 alone costs time."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import boto3
from botocore.session import Session

from localstack.local_aws import INTERFERING_VARIABLES, LocalAws
from localstack.localstack_sqs import LocalStackSqs

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest
    from botocore.loaders import Loader


@contextmanager
def started(*, on_localstack: bool) -> Iterator[LocalAws]:
    """Start it; SQS is LocalStack's own if wanted."""
    with _localstack_url(on_localstack=on_localstack) as sqs_url, LocalAws(sqs_upstream=sqs_url) as aws:
        yield aws


@contextmanager
def _localstack_url(*, on_localstack: bool) -> Iterator[str | None]:
    if not on_localstack:
        yield None
        return
    with LocalStackSqs() as localstack:
        yield localstack.endpoint_url


def point_this_process_at(aws: LocalAws, account: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let boto3 here find the local AWS, as it is before anybody has disturbed it."""
    for name in INTERFERING_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in aws.environment(account).items():
        monkeypatch.setenv(name, value)
    aws.edge.clear_faults()
    aws.edge.deliver()
    aws.edge.hide_new()
    aws.edge.set_waf_rate(1.0)


def loader_of_models() -> Loader:
    """Make what reads the services' models."""
    return Session().get_component("data_loader")  # type: ignore[no-any-return]


def session_with(models: Loader) -> boto3.Session:
    """Make a session that has read its models before."""
    made = Session()
    made.register_component("data_loader", models)
    return boto3.Session(botocore_session=made)
