"""What a ledger promises to whoever asks about one address: in memory, in DynamoDB and in a state file alike."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from f2b_worker.adapters.dynamodb.items import state_key
from f2b_worker.adapters.sqlite.ledger import SqliteLedger
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.verdicts import Ban, Offender, OffenderId
from f2b_worker.errors import Retryable, Unreadable
from f2b_worker.ports import Ledger, StandingBan
from tests.contract.ledgers import KEPT_MS, WHO, Book, ban, hits, remembered

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.adapters.dynamodb.ledger import DynamoLedger
    from f2b_worker.adapters.sqlite.state import StateFile
    from f2b_worker.testing import FakeClock
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


def test_the_last_bans_of_many_are_read_with_the_infractions_that_they_are_backed_by(ledger: Book) -> None:
    whom = [OffenderId("login", f"198.51.{number // 250}.{number % 250}/32") for number in range(205)]
    seen = ledger.record({who: hits(1, 2, 3) for who in whom})
    ledger.commit({who: Decision(remembered(seen[who]), ban(3, evidence=hits(1, 2, 3))) for who in whom})
    found = ledger.last_bans(whom)
    assert list(found) == whom
    assert set(found.values()) == {ban(3, evidence=hits(1, 2, 3))}


def test_of_several_bans_the_last_one_is_read_with_its_own_infractions(ledger: Book) -> None:
    store(ledger, WHO, ban(-90_000, evidence=hits(-90_000)), ban(5, 2, evidence=hits(4, 5)))
    assert ledger.last_bans([WHO]) == {WHO: ban(5, 2, evidence=hits(4, 5))}


def test_a_ban_that_lasts_longer_keeps_its_infractions(ledger: Book) -> None:
    seen = remembered(ledger.record({WHO: hits(1, 2, 3)})[WHO])
    first = ban(3, evidence=hits(1, 2, 3))
    seen = remembered(ledger.commit({WHO: Decision(seen, first)})[WHO])
    longer = replace(first, until_ms=first.until_ms + 60_000, extended=1, evidence=())
    ledger.commit({WHO: Decision(seen, longer)})
    assert ledger.last_bans([WHO]) == {WHO: replace(longer, evidence=hits(1, 2, 3))}


def test_who_was_never_banned_has_no_last_ban(ledger: Book) -> None:
    ledger.record({WHO: hits(1)})
    assert ledger.last_bans([WHO, OffenderId("ssh", KEY)]) == {}
    assert ledger.last_bans([]) == {}


class TestSqlite:
    @pytest.mark.parametrize(("table", "column"), [("offenders", "ban"), ("history", "evidence")])
    def test_a_last_ban_that_cannot_be_read_costs_no_other(
        self, state: StateFile, clock: FakeClock, table: str, column: str
    ) -> None:
        ledger = SqliteLedger(state, clock, kept_ms=KEPT_MS)
        other = OffenderId("login", "203.0.113.70/32")
        for who in (WHO, other):
            store(ledger, who, ban(3, evidence=hits(1, 2, 3)))
        broken = f"UPDATE {table} SET {column} = '[oops' WHERE key = ?"
        state.writer.do("breaking", lambda connection: connection.execute(broken, (WHO.key,)))
        found = ledger.last_bans([WHO, other])
        assert isinstance(found[WHO], Unreadable)
        assert found[other] == ban(3, evidence=hits(1, 2, 3))


class TestDynamoDb:
    @pytest.mark.parametrize("attribute", ["ban", "evidence"])
    def test_a_last_ban_that_cannot_be_read_costs_no_other(
        self, dynamo: DynamoLedger, dynamodb: DynamoDBClient, attribute: str
    ) -> None:
        other = OffenderId("login", "203.0.113.70/32")
        for who in (WHO, other):
            store(dynamo, who, ban(3, evidence=hits(1, 2, 3)))
        dynamodb.update_item(
            TableName="f2b",
            Key=state_key(WHO),
            UpdateExpression="SET #name = :oops",
            ExpressionAttributeNames={"#name": attribute},
            ExpressionAttributeValues={":oops": {"S": "oops"}},
        )
        found = dynamo.last_bans([WHO, other])
        assert isinstance(found[WHO], Unreadable)
        assert found[other] == ban(3, evidence=hits(1, 2, 3))

    def test_every_answer_is_strongly_consistent(self, dynamo: DynamoLedger, dynamodb: DynamoDBClient) -> None:
        asked: list[dict[str, Any]] = []
        for operation in ("Query", "GetItem", "BatchGetItem"):
            dynamodb.meta.events.register(
                f"provide-client-params.dynamodb.{operation}", lambda params, **_: asked.append(params)
            )
        dynamo.offender(WHO)
        dynamo.standing_of(KEY)
        dynamo.last_bans([WHO])
        assert [params.get("ConsistentRead") for params in asked[:2]] == [True, True]
        assert [params["RequestItems"]["f2b"]["ConsistentRead"] for params in asked[2:]] == [True]

    def test_an_outage_leaves_as_an_error_of_ours(self, dynamo: DynamoLedger, aws_in_process: LocalAws) -> None:
        aws_in_process.edge.fault("dynamodb:*", "throttle")
        with pytest.raises(Retryable, match=f"{KEY} in login"):
            dynamo.offender(WHO)
        with pytest.raises(Retryable):
            dynamo.standing_of(KEY)
        assert isinstance(dynamo.last_bans([WHO])[WHO], Retryable)
