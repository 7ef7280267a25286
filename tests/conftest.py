"""What more than one folder of tests needs: the local AWS, and the oracle's folder.

A fixture imports what only it needs, so that a test without AWS starts in half a second.
"""

from __future__ import annotations

import gc
import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from demo.debian import NotInstalledError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    import boto3

    from localstack.local_aws import LocalAws

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


def pytest_collection_finish() -> None:
    """Look for garbage seldom, and never in what was imported."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 50)


@pytest.fixture(scope="module", autouse=True)
def _garbage_of_this_module() -> Iterator[None]:
    """Have what a module's tests left open, in a circle of objects, told as theirs."""
    yield
    gc.collect()


def skip_or_fail(reason: str) -> NoReturn:
    """Skip on a laptop, fail in CI: there, what is missing is a defect."""
    if IN_CI:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None, None, None]:
    """Skip a test, or fail it in CI, where its fixtures need a program that is not here."""
    try:
        yield
    except NotInstalledError as error:
        skip_or_fail(str(error))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, None, None]:
    """Skip a test, or fail it in CI, where it needs a program that is not here itself."""
    try:
        yield
    except NotInstalledError as error:
        skip_or_fail(str(error))


@pytest.fixture(scope="session")
def local_aws() -> Iterator[LocalAws]:
    """SQS, DynamoDB and WAF as processes on loopback; SQS is LocalStack's own with F2B_TEST_SQS=localstack."""
    from localstack.local_aws import LocalAwsError
    from tests.aws import started

    try:
        with started(on_localstack=ON_LOCALSTACK) as aws:
            yield aws
    except LocalAwsError as error:
        skip_or_fail(f"the local AWS does not start: {error}")


@pytest.fixture
def account() -> str:
    """An AWS account of this test's own: emulators keep the state of 12-digit access keys apart."""
    return str(next(_ACCOUNTS))


@pytest.fixture
def aws_in_process(local_aws: LocalAws, account: str, monkeypatch: pytest.MonkeyPatch) -> LocalAws:
    """Point boto3 in this process at the local AWS, in an account of this test's own."""
    from tests.aws import point_this_process_at

    point_this_process_at(local_aws, account, monkeypatch)
    return local_aws


@pytest.fixture(scope="session")
def sessions() -> Callable[[], boto3.Session]:
    """Makes sessions of what is read once for all commands that run in this process."""
    from tests.aws import QuickSessions

    return QuickSessions()


@pytest.fixture
def quick_sessions(
    sessions: Callable[[], boto3.Session], monkeypatch: pytest.MonkeyPatch
) -> Callable[[], boto3.Session]:
    """Let whatever makes AWS clients in this process make them of models that were read before."""
    from f2b_worker.adapters import aws

    monkeypatch.setattr(aws, "_session", sessions)
    return sessions


@pytest.fixture(scope="session")
def oracle() -> Path:
    """The folder with real attacks and the verdicts they deserve."""
    folder = Path(os.environ.get("F2B_TEST_ORACLE", ROOT.parent / "shared" / "oracle"))
    if os.environ.get("F2B_TEST_NO_ORACLE"):
        pytest.skip("no oracle: .ci/run has said so")
    if not folder.is_dir():
        skip_or_fail(f"no oracle at {folder}; set F2B_TEST_ORACLE")
    return folder
