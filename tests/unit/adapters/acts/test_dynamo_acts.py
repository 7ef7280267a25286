"""Acts on DynamoDB: lost answers, races, and what DynamoDB says no to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from f2b_worker.adapters.dynamodb.acts import offenders, transactions
from f2b_worker.adapters.dynamodb.acts.acts import DynamoActs
from f2b_worker.adapters.dynamodb.acts.items import mark_key
from f2b_worker.adapters.dynamodb.ban_log.items import Entry
from f2b_worker.adapters.dynamodb.ban_log.packing import unpack
from f2b_worker.adapters.dynamodb.items import state_key
from f2b_worker.domain.acts.act import Act, Verb
from f2b_worker.domain.acts.allowlist import AllowEntry
from f2b_worker.domain.acts.hand_bans import Order
from f2b_worker.domain.judge.verdicts import Ban, Hit, Offender, OffenderId
from f2b_worker.errors import Invalid, Retryable, Throttled, Unavailable, Unreadable
from tests.canned_dynamodb import TABLE, Caller, Fate
from tests.unit.adapters.ban_log.test_publishing import EPOCH, OTHER, WHO, Scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from f2b_worker.errors import F2bError

READ, TOP, RESERVE, WRITE = range(4)
"""The calls of a lift, in their order."""


class Acting(Scene):
    """Two workers, and somebody who acts."""

    def __init__(self) -> None:
        super().__init__()
        self.caller = Caller(self.table)
        self.asides: list[Unreadable] = []
        self.acts = DynamoActs(self.caller.client, TABLE, self.clock, aside=self.asides.append)
        self.calls: list[str] = []
        self.table.watch = lambda operation, _: self.calls.append(operation)
        self._acts = 0

    def act(self, verb: Verb = Verb.UNBAN) -> Act:
        self._acts += 1
        return Act(f"act{self._acts}", self.clock.now_ms(), "ann", verb, (WHO.key,))

    def lift(self, act: Act | None = None, *whom: OffenderId) -> dict[OffenderId, Ban | F2bError | None]:
        return self.acts.lift(act or self.act(), whom or [WHO])

    def meanwhile(self, call: int, do: Callable[[], object]) -> None:
        """Let somebody do something right before a call of the next act, counted from 0."""
        left = [call]

        def before() -> None:
            left[0] -= 1
            if left[0] == -1:
                do()

        self.caller.fare([], before)

    @property
    def state(self) -> Offender:
        return self.mine.ledger.offender(WHO)

    @property
    def told(self) -> dict[OffenderId, int]:
        """Up to which revision the log tells of each offender."""
        return {who: revision for entry in self.logged for who, revision in entry.items()}


@pytest.fixture
def scene() -> Iterator[Acting]:
    scene = Acting()
    yield scene
    scene.acts.close()
    for each in (scene.mine, scene.theirs):
        each.ledger.close()


def test_a_lift_is_one_reading_a_number_and_one_transaction(scene: Acting) -> None:
    scene.mine.ban()
    scene.calls.clear()
    scene.lift()
    assert scene.calls == ["BatchGetItem", "GetItem", "UpdateItem", "TransactWriteItems"]
    assert scene.told == {WHO: scene.state.revision}


@pytest.mark.parametrize("fate", [Fate.LOST, Fate.UNHEARD, Fate.THROTTLED])
@pytest.mark.parametrize("call", [READ, TOP, RESERVE, WRITE])
def test_whichever_call_fails_once_the_act_is_done_once(scene: Acting, fate: Fate, call: int) -> None:
    before = scene.mine.ban()
    scene.caller.fare([*[Fate.DONE] * call, fate])
    assert scene.lift() == {WHO: before.ban}
    assert scene.state.revision == 2
    assert scene.told == {WHO: 2}


def test_an_answer_that_is_lost_for_good_is_found_by_the_same_act_again(scene: Acting) -> None:
    before, act = scene.mine.ban(), scene.act()
    scene.caller.fare([*[Fate.DONE] * WRITE, *[Fate.LOST] * (1 + len(transactions.PAUSES_S))])
    (failed,) = scene.lift(act).values()
    assert isinstance(failed, Unavailable)
    assert scene.state.revision == 2, "it took effect nevertheless"
    assert scene.lift(act) == {WHO: before.ban}
    assert scene.state.revision == 2
    assert [each.id for each in scene.acts.audit(0)] == [act.id]


def test_a_transaction_that_takes_effect_late_is_not_done_twice(scene: Acting) -> None:
    scene.mine.ban()
    scene.caller.fare([*[Fate.DONE] * WRITE, Fate.LATE])
    scene.lift()
    scene.table.land()
    assert scene.state.revision == 2
    assert scene.told == {WHO: 2}


def test_without_a_token_that_is_remembered_a_lost_answer_is_known_by_its_own_entry(
    scene: Acting, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = scene.mine.ban()
    monkeypatch.setattr(scene.table.dynamodb, "_tokens", _Forgetful())
    scene.caller.fare([*[Fate.DONE] * WRITE, Fate.LOST])
    assert scene.lift() == {WHO: before.ban}
    assert scene.state.revision == 2


class _Forgetful(dict[str, object]):
    def __setitem__(self, token: str, value: object) -> None:
        """Keep nothing."""


def test_a_lift_that_a_judge_is_quicker_than_is_decided_anew(scene: Acting) -> None:
    seen = scene.mine.ban()
    scene.meanwhile(WRITE, lambda: scene.mine.extend(seen))
    answer = scene.lift()[WHO]
    assert isinstance(answer, Ban)
    assert answer.extended == 1
    assert scene.state.revision == 3
    assert scene.state.ban == replace(answer, until_ms=scene.clock.now_ms() - 1, start_ms=scene.clock.now_ms() - 1)
    assert scene.told == {WHO: 3}


def test_hits_that_come_meanwhile_hold_nobody_up_and_are_spent(scene: Acting) -> None:
    scene.mine.ban()
    hit = Hit(scene.clock.now_ms(), "late")
    scene.meanwhile(WRITE, lambda: scene.mine.ledger.record({WHO: [hit]}))
    scene.lift()
    assert scene.state.hits == {hit}
    assert scene.state.lifted_ms >= hit.at_ms


def test_who_is_always_too_late_says_so_in_the_end(scene: Acting) -> None:
    seen = [scene.mine.ban()]

    def extend() -> None:
        seen.append(scene.mine.extend(seen[-1]))

    scene.caller.fare([], lambda: extend() if len(seen) < 100 else None)
    answer = scene.lift()[WHO]
    assert isinstance(answer, Retryable)
    assert "others changed" in str(answer)
    scene.caller.fare()
    assert isinstance(scene.lift()[WHO], Ban)


def test_a_number_that_the_scribe_voids_meanwhile_is_replaced_by_another(scene: Acting) -> None:
    scene.mine.ban()
    scene.meanwhile(WRITE, lambda: scene.items.put(EPOCH, scene.items.top().number, Entry()))
    scene.lift()
    assert scene.state.revision == 2
    assert scene.items.top().number == 2
    content = scene.items.read(EPOCH, [2])[2].content
    assert [change.revision for change in unpack(content).changes] == [2]


def test_a_number_that_became_old_is_not_used(scene: Acting) -> None:
    scene.mine.ban()
    scene.meanwhile(RESERVE, lambda: scene.clock.advance(61))
    scene.lift()
    assert scene.told == {WHO: 2}
    assert scene.items.top().number == 2


def test_an_act_goes_to_the_new_log_if_that_was_begun_anew_meanwhile(scene: Acting) -> None:
    scene.mine.ban()
    scene.meanwhile(RESERVE, lambda: scene.items.begin_anew("e2"))
    scene.lift()
    assert scene.state.revision == 2
    (content,) = [entry.content for entry in scene.items.read("e2", [1]).values()]
    assert [change.revision for change in unpack(content).changes] == [2]


def test_a_state_that_cannot_be_read_is_named_and_costs_no_other(scene: Acting) -> None:
    scene.mine.ban(OTHER)
    scene.mine.ban()
    key = state_key(WHO)
    broken = {**scene.table.table.partitions[key["pk"]["S"]][key["sk"]["S"]][0], "rev": {"S": "x"}}
    scene.table.table.put(key["pk"]["S"], key["sk"]["S"], broken, None)
    answers = scene.lift(None, WHO, OTHER)
    assert isinstance(answers[WHO], Unreadable)
    assert isinstance(answers[OTHER], Ban)
    assert [error.attribute for error in scene.asides] == ["rev"]


def test_one_that_dynamodb_takes_for_wrong_is_found_among_the_others(scene: Acting) -> None:
    whom = [OffenderId("login", f"203.0.113.{number}/32") for number in range(7)]
    real = scene.table.dynamodb.operations["TransactWriteItems"]

    def picky(request: dict[str, Any]) -> dict[str, Any]:
        if whom[3].key in str(request):
            return scene.table.dynamodb.operations["NoSuchOperation"](request)
        return real(request)

    class Wrong(dict[str, Any]):
        def __missing__(self, _: str) -> Any:
            raise _too_large()

    scene.table.dynamodb.operations = Wrong(scene.table.dynamodb.operations)
    scene.table.dynamodb.operations["TransactWriteItems"] = picky
    order = Order(scene.clock.now_ms() + 1000)
    answers = scene.acts.ban(scene.act(Verb.BAN), dict.fromkeys(whom, order))
    assert {who for who, answer in answers.items() if isinstance(answer, Invalid)} == {whom[3]}
    assert scene.told.keys() == {*whom} - {whom[3]}


def _too_large() -> Exception:
    from benchmarks.canned.tally import CannedError  # noqa: PLC0415 - for one test

    return CannedError("ValidationException", "Transaction request size exceeds 4 MB")


def test_of_many_each_part_stands_for_itself(scene: Acting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offenders, "OFFENDERS_AT_ONCE", 2)
    monkeypatch.setattr(offenders, "AT_ONCE", 1)
    whom = [OffenderId("login", f"203.0.113.{number}/32") for number in range(6)]
    act = scene.act(Verb.BAN)
    orders = dict.fromkeys(whom, Order(scene.clock.now_ms() + 1000))
    tries = 1 + len(transactions.PAUSES_S)
    scene.caller.fare([*[Fate.DONE] * 4, *[Fate.DONE] * WRITE, *[Fate.THROTTLED] * tries])
    answers = scene.acts.ban(act, orders)
    failed = [who for who, answer in answers.items() if isinstance(answer, Throttled)]
    assert failed == whom[2:4]
    assert all(isinstance(answer, Offender) for answer in scene.acts.ban(act, orders).values())
    assert {scene.mine.ledger.offender(who).revision for who in whom} == {1}
    assert len([*scene.acts.audit(0)]) == 1


def test_nothing_of_many_is_done_that_the_audit_does_not_tell(
    scene: Acting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offenders, "OFFENDERS_AT_ONCE", 2)
    whom = [OffenderId("login", f"203.0.113.{number}/32") for number in range(6)]
    act = scene.act(Verb.BAN)
    orders = dict.fromkeys(whom, Order(scene.clock.now_ms() + 1000))
    scene.caller.fare([*[Fate.DONE] * WRITE, *[Fate.THROTTLED] * (1 + len(transactions.PAUSES_S))])
    answers = scene.acts.ban(act, orders)
    assert [*answers] == whom
    assert {type(answer) for answer in answers.values()} == {Throttled}
    assert {scene.mine.ledger.offender(who) for who in whom} == {Offender()}
    assert all(isinstance(answer, Offender) for answer in scene.acts.ban(act, orders).values())
    assert len([*scene.acts.audit(0)]) == 1


def test_keys_that_dynamodb_leaves_are_asked_for_again(scene: Acting) -> None:
    scene.mine.ban()
    scene.mine.ban(OTHER)
    scene.caller.fare([Fate.HALF, Fate.HALF])
    assert all(isinstance(answer, Ban) for answer in scene.lift(None, WHO, OTHER).values())


def test_an_entry_of_the_allowlist_is_told_of_in_the_same_transaction(scene: Acting) -> None:
    entries = [AllowEntry("192.0.2.0/24", None, "", "ann", 1)]
    scene.calls.clear()
    scene.acts.allow(scene.act(Verb.ALLOW), entries)
    assert scene.calls == ["BatchGetItem", "GetItem", "UpdateItem", "TransactWriteItems"]
    (entry,) = scene.items.read(EPOCH, [1]).values()
    assert unpack(entry.content).looks == {"allow"}


def test_whoever_follows_is_told_once_and_makes_no_call_for_it(scene: Acting) -> None:
    orders = scene.mine.ledger.orders
    scene.mine.ledger.news()
    mark = orders.mark()
    scene.mine.ledger.news()
    assert orders.mark() == mark
    scene.acts.pause(scene.act(Verb.PAUSE), "block", None)
    scene.mine.ledger.news()
    assert orders.mark() != mark
    mark = orders.mark()
    scene.calls.clear()
    scene.mine.ledger.news()
    assert orders.mark() == mark
    assert scene.calls == ["GetItem"], "nobody reads what has not changed"


@pytest.mark.parametrize("fate", [Fate.LOST, Fate.UNHEARD, Fate.THROTTLED])
def test_a_reload_of_which_the_answer_is_lost_counts_once(scene: Acting, fate: Fate) -> None:
    for call in range(4):
        scene.caller.fare([*[Fate.DONE] * call, fate])
        assert scene.acts.reload(scene.act(Verb.RELOAD)) == call + 1


@pytest.mark.parametrize(
    ("item", "kind", "attribute"),
    [
        ({"pk": "allow", "sk": "192.0.2.1/32", "by": {"N": "1"}, "at_ms": {"N": "1"}}, "allow", "by"),
        ({"pk": "allow", "sk": "192.0.2.1/33", "by": {"S": "a"}, "at_ms": {"N": "1"}}, "allow", "sk"),
        ({"pk": "control", "sk": "pause#block", "by": {"S": "a"}, "from_ms": {"S": "1"}}, "control", "from_ms"),
        ({"pk": "control", "sk": "reload", "generation": {"S": "1"}}, "control", "generation"),
        ({"pk": "control", "sk": "reload", "generation": {"N": "1"}, "at_ms": {"N": "-1"}}, "control", "at_ms"),
        ({"pk": "audit#2023-11", "sk": "001700000000000#a", "by": {"S": "a"}, "verb": {"S": "?"}}, "act", "verb"),
    ],
)
def test_what_cannot_be_read_is_named_and_costs_no_other(
    scene: Acting, item: dict[str, Any], kind: str, attribute: str
) -> None:
    act = scene.act(Verb.ALLOW)
    scene.acts.allow(act, [AllowEntry("198.51.100.1/32", None, "", "ann", 1)])
    scene.acts.pause(scene.act(Verb.PAUSE), "captcha", None)
    key = {name: {"S": item.pop(name)} for name in ("pk", "sk")}
    scene.table.table.put(key["pk"]["S"], key["sk"]["S"], {**key, **item}, None)
    networks = [entry.network for entry in scene.acts.allowlist()]
    is_left = attribute == "by"  # of an entry whose network can be read
    assert networks == [*(["192.0.2.1/32"] if is_left else []), "198.51.100.1/32"]
    assert list(scene.acts.control().pauses) == ["captcha"]
    assert len([*scene.acts.audit(0)]) == 2
    assert {(error.kind, error.attribute) for error in scene.asides} == {(kind, attribute)}


def test_what_an_act_ended_stands_beside_the_address(scene: Acting) -> None:
    before = scene.mine.ban()
    act = scene.act()
    scene.lift(act)
    key = mark_key(act, WHO.key, WHO.jail)
    found = scene.table.table.get(key["pk"]["S"], key["sk"]["S"])
    assert found
    assert before.ban
    assert found[0]["ended"]["M"]["until_ms"] == {"N": str(before.ban.until_ms)}
