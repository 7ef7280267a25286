"""What more than one folder of tests needs: the local AWS, and the oracle's folder."""

from __future__ import annotations

import itertools
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import boto3
import pytest
from botocore.session import Session

from f2b_worker.adapters import aws
from localstack.local_aws import INTERFERING_VARIABLES, LocalAws, LocalAwsError
from localstack.localstack_sqs import LocalStackSqs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from botocore.loaders import Loader

ROOT = Path(__file__).resolve().parent.parent
IN_CI = bool(os.environ.get("CI"))
_ACCOUNTS = itertools.count(100_000_000_000)


ON_LOCALSTACK = os.environ.get("F2B_TEST_SQS") == "localstack"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what tests LocalStack itself where it is not what this run is about."""
    if ON_LOCALSTACK:
        return
    left_out = [item for item in items if item.get_closest_marker("localstack_only")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def skip_or_fail(reason: str) -> NoReturn:
    """Skip on a laptop, fail in CI: there, what is missing is a defect."""
    if IN_CI:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def local_aws() -> Iterator[LocalAws]:
    """SQS, DynamoDB and WAF as processes on loopback; SQS is LocalStack's own with F2B_TEST_SQS=localstack."""
    try:
        with _localstack_url() as sqs_url, LocalAws(sqs_upstream=sqs_url) as aws:
            yield aws
    except LocalAwsError as error:
        skip_or_fail(f"the local AWS does not start: {error}")


@contextmanager
def _localstack_url() -> Iterator[str | None]:
    if not ON_LOCALSTACK:
        yield None
        return
    with LocalStackSqs() as localstack:
        yield localstack.endpoint_url


@pytest.fixture
def account() -> str:
    """An AWS account of this test's own: emulators keep the state of 12-digit access keys apart."""
    return str(next(_ACCOUNTS))


@pytest.fixture
def aws_in_process(local_aws: LocalAws, account: str, monkeypatch: pytest.MonkeyPatch) -> LocalAws:
    """Point boto3 in this process at the local AWS, in an account of this test's own."""
    for name in INTERFERING_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in local_aws.environment(account).items():
        monkeypatch.setenv(name, value)
    local_aws.edge.clear_faults()
    local_aws.edge.deliver()
    local_aws.edge.set_waf_rate(1.0)
    return local_aws


@pytest.fixture(scope="session")
def models() -> Loader:
    """Reads the services' models once for all commands that run in this process: that is most of their time."""
    return Session().get_component("data_loader")  # type: ignore[no-any-return]


@pytest.fixture
def quick_sessions(models: Loader, monkeypatch: pytest.MonkeyPatch) -> Callable[[], boto3.Session]:
    """Let whatever makes AWS clients in this process make them of models that were read before."""

    def session() -> boto3.Session:
        made = Session()
        made.register_component("data_loader", models)
        return boto3.Session(botocore_session=made)

    monkeypatch.setattr(aws, "_session", session)
    return session


@pytest.fixture(scope="session")
def oracle() -> Path:
    """The folder with real attacks and the verdicts they deserve."""
    folder = Path(os.environ.get("F2B_TEST_ORACLE", ROOT.parent / "shared" / "oracle"))
    if not folder.is_dir():
        skip_or_fail(f"no oracle at {folder}; set F2B_TEST_ORACLE")
    return folder
