"""What every ledger promises to a judge who bans a stranger at sight, in one write."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from f2b_worker.adapters.dynamodb.many import MANY
from f2b_worker.domain.judge.verdicts import Hit, Offender, OffenderId
from f2b_worker.errors import Unavailable
from tests.contract.ledgers import Book, ban, commit, hit, hits, plain, prolonged, record, remembered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from f2b_worker.adapters.dynamodb.ledger import DynamoLedger
    from f2b_worker.testing import FakeClock
    from localstack.local_aws import LocalAws

CROWD = [OffenderId("login", f"198.51.100.{number}/32") for number in range(60)]
ONE = CROWD[:1]
BAN = ban(3, evidence=hits(1, 2, 3))
BANNED = Offender(ban=plain(BAN), revision=1)
LONGER = prolonged(plain(BAN), hit(4))

each_number = pytest.mark.parametrize("crowd", [ONE, CROWD], ids=["one", "many"])


@each_number
def test_strangers_are_banned_with_all_that_a_ban_has(
    ledger: Book, colleague: Book, clock: FakeClock, crowd: Sequence[OffenderId]
) -> None:
    follower = colleague.follow()
    follower.poll()
    assert ledger.ban_strangers(dict.fromkeys(crowd, BAN)) == dict.fromkeys(crowd, BANNED)
    assert ledger.publish(dict.fromkeys(crowd, BANNED)) == {}
    clock.advance(1)
    assert {each.who: each.ban for each in follower.poll().bans} == dict.fromkeys(crowd, plain(BAN))
    assert [colleague.history(who) for who in crowd] == [[BAN]] * len(crowd)
    assert [colleague.offender(who) for who in crowd] == [BANNED] * len(crowd)


@each_number
def test_who_was_reported_before_is_left_out_and_stays_as_he_is(
    ledger: Book, colleague: Book, crowd: Sequence[OffenderId]
) -> None:
    known = crowd[:30]
    for who in known:
        record(colleague, hit(0), who=who)
    answers = ledger.ban_strangers(dict.fromkeys(crowd, BAN))
    assert answers == dict.fromkeys(crowd[30:], BANNED)
    assert {ledger.offender(who) for who in known} == {Offender(frozenset(hits(0)))}


@each_number
def test_who_was_banned_before_is_left_out_and_stays_banned_as_he_is(
    ledger: Book, colleague: Book, crowd: Sequence[OffenderId]
) -> None:
    for who in crowd:
        commit(colleague, record(colleague, hit(0), who=who), ban(0), who=who)
    assert ledger.ban_strangers(dict.fromkeys(crowd, BAN)) == {}
    assert {each.ban for each in ledger.standing()} == {ban(0)}


@each_number
def test_whom_this_very_ledger_banned_is_no_stranger(ledger: Book, crowd: Sequence[OffenderId]) -> None:
    ledger.ban_strangers(dict.fromkeys(crowd, BAN))
    assert ledger.ban_strangers(dict.fromkeys(crowd, ban(9))) == {}
    assert {ledger.offender(who) for who in crowd} == {BANNED}


@each_number
def test_what_comes_next_finds_the_ban(ledger: Book, crowd: Sequence[OffenderId]) -> None:
    ledger.ban_strangers(dict.fromkeys(crowd, BAN))
    answers = ledger.record(dict.fromkeys(crowd, hits(4)))
    assert {remembered(answer) for answer in answers.values()} == {Offender(frozenset(hits(4)), plain(BAN), 1)}
    assert commit(ledger, remembered(answers[crowd[0]]), LONGER, who=crowd[0]).ban == LONGER


class TestDynamoDb:
    def test_one_costs_one_write(self, dynamo: DynamoLedger, aws_in_process: LocalAws) -> None:
        aws_in_process.edge.reset_calls()
        dynamo.ban_strangers(dict.fromkeys(ONE, BAN))
        assert calls(aws_in_process) == {"PutItem": 1}

    def test_many_cost_one_call_for_each_twenty_five(self, dynamo: DynamoLedger, aws_in_process: LocalAws) -> None:
        aws_in_process.edge.reset_calls()
        dynamo.ban_strangers(dict.fromkeys(CROWD, BAN))
        assert calls(aws_in_process) == {"BatchExecuteStatement": 3}

    @each_number
    def test_whom_this_worker_has_recorded_costs_no_refused_write(
        self, dynamo: DynamoLedger, aws_in_process: LocalAws, crowd: Sequence[OffenderId]
    ) -> None:
        dynamo.record(dict.fromkeys(crowd, hits(0)))
        aws_in_process.edge.reset_calls()
        assert dynamo.ban_strangers(dict.fromkeys(crowd, BAN)) == {}
        assert calls(aws_in_process) == {}

    @each_number
    def test_a_ban_whose_answer_is_lost_is_found_by_who_judges_again(
        self, dynamo: DynamoLedger, aws_in_process: LocalAws, crowd: Sequence[OffenderId]
    ) -> None:
        call = "PutItem" if len(crowd) < MANY else "BatchExecuteStatement"
        aws_in_process.edge.fault(f"dynamodb:{call}", "reset_after")
        answers = dynamo.ban_strangers(dict.fromkeys(crowd, BAN))
        assert {type(answer) for answer in answers.values()} == {Unavailable}
        aws_in_process.edge.clear_faults()
        assert dynamo.ban_strangers(dict.fromkeys(crowd, BAN)) == {}
        assert {dynamo.offender(who) for who in crowd} == {BANNED}

    def test_a_ban_that_the_table_refuses_for_itself_costs_the_others_nothing(self, dynamo: DynamoLedger) -> None:
        endless = ban(1, evidence=[Hit(1, f"{number:090d}") for number in range(5_000)])  # an item has 400 KB
        answers = dynamo.ban_strangers({who: endless if who == CROWD[0] else BAN for who in CROWD})
        assert answers == dict.fromkeys(CROWD[1:], BANNED)


def calls(aws: LocalAws) -> dict[str, int]:
    return {name.removeprefix("dynamodb:"): number for name, number in aws.edge.calls().items() if number}
