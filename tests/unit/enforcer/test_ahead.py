"""Who is to succeed a silent holder makes ready before it holds the lease, and changes nothing by that."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from f2b_worker.domain.plan.roster import Roster
from f2b_worker.enforcer import loop
from f2b_worker.errors import Unavailable
from f2b_worker.testing import MemoryLease
from tests.unit.enforcer.scene import FOREIGN, UNBAN_LAG_S, A, B, C, Scene

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from f2b_worker.ports import IpSet as AnyIpSet

TAKEOVER_S = 5.0


@pytest.fixture
def scene() -> Scene:
    """A and B are banned and enforced, and the holder is silent; another one stands by."""
    scene = Scene()
    scene.settle(A, B)
    scene.lease = MemoryLease(held=False)
    scene.enforcer = scene.another()
    scene.pass_time(3)
    return scene


def finds(scene: Scene) -> list[Mapping[str, Sequence[AnyIpSet]]]:
    """Remember what the finder finds from now on."""
    found: list[Mapping[str, Sequence[AnyIpSet]]] = []
    find = scene.finder.find

    def watched(tell: Callable[[str, AnyIpSet], None] = lambda *_: None) -> Mapping[str, Sequence[AnyIpSet]]:
        found.append(find(tell))
        return found[-1]

    scene.finder.find = watched  # type: ignore[method-assign]
    return found


def take_over(scene: Scene) -> None:
    scene.lease.held, scene.lease.is_next = True, False


class TestBeforeTheLeaseIsHeld:
    def test_nothing_is_read_while_the_holder_lives(self, scene: Scene) -> None:
        found, asked = finds(scene), scene.ledger.asked
        scene.pass_time(20)
        assert (found, scene.ledger.asked) == ([], asked)

    def test_bans_and_sets_are_read_and_nothing_is_written_or_noted(self, scene: Scene) -> None:
        found, asked, noted = finds(scene), scene.ledger.asked, scene.notebook.written
        scene.lease.is_next = True
        scene.ban(C)
        scene.pass_time(TAKEOVER_S)
        assert len(found) == 1
        assert scene.ledger.asked > asked
        assert scene.tries_s == []
        assert scene.notebook.written == noted
        assert scene.enforcer.ready

    @pytest.mark.parametrize("part", ["ledger", "finder"])
    def test_a_failure_is_nobodys_problem_and_the_term_begins_all_the_same(self, scene: Scene, part: str) -> None:
        getattr(scene, part).failure = Unavailable("no answer")
        scene.lease.is_next = True
        scene.run(20)
        assert (scene.enforcer.problem, scene.enforcer.remark) == (None, None)
        getattr(scene, part).failure = None
        take_over(scene)
        scene.ban(C)
        scene.pass_time(5)
        assert scene.v4.held == {A, B, C}

    def test_a_ledger_that_takes_long_holds_up_nobody(self, scene: Scene) -> None:
        jobs: list[Callable[[], None]] = []
        scene.enforcer = scene.another(aside=jobs.append)
        scene.lease.is_next = True
        scene.pass_time(TAKEOVER_S)
        assert len(jobs) == 2, "one for the bans, one for the sets, and neither comes to its end"

    def test_what_was_read_ahead_is_let_go_when_the_holder_turns_out_to_live(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made: list[weakref.ref[Roster]] = []

        class Watched(Roster):
            def __init__(self, *args: Any) -> None:
                super().__init__(*args)
                made.append(weakref.ref(self))

        monkeypatch.setattr(loop, "Roster", Watched)
        scene.enforcer = scene.another()
        scene.lease.is_next = True
        scene.pass_time(3)
        (read,) = (each() for each in made)
        assert read
        assert read.active == 2
        del read
        scene.lease.is_next = False
        scene.pass_time(1)
        gc.collect()
        assert made[0]() is None
        take_over(scene)
        scene.ban(C)
        scene.pass_time(5)
        assert scene.v4.held == {A, B, C}


class TestOnceTheLeaseIsHeld:
    def test_what_was_logged_since_it_was_read_ahead_is_known_before_a_set_is_written(self, scene: Scene) -> None:
        scene.lease.is_next = True
        scene.pass_time(TAKEOVER_S)
        scene.ban(C, seconds=100)
        scene.v4.edit({A, B, C})  # the holder before was told of it
        take_over(scene)
        scene.pass_time(100 + UNBAN_LAG_S + 10)
        assert scene.v4.held == {A, B}
        assert scene.ledger.asked_of == []

    def test_the_sets_that_were_found_ahead_are_not_looked_for_again_at_once(self, scene: Scene) -> None:
        found = finds(scene)
        scene.lease.is_next = True
        scene.pass_time(3)
        take_over(scene)
        scene.ban(C)
        scene.pass_time(1.5)
        assert len(found) == 1
        assert scene.v4.held == {A, B, C}

    def test_what_ended_about_then_is_spared_as_after_any_takeover(self, scene: Scene) -> None:
        scene.ban(C, seconds=TAKEOVER_S - 1)
        scene.v4.edit({A, B, C})
        scene.lease.is_next = True
        scene.pass_time(TAKEOVER_S)
        take_over(scene)
        scene.pass_time(5)
        scene.ban(C, seconds=300, count=2)
        scene.pass_time(UNBAN_LAG_S + 20)
        assert scene.v4.held == {A, B, C}

    def test_what_was_loaded_for_a_holder_who_lived_is_dropped(self, scene: Scene) -> None:
        found = finds(scene)
        scene.lease.is_next = True
        scene.pass_time(3)
        scene.lease.is_next = False
        scene.pass_time(600)
        scene.v4.edit({A, B, FOREIGN})
        take_over(scene)
        scene.pass_time(3)
        assert len(found) >= 2
        assert scene.notebook.read().foreign == {scene.v4.id: {FOREIGN}}
