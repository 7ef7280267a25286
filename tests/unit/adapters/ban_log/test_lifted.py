"""When a ban was lifted stands in the state, and everybody hears of it with the ban."""

from __future__ import annotations

from dataclasses import replace

import pytest

from f2b_worker.adapters.dynamodb.ban_log.packing import unpack
from f2b_worker.adapters.dynamodb.items import number, state_key
from f2b_worker.domain.judge.decisions import Decision
from f2b_worker.domain.judge.verdicts import Ban, Hit, Offender, OffenderId
from f2b_worker.errors import Unreadable
from tests.canned_dynamodb import TABLE, Caller
from tests.unit.adapters.ban_log.test_publishing import EPOCH, WHO, Scene, scene

__all__ = ["scene"]


def lift(scene: Scene, lifted_ms: int) -> None:
    """Do what an operator's act will do to the state."""
    client = Caller(scene.table).client
    client.update_item(
        TableName=TABLE,
        Key=state_key(WHO),
        UpdateExpression="SET lifted_ms = :lifted ADD v :one, rev :one",
        ExpressionAttributeValues={":lifted": number(lifted_ms), ":one": number(1)},
    )


def test_who_writes_to_the_offender_learns_of_the_lift_and_leaves_it(scene: Scene) -> None:
    scene.mine.ban()
    lift(scene, 5)
    for hit in (Hit(6, "x"), Hit(7, "y")):
        answer = scene.mine.ledger.record({WHO: [hit]})[WHO]
        assert isinstance(answer, Offender)
        assert (answer.lifted_ms, answer.revision) == (5, 2)
        seen = answer
    assert scene.mine.extend(seen).lifted_ms == 5
    assert scene.mine.ledger.offender(WHO).lifted_ms == 5


def test_many_that_are_written_at_once_learn_of_it_and_leave_it_too(scene: Scene) -> None:
    everybody = [WHO, *(OffenderId("login", f"198.51.100.{number}/32") for number in range(9))]
    scene.mine.ban()
    lift(scene, 5)
    for name in ("x", "y"):
        answers = scene.mine.ledger.record({who: [Hit(6, name)] for who in everybody})
        assert answers[WHO] == scene.mine.ledger.offender(WHO)
    seen = {who: each for who, each in answers.items() if isinstance(each, Offender)}
    ban = Ban(10**12, 10**12 + 7, 2, 7, evidence=(Hit(6, "x"),))
    scene.mine.ledger.commit({who: Decision(each, ban) for who, each in seen.items()})
    found = scene.mine.ledger.offender(WHO)
    assert (found.ban, found.lifted_ms) == (replace(ban, evidence=()), 5)


def test_the_log_tells_of_it(scene: Scene) -> None:
    assert scene.theirs.ledger.news() == {}
    scene.mine.ban()
    lift(scene, 5)
    answer = scene.mine.ledger.record({WHO: [Hit(6, "x")]})[WHO]
    assert isinstance(answer, Offender)
    scene.mine.ledger.publish({WHO: answer})
    (change,) = unpack(scene.items.read(EPOCH, [1])[1].content).changes
    assert (change.revision, change.lifted_ms) == (2, 5)
    assert scene.theirs.ledger.news()[WHO] == replace(answer, hits=frozenset())


@pytest.mark.parametrize("value", [{"N": "-1"}, {"S": "5"}, {"N": "1.5"}])
def test_a_time_that_is_none_makes_the_state_unreadable(scene: Scene, value: dict[str, str]) -> None:
    scene.mine.ban()
    lift(scene, 5)
    client = Caller(scene.table).client
    client.update_item(
        TableName=TABLE,
        Key=state_key(WHO),
        UpdateExpression="SET lifted_ms = :lifted",
        ExpressionAttributeValues={":lifted": value},
    )
    with pytest.raises(Unreadable, match="lifted_ms"):
        scene.mine.ledger.offender(WHO)
