"""The local AWS for tests of any folder; conftest imports it where a test asks: boto3 alone costs time."""

from __future__ import annotations

from contextlib import contextmanager
from copy import copy
from typing import TYPE_CHECKING

import boto3
from botocore.hooks import HierarchicalEmitter
from botocore.session import Session

from localstack.local_aws import INTERFERING_VARIABLES, LocalAws
from localstack.localstack_sqs import LocalStackSqs
from localstack.rate_limits import READS_PER_S, WRITES_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest


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
    aws.edge.set_waf_rate(WRITES_PER_S)


@contextmanager
def without_waf_read_quota(aws: LocalAws) -> Iterator[None]:
    """Let a test look at WAF as often as it likes; whoever writes keeps to WAF's pace."""
    aws.edge.set_waf_read_rate(None)
    try:
        yield
    finally:
        aws.edge.set_waf_read_rate(READS_PER_S)


@contextmanager
def without_waf_quotas(aws: LocalAws) -> Iterator[None]:
    """Make and read things of WAF without its pauses: they are no matter of the test."""
    with without_waf_read_quota(aws):
        aws.edge.set_waf_rate(None)
        try:
            yield
        finally:
            aws.edge.set_waf_rate(WRITES_PER_S)


class QuickSessions:
    """Makes sessions that share what none of them changes: the services' models, and botocore's own handlers.

    Without that, a command that runs in the process of the tests takes most of its time to read and register them.
    """

    def __init__(self) -> None:
        self._handlers = HierarchicalEmitter()
        self._models = Session(event_hooks=self._handlers).get_component("data_loader")

    def __call__(self) -> boto3.Session:
        made = Session(event_hooks=copy(self._handlers), include_builtin_handlers=False)
        made.register_component("data_loader", self._models)
        return boto3.Session(botocore_session=made)
