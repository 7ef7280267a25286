"""Commands that run in this process, on the local AWS."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
import structlog

from f2b_worker.adapters.provisioning import waf as provision_waf
from f2b_worker.adapters.waf import listing as waf_listing
from tests.environment import forget_settings
from tests.integration.provisioning import Cloud

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import boto3

    from localstack.local_aws import LocalAws


@pytest.fixture
def cloud(
    aws_in_process: LocalAws,
    account: str,
    quick_sessions: Callable[[], boto3.Session],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Cloud]:
    monkeypatch.setattr(provision_waf, "WRITE_EVERY_S", 0.0)
    monkeypatch.setattr(waf_listing, "READS_PER_S", 1000.0)
    forget_settings(monkeypatch)
    aws_in_process.edge.set_waf_rate(None)
    aws_in_process.edge.set_waf_read_rate(None)
    aws_in_process.edge.reset_calls()
    with contextlib.ExitStack() as stack:
        sqs = stack.enter_context(contextlib.closing(quick_sessions().client("sqs")))
        dynamodb = stack.enter_context(contextlib.closing(quick_sessions().client("dynamodb")))
        waf = stack.enter_context(contextlib.closing(quick_sessions().client("wafv2")))
        yield Cloud(aws_in_process, account, sqs, dynamodb, waf)
    aws_in_process.edge.set_waf_rate(1.0)
    aws_in_process.edge.set_waf_read_rate(5.0)
    structlog.reset_defaults()  # a command sends its log lines to where the runner caught them
