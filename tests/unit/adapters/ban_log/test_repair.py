from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from f2b_worker.adapters.dynamodb.ban_log.items import BanLogItems
from f2b_worker.adapters.dynamodb.ledger import DynamoLedger
from f2b_worker.domain.ban_log.changes import KEPT_AFTER_END_MS
from f2b_worker.domain.judge.verdicts import UNREADABLE, Hit, OffenderId
from f2b_worker.errors import AccessDenied, Unavailable
from tests.canned_dynamodb import TABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


from tests.unit.adapters.ban_log.repair_scene import DAMAGES, EPOCH, HOUR_MS, Scene


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.ledger.close()


@pytest.mark.parametrize("damage", DAMAGES)
def test_whatever_was_lost_of_the_log_everybody_knows_all_bans_afterwards_and_learns_of_new_ones(
    scene: Scene, damage: Callable[[Scene], None]
) -> None:
    before = {scene.ban(1), scene.ban(2)}
    scene.publish()
    before.add(scene.ban(3))
    assert scene.poll() == before
    damage(scene)

    done = scene.repair.run()

    assert (done.bans, done.states, done.unreadable) == (3, 3, 0)
    assert scene.items.top().epoch == done.epoch
    assert not scene.repair.is_open
    assert set(scene.new()) == scene.poll() == before
    later = scene.ban(4)
    assert set(scene.new()) == scene.poll() == before | {later}
    scene.publish()
    scene.scribe.tick()
    assert set(scene.new()) == scene.poll() == before | {later}


@pytest.mark.parametrize(
    ("error", "is_open"), [(KeyboardInterrupt, True), (Unavailable("reset"), True), (AccessDenied("no"), False)]
)
def test_whoever_gets_no_answer_to_the_beginning_of_a_repair_may_have_left_it_open(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, error: Exception, is_open: bool
) -> None:
    begin = BanLogItems.begin_anew

    def no_answer(items: BanLogItems, epoch: str) -> None:
        begin(items, epoch)
        raise error

    monkeypatch.setattr(BanLogItems, "begin_anew", no_answer)
    with pytest.raises(type(error) if isinstance(error, Exception) else error):
        scene.repair.run()
    assert scene.repair.is_open is is_open


def test_a_log_that_is_begun_anew_gives_its_own_numbers_and_none_of_the_one_before(scene: Scene) -> None:
    scene.ban(1)
    epoch = scene.repair.run().epoch
    scene.ban(2)

    assert list(scene.items.read(epoch, [1])) == [1]
    with pytest.raises(Exception, match=epoch):
        scene.items.reserve(EPOCH)


def test_bans_that_ended_long_ago_are_left_out_and_those_that_ended_just_now_are_not(scene: Scene) -> None:
    scene.ban(1, length_ms=1000)
    scene.clock.advance(KEPT_AFTER_END_MS / 1000)
    just = scene.ban(2, length_ms=1000)
    running = scene.ban(3)
    scene.clock.advance(2.0)

    done = scene.repair.run()

    assert (done.bans, done.states) == (2, 3)
    assert set(scene.new()) == {just, running}


def test_offenders_without_a_ban_and_whatever_else_the_table_holds_are_no_bans(scene: Scene) -> None:
    stranger = OffenderId("login", "203.0.113.9/32")
    scene.ledger.record({stranger: [Hit(scene.clock.now_ms(), "a")]})
    who = scene.ban(1)
    scene.write(f"ip#{who.key}", "h#login#000000000000001", start_ms={"N": "1"})
    scene.write("lease#scribe", "lease", version={"N": "1"})
    scene.write("enforcer#us-east-1", "s#urge", ban={"S": "?"})

    done = scene.repair.run()

    assert (done.bans, done.states, done.unreadable) == (1, 2, 0)
    assert set(scene.new()) == {who}


@pytest.mark.parametrize(
    "broken",
    [
        {"ban": {"S": "?"}},
        {"ban": {"M": {}}},
        {"rev": {"S": "?"}},
        {"rev": {"N": "0"}},
        {"rev": {"N": "1"}, "ban": None},
        {"rev": None},
    ],
)
def test_a_state_that_cannot_be_read_is_named_and_counted_and_nobody_lifts_its_ban(
    scene: Scene, broken: dict[str, Any]
) -> None:
    who, other = scene.ban(1), scene.ban(2)
    state = scene.item(f"ip#{who.key}", "s#login")
    changed = {name: value for name, value in (state | broken).items() if value is not None}
    scene.write(f"ip#{who.key}", "s#login", **changed)

    done = scene.repair.run()

    assert (done.bans, done.states, done.unreadable) == (1, 2, 1)
    assert [error.item for error in scene.told] == [f"ip#{who.key} s#login"]
    assert scene.new()[who] is UNREADABLE
    assert scene.new()[other] is not UNREADABLE


def test_a_ban_that_cannot_be_read_counts_again_once_it_can_and_is_logged_as_it_is(scene: Scene) -> None:
    who = scene.ban(1)
    state = scene.item(f"ip#{who.key}", "s#login")
    scene.write(f"ip#{who.key}", "s#login", **state | {"ban": {"S": "?"}})
    scene.repair.run()
    scene.poll()
    scene.write(f"ip#{who.key}", "s#login", **state)

    another = DynamoLedger(scene.ledgers_client(), TABLE, scene.clock, kept_ms=HOUR_MS)
    another.publish({who: another.offender(who)})
    another.close()

    scene.poll()
    assert scene.known[who] is not UNREADABLE
    assert scene.new()[who] is not UNREADABLE


def test_a_state_whose_key_does_not_say_whose_it_is_is_named_and_counted(scene: Scene) -> None:
    scene.write("ip#203.0.113.1/32", "s#", rev={"N": "1"})

    assert scene.repair.run().unreadable == 1
    assert [error.item for error in scene.told] == ["ip#203.0.113.1/32 s#"]
