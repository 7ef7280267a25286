"""What the contract tests run over: twins in memory, a state file, and AWS in an account of each test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config

from f2b_worker.adapters.dynamodb.ban_log.items import BanLogItems
from f2b_worker.adapters.dynamodb.ledger import DynamoLedger
from f2b_worker.adapters.provisioning import fleet as provision
from f2b_worker.adapters.sqlite.ledger import SqliteLedger
from f2b_worker.adapters.sqlite.state import StateFile
from f2b_worker.testing import FakeClock, MemoryLedger
from tests.contract.ledgers import (
    KEPT_MS,
    TABLE,
    Book,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_wafv2 import WAFV2Client

    from localstack.local_aws import LocalAws


def pytest_configure(config: pytest.Config) -> None:
    """Load schemathesis's plugin for these tests only: it is half a second of whatever else is tested."""
    config.pluginmanager.import_plugin("schemathesis.pytest.plugin")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="module")
def session() -> boto3.Session:
    """Reads the service's model once for all clients of these tests."""
    return boto3.Session("000000000001", "local", region_name="us-east-1")


@pytest.fixture
def connect(
    aws_in_process: LocalAws, session: boto3.Session, account: str
) -> Iterator[Callable[[int], DynamoDBClient]]:
    """Make clients of this test's account; the number says how often each tries."""
    made: list[DynamoDBClient] = []

    def client(attempts: int) -> DynamoDBClient:
        made.append(
            session.client(
                "dynamodb",
                endpoint_url=aws_in_process.endpoint_url,
                aws_access_key_id=account,
                aws_secret_access_key="local",
                config=Config(retries={"mode": "standard", "total_max_attempts": attempts}, read_timeout=30),
            )
        )
        return made[-1]

    yield client
    for each in made:
        each.close()


@pytest.fixture
def dynamodb(connect: Callable[[int], DynamoDBClient]) -> DynamoDBClient:
    """A client that tries once, with a fresh table."""
    client = connect(1)
    provision._make_table(client, TABLE)
    return client


@pytest.fixture
def open_ledger(dynamodb: DynamoDBClient) -> Iterator[Callable[..., DynamoLedger]]:
    """Open further workers' views of the table."""
    opened: list[DynamoLedger] = []

    BanLogItems(dynamodb, TABLE, FakeClock()).begin("e1")

    def ledger(clock: FakeClock, client: DynamoDBClient = dynamodb) -> DynamoLedger:
        opened.append(DynamoLedger(client, TABLE, clock, kept_ms=KEPT_MS))
        return opened[-1]

    yield ledger
    for each in opened:
        each.close()


@pytest.fixture
def dynamo(open_ledger: Callable[..., DynamoLedger], clock: FakeClock) -> DynamoLedger:
    return open_ledger(clock)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateFile]:
    """A new state file."""
    opened = StateFile(tmp_path / "f2b.db")
    yield opened
    opened.close()


@pytest.fixture(params=["memory", "dynamodb", "sqlite"])
def ledger(request: pytest.FixtureRequest, clock: FakeClock) -> Book:
    if request.param == "memory":
        return MemoryLedger()
    if request.param == "sqlite":
        return SqliteLedger(request.getfixturevalue("state"), clock, kept_ms=KEPT_MS)
    opened: DynamoLedger = request.getfixturevalue("dynamo")
    return opened


@pytest.fixture
def colleague(request: pytest.FixtureRequest, ledger: Book, clock: FakeClock) -> Book:
    """The same ledger, as another worker sees it."""
    if isinstance(ledger, MemoryLedger):
        return ledger
    if isinstance(ledger, SqliteLedger):
        return SqliteLedger(request.getfixturevalue("state"), clock, kept_ms=KEPT_MS)
    opened: DynamoLedger = request.getfixturevalue("open_ledger")(clock)
    return opened


@pytest.fixture
def waf(aws_in_process: LocalAws, session: boto3.Session, account: str) -> Iterator[WAFV2Client]:
    """A client that tries once; WAF has no quotas, since pacing is the enforcer's."""
    client = session.client(
        "wafv2",
        endpoint_url=aws_in_process.endpoint_url,
        aws_access_key_id=account,
        aws_secret_access_key="local",
        config=Config(retries={"total_max_attempts": 1}, read_timeout=30),
    )
    aws_in_process.edge.set_waf_rate(None)
    aws_in_process.edge.set_waf_read_rate(None)
    yield client
    aws_in_process.edge.set_waf_rate(1.0)
    aws_in_process.edge.set_waf_read_rate(5.0)
    client.close()
