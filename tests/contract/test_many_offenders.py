"""What a ledger promises when it is told of many offenders at once: the same as of each alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from f2b_worker.adapters.dynamodb.items import state_key
from f2b_worker.domain.jails import MINUTE_MS
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.verdicts import Hit, Offender, OffenderId
from f2b_worker.errors import Invalid
from tests.contract.ledgers import TABLE, Book, ban, commit, commit_all, hit, hits, plain, prolonged, remembered

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient

    from f2b_worker.adapters.dynamodb.ledger import DynamoLedger
    from f2b_worker.testing import FakeClock
    from localstack.local_aws import LocalAws

CROWD = [OffenderId("login", f"198.51.100.{number}/32") for number in range(60)]  # three batches
FIRST = CROWD[0]


def record_all(ledger: Book, *new: Hit, crowd: Sequence[OffenderId] = CROWD) -> dict[OffenderId, Offender]:
    answers = ledger.record(dict.fromkeys(crowd, new))
    assert list(answers) == list(crowd)
    return {who: remembered(answer) for who, answer in answers.items()}


def ban_all(ledger: Book) -> dict[OffenderId, Offender]:
    seen = record_all(ledger, *hits(0, 1))
    answers = ledger.commit({who: Decision(each, ban(1, evidence=hits(0, 1))) for who, each in seen.items()})
    return {who: remembered(answer) for who, answer in answers.items()}


def longer(seen: dict[OffenderId, Offender]) -> dict[OffenderId, Decision]:
    """Extend everybody's ban by an infraction in its tenth second."""
    decisions = {}
    for who, each in seen.items():
        assert each.ban
        decisions[who] = Decision(each, replace(prolonged(each.ban, hit(10)), evidence=()))
    return decisions


def unanimous(answers: dict[OffenderId, Any]) -> Any:
    """The one answer that everybody got."""
    (answer,) = set(answers.values())
    return answer


class TestRecording:
    def test_many_strangers_are_remembered(self, ledger: Book, colleague: Book) -> None:
        record_all(ledger, hit(1), hit(2))
        assert unanimous({who: colleague.offender(who) for who in CROWD}) == Offender(frozenset(hits(1, 2)))

    def test_each_answer_is_all_that_is_remembered(self, ledger: Book) -> None:
        record_all(ledger, hit(1))
        assert unanimous(record_all(ledger, hit(2))).hits == frozenset(hits(1, 2))

    def test_the_same_hits_again_change_nothing(self, ledger: Book) -> None:
        record_all(ledger, hit(1))
        assert unanimous(record_all(ledger, hit(1))).hits == frozenset(hits(1))

    def test_hits_that_a_colleague_recorded_meanwhile_are_in_the_answer(
        self, ledger: Book, colleague: Book
    ) -> None:
        record_all(ledger, hit(1))
        record_all(colleague, hit(2))
        record_all(ledger, hit(3))
        assert unanimous(record_all(colleague, hit(4))).hits == frozenset(hits(1, 2, 3, 4))

    def test_a_ban_that_a_colleague_stored_meanwhile_is_in_the_answer(self, ledger: Book, colleague: Book) -> None:
        record_all(ledger, hit(1))
        ban_all(colleague)
        answer = unanimous(record_all(ledger, hit(2)))
        assert answer.ban == plain(ban(1))
        assert answer.hits == frozenset(hits(2))

    def test_one_and_many_may_take_turns(self, ledger: Book) -> None:
        record_all(ledger, hit(1))
        record_all(ledger, hit(2), crowd=[FIRST])
        answers = record_all(ledger, hit(3))
        assert answers.pop(FIRST).hits == frozenset(hits(1, 2, 3))
        assert unanimous(answers).hits == frozenset(hits(1, 3))

    def test_hits_that_were_forgotten_stay_forgotten(self, ledger: Book) -> None:
        record_all(ledger, hit(1), hit(2))
        ledger.trim(FIRST, [hit(1)])
        assert record_all(ledger, hit(3))[FIRST].hits == frozenset(hits(2, 3))


class TestBanning:
    def test_many_bans_are_stored_everywhere_or_nowhere(self, ledger: Book, colleague: Book) -> None:
        answers = ban_all(ledger)
        assert ledger.publish(answers) == {}
        assert unanimous(answers) == Offender(frozenset(), plain(ban(1)), 1)
        assert {each.who: each.ban for each in colleague.standing()} == dict.fromkeys(CROWD, plain(ban(1)))
        assert unanimous({who: tuple(colleague.history(who)) for who in CROWD}) == (ban(1, evidence=hits(0, 1)),)

    def test_a_colleagues_verdict_on_some_stands_and_costs_the_others_nothing(
        self, ledger: Book, colleague: Book
    ) -> None:
        seen = record_all(ledger, *hits(0, 1))
        faster = [CROWD[0], CROWD[5], CROWD[59]]
        theirs = {who: commit(colleague, seen[who], ban(1, length_ms=MINUTE_MS), who=who) for who in faster}
        answers = commit_all(ledger, {who: Decision(each, ban(1)) for who, each in seen.items()})
        assert {who: answers.pop(who) for who in faster} == theirs
        assert unanimous(answers) == Offender(frozenset(), ban(1), 1)
        lengths_ms = {each.who: each.ban.length_ms for each in ledger.standing()}
        assert sorted(who for who in CROWD if lengths_ms[who] == MINUTE_MS) == sorted(faster)


class TestExtending:
    def test_many_bans_that_last_longer_are_stored_everywhere(self, ledger: Book, colleague: Book) -> None:
        decisions = longer(ban_all(ledger))
        answers = commit_all(ledger, decisions)
        extended = prolonged(ban(1), hit(10))
        assert unanimous(answers).ban == extended
        assert unanimous(answers).revision == 2
        assert {each.ban for each in colleague.standing()} == {extended}
        assert {plain(each) for who in CROWD for each in colleague.history(who)} == {extended}
        assert colleague.history(FIRST)[0].evidence == hits(0, 1)
        assert unanimous({who: colleague.offender(who) for who in CROWD}).ban == extended

    def test_what_fell_into_them_is_no_longer_in_the_way(self, ledger: Book, colleague: Book) -> None:
        ban_all(ledger)
        record_all(colleague, *hits(5, 6, 7, 8), hit(9_000))
        ledger.commit(longer(record_all(ledger, hit(10))))
        kept = {len(ledger.offender(who).hits) for who in CROWD}
        assert kept == {1}  # the one after the ban
        assert unanimous(record_all(colleague, hit(9_001))).hits == frozenset(hits(9_000, 9_001))

    def test_the_next_ban_leaves_the_history_as_it_was(self, ledger: Book, colleague: Book) -> None:
        extended = ledger.commit(longer(ban_all(ledger)))
        commit(ledger, remembered(extended[FIRST]), ban(5000, 2), who=FIRST)
        assert [plain(each) for each in colleague.history(FIRST)] == [prolonged(ban(1), hit(10)), ban(5000, 2)]

    def test_followers_see_them(self, ledger: Book, colleague: Book) -> None:
        seen = ban_all(ledger)
        follower = colleague.follow()
        follower.poll()
        commit_all(ledger, longer(seen))
        assert {each.who for each in follower.poll().bans} == set(CROWD)

    def test_who_was_banned_anew_meanwhile_is_not_extended(self, ledger: Book, colleague: Book) -> None:
        decisions = longer(ban_all(ledger))
        current = commit(colleague, remembered_of(colleague, FIRST), ban(5000, 2), who=FIRST)
        answers = ledger.commit(decisions)
        assert answers.pop(FIRST) == current
        assert unanimous(answers).revision == 2
        assert [each.ban for each in ledger.standing_of(FIRST.key)] == [ban(5000, 2)]

    def test_a_ban_is_never_made_shorter(self, ledger: Book, colleague: Book) -> None:
        seen = ban_all(ledger)
        far = {who: Decision(each, prolonged(ban(1), hit(100))) for who, each in seen.items()}
        commit_all(colleague, far)
        commit_all(ledger, longer(seen))
        assert {each.ban for each in ledger.standing()} == {prolonged(ban(1), hit(100))}
        assert {ledger.offender(who).ban for who in CROWD} == {prolonged(ban(1), hit(100))}


def remembered_of(ledger: Book, who: OffenderId) -> Offender:
    return ledger.offender(who)


class TestDynamoDb:
    def test_many_cost_one_call_for_each_twenty_five(self, dynamo: DynamoLedger, aws_in_process: LocalAws) -> None:
        aws_in_process.edge.reset_calls()
        record_all(dynamo, hit(1))
        record_all(dynamo, hit(2))
        assert calls(aws_in_process) == {"BatchExecuteStatement": 6}

    def test_a_storm_of_bans_costs_a_call_for_each_twenty_five_and_is_logged_by_one_item(
        self, dynamo: DynamoLedger, aws_in_process: LocalAws
    ) -> None:
        seen = record_all(dynamo, hit(1))
        aws_in_process.edge.reset_calls()
        decisions = {who: Decision(each, ban(1, evidence=hits(1))) for who, each in seen.items()}
        commit_all(dynamo, decisions)
        assert calls(aws_in_process) == {
            "BatchExecuteStatement": 3,
            "GetItem": 1,  # in which log, the first time
            "UpdateItem": 1,
            "PutItem": 1,
        }

    def test_a_ban_that_the_table_refuses_is_refused_alone(self, dynamo: DynamoLedger) -> None:
        seen = record_all(dynamo, hit(1))
        endless = ban(1, evidence=[Hit(1, f"{number:090d}") for number in range(5_000)])  # an item has 400 KB
        answers = dynamo.commit(
            {who: Decision(each, endless if who == FIRST else ban(1)) for who, each in seen.items()}
        )
        assert isinstance(answers.pop(FIRST), Invalid)
        assert unanimous(answers).ban == ban(1)
        assert dynamo.history(FIRST) == []

    def test_bans_that_only_colleagues_have_written_are_read_first_and_no_write_is_refused(
        self,
        dynamo: DynamoLedger,
        open_ledger: Callable[..., DynamoLedger],
        clock: FakeClock,
        aws_in_process: LocalAws,
    ) -> None:
        banned = ban_all(dynamo)
        faster = CROWD[:10]
        dynamo.commit({who: each for who, each in longer(banned).items() if who in faster})
        aws_in_process.edge.reset_calls()
        answers = open_ledger(clock).commit(longer(banned))
        assert unanimous(answers).ban == prolonged(ban(1), hit(10))
        assert calls(aws_in_process) == {"BatchGetItem": 1, "BatchExecuteStatement": 2}

    def test_strangers_whom_the_table_knows_are_read_once(
        self,
        dynamo: DynamoLedger,
        open_ledger: Callable[..., DynamoLedger],
        clock: FakeClock,
        aws_in_process: LocalAws,
    ) -> None:
        record_all(dynamo, hit(1))
        aws_in_process.edge.reset_calls()
        newcomer = open_ledger(clock)
        assert unanimous(record_all(newcomer, hit(2))).hits == frozenset(hits(1, 2))
        made = calls(aws_in_process)
        assert made["BatchExecuteStatement"] == 6
        assert made.get("BatchGetItem", 0) <= 1

    def test_an_item_that_was_collected_is_made_anew(self, dynamo: DynamoLedger, dynamodb: DynamoDBClient) -> None:
        record_all(dynamo, hit(1))
        dynamodb.delete_item(TableName=TABLE, Key=state_key(FIRST))
        answers = record_all(dynamo, hit(2))
        assert answers[FIRST].hits == frozenset(hits(2))

    def test_an_item_of_an_older_worker_is_taken_over(
        self, dynamo: DynamoLedger, dynamodb: DynamoDBClient
    ) -> None:
        old = {"hits": {"SS": [f"{hit(1).at_ms}:{hit(1).id}"]}}
        dynamodb.put_item(TableName=TABLE, Item=state_key(FIRST) | old)
        assert record_all(dynamo, hit(2))[FIRST].hits == frozenset(hits(1, 2))
        assert record_all(dynamo, hit(3))[FIRST].hits == frozenset(hits(1, 2, 3))

    @pytest.mark.parametrize("fault", ["throttle", "reset_before", "reset_after"])
    def test_a_batch_that_fails_is_told_and_works_the_next_time(
        self, dynamo: DynamoLedger, aws_in_process: LocalAws, fault: Any
    ) -> None:
        aws_in_process.edge.fault("dynamodb:BatchExecuteStatement", fault, times=1)
        answers = dynamo.record(dict.fromkeys(CROWD, hits(1)))
        assert 10 <= sum(isinstance(answer, Exception) for answer in answers.values()) <= 25
        assert unanimous(record_all(dynamo, hit(1))).hits == frozenset(hits(1))

    def test_a_batch_that_is_refused_for_one_of_them_is_written_one_by_one(
        self, dynamo: DynamoLedger, aws_in_process: LocalAws
    ) -> None:
        aws_in_process.edge.fault("dynamodb:BatchExecuteStatement", "throttle", code="ValidationException")
        aws_in_process.edge.fault("dynamodb:BatchGetItem", "throttle", code="ValidationException", times=1)
        decisions = longer(ban_all(dynamo))
        answers = dynamo.commit(decisions)
        assert {remembered(answer).ban for answer in answers.values()} == {prolonged(ban(1), hit(10))}

    def test_one_statement_that_fails_costs_the_others_nothing(
        self, dynamo: DynamoLedger, dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        really = dynamodb.batch_execute_statement

        def partly(*, Statements: Sequence[Any]) -> Any:  # noqa: N803 - as boto3 has it
            # ministack never throttles one statement of a batch; AWS does, with this code.
            answer = really(Statements=Statements[1:])
            throttled = {"Error": {"Code": "ThrottlingError", "Message": "slow down"}}
            return {"Responses": [throttled, *answer["Responses"]]}

        monkeypatch.setattr(dynamodb, "batch_execute_statement", partly)
        answers = dynamo.record(dict.fromkeys(CROWD, hits(1)))
        assert sorted({type(answer).__name__ for answer in answers.values()}) == ["Offender", "Throttled"]
        assert sum(isinstance(answer, Exception) for answer in answers.values()) == 3


def calls(aws: LocalAws) -> dict[str, int]:
    return {name.removeprefix("dynamodb:"): number for name, number in aws.edge.calls().items() if number}
