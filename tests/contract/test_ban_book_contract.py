"""What a ledger promises to whoever asks about one address: in memory, in DynamoDB and in a state file alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.verdicts import Ban, Offender, OffenderId
from f2b_worker.errors import Retryable
from f2b_worker.ports import Ledger, StandingBan
from tests.contract.ledgers import WHO, Book, ban, hits, remembered

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.adapters.dynamodb.ledger import DynamoLedger
    from localstack.local_aws import LocalAws

KEY = "203.0.113.7/32"


def store(ledger: Ledger, who: OffenderId, *bans: Ban) -> None:
    seen = Offender()
    for each in bans:
        seen = remembered(ledger.commit({who: Decision(seen, each)})[who])


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
    committed = ledger.commit({WHO: Decision(seen, ban(3))})[WHO]
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
