"""What a ledger promises to whoever asks about one address: in memory and in DynamoDB alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pytest

from f2b_worker.adapters import provision
from f2b_worker.adapters.dynamodb import DynamoLedger
from f2b_worker.domain.jails import DAY_MS, MINUTE_MS
from f2b_worker.domain.verdicts import Ban, Hit, Offender, OffenderId
from f2b_worker.errors import Retryable
from f2b_worker.ports import BanBook, Ledger, Sentence, StandingBan
from f2b_worker.testing import FakeClock, MemoryLedger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

    from localstack.local_aws import LocalAws

NOW_MS = FakeClock().now_ms()
TABLE = "f2b"
KEY = "203.0.113.7/32"
WHO = OffenderId("login", KEY)


class Book(Ledger, BanBook, Protocol):
    """Both ports of a ledger."""


@pytest.fixture
def dynamodb(aws_in_process: LocalAws, account: str) -> Iterator[DynamoDBClient]:
    """A client with a fresh table in this test's account."""
    client: DynamoDBClient = aws_in_process.client("dynamodb", account=account)
    provision._make_table(client, TABLE)
    yield client
    client.close()


@pytest.fixture
def dynamo(dynamodb: DynamoDBClient) -> Iterator[DynamoLedger]:
    ledger = DynamoLedger(dynamodb, TABLE, FakeClock(), kept_ms=2 * DAY_MS)
    yield ledger
    ledger.close()


@pytest.fixture(params=["memory", "dynamodb"])
def ledger(request: pytest.FixtureRequest) -> Book:
    if request.param == "memory":
        return MemoryLedger()
    opened: DynamoLedger = request.getfixturevalue("dynamo")
    return opened


def hits(*seconds: int) -> tuple[Hit, ...]:
    return tuple(Hit(NOW_MS + second * 1000, f"id-{second}") for second in seconds)


def ban(start_s: int, count: int = 1) -> Ban:
    start_ms = NOW_MS + start_s * 1000
    return Ban(start_ms, start_ms + 10 * MINUTE_MS, count, 10 * MINUTE_MS)


def store(ledger: Ledger, who: OffenderId, *bans: Ban) -> None:
    assert isinstance(ledger.commit({who: Sentence(Offender(), bans)})[who], Offender)


def test_a_stranger_is_an_offender_without_a_past(ledger: Book) -> None:
    assert ledger.offender(WHO) == Offender()
    assert ledger.standing_of(KEY) == []
    assert ledger.offender(WHO) == Offender()  # asking leaves no trace


def test_an_offender_is_read_as_it_was_recorded(ledger: Book) -> None:
    recorded = ledger.record({WHO: hits(1, 2)})[WHO]
    assert ledger.offender(WHO) == recorded == Offender(frozenset(hits(1, 2)))


def test_an_offender_is_read_as_its_ban_left_it(ledger: Book) -> None:
    seen = ledger.record({WHO: hits(1, 2, 3)})[WHO]
    assert isinstance(seen, Offender)
    committed = ledger.commit({WHO: Sentence(seen, (ban(3),))})[WHO]
    ledger.record({WHO: hits(5000)})
    assert ledger.offender(WHO) == Offender(frozenset(hits(5000)), ban(3), revision=1)
    assert committed == Offender(frozenset(), ban(3), revision=1)


def test_reading_one_offender_shows_nothing_of_others(ledger: Book) -> None:
    ledger.record({OffenderId("ssh", KEY): hits(1), OffenderId("login", "203.0.113.70/32"): hits(2)})
    assert ledger.offender(WHO) == Offender()


def test_the_bans_of_one_address_are_found_in_every_jail_ended_or_not(ledger: Book) -> None:
    for jail, start_s in (("login", 0), ("ssh", -90_000), ("nobody.configured-it", 5)):
        store(ledger, OffenderId(jail, KEY), ban(start_s))
    found = ledger.standing_of(KEY)
    assert sorted(each.who.jail for each in found) == ["login", "nobody.configured-it", "ssh"]
    assert StandingBan(OffenderId("ssh", KEY), ban(-90_000)) in found


def test_only_the_last_ban_of_a_jail_stands(ledger: Book) -> None:
    store(ledger, WHO, ban(-90_000), ban(0, 2))
    assert ledger.standing_of(KEY) == [StandingBan(WHO, ban(0, 2))]


@pytest.mark.parametrize("other", ["203.0.113.0/24", "203.0.113.70/32", "3.0.113.7/32", "2001:db8::/64"])
def test_the_bans_of_other_addresses_are_not_among_them(ledger: Book, other: str) -> None:
    store(ledger, OffenderId("login", other), ban(0))
    assert ledger.standing_of(KEY) == []
    assert [each.who.key for each in ledger.standing_of(other)] == [other]


class TestDynamoDb:
    def test_every_answer_is_strongly_consistent(self, dynamo: DynamoLedger, dynamodb: DynamoDBClient) -> None:
        asked: list[dict[str, Any]] = []
        for operation in ("Query", "GetItem"):
            dynamodb.meta.events.register(
                f"provide-client-params.dynamodb.{operation}", lambda params, **_: asked.append(params)
            )
        dynamo.offender(WHO)
        dynamo.standing_of(KEY)
        assert [params.get("ConsistentRead") for params in asked] == [True, True]

    def test_an_outage_leaves_as_an_error_of_ours(self, dynamo: DynamoLedger, aws_in_process: LocalAws) -> None:
        aws_in_process.edge.fault("dynamodb:*", "throttle")
        with pytest.raises(Retryable, match=f"{KEY} in login"):
            dynamo.offender(WHO)
        with pytest.raises(Retryable):
            dynamo.standing_of(KEY)
