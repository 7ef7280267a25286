"""What no ban explains that the ledger still tells of is asked for, and only then somebody else's."""

from __future__ import annotations

from itertools import pairwise

import pytest

from f2b_worker.domain.blocklists import Blocklist, Collapse, Foreign
from f2b_worker.domain.jails import Jail
from f2b_worker.domain.judge.verdicts import OffenderId
from f2b_worker.enforcer import AUDIT_S
from f2b_worker.enforcer.doubts import AGAIN_S, ASKED_AT_ONCE
from f2b_worker.enforcer.foreign import NOTE_IN_DOUBT_S
from f2b_worker.errors import Unavailable
from tests.unit.enforcer.scene import FOREIGN, UNBAN_LAG_S, V6, A, B, C, Scene, shown

HOUR_S = 3600.0
NETWORK = "203.0.113.0/24"


@pytest.fixture
def scene() -> Scene:
    """A and V6 are in their sets, FOREIGN is somebody else's; all bans end while nobody runs."""
    scene = Scene()
    scene.v4.edit([FOREIGN])
    scene.ban(A, V6, seconds=60)
    scene.pass_time(10)
    scene.clock.advance(HOUR_S)
    scene.restart()
    return scene


class TestAfterAnHourWithoutAnyWorker:
    def test_all_that_is_ours_goes_and_what_is_foreign_stays(self, scene: Scene) -> None:
        scene.pass_time(UNBAN_LAG_S + 10)
        assert scene.held == ({FOREIGN}, set())

    def test_what_somebody_put_in_meanwhile_is_theirs_and_noted(self, scene: Scene) -> None:
        scene.v4.edit(scene.v4.held | {C, "192.0.2.0/28"})
        scene.pass_time(UNBAN_LAG_S + 10)
        assert scene.v4.held == {FOREIGN, C, "192.0.2.0/28"}
        assert scene.notebook.read().foreign == {scene.v4.id: scene.v4.held}
        assert shown("f2b_foreign_entries", ip_set=scene.v4.name) == 3

    def test_a_range_of_a_ban_that_adopted_it_goes_as_well(self) -> None:
        scene = Scene(Blocklist("block", ("f2b",), foreign=Foreign.ADOPT))
        scene.jail = Jail("adopted", bantime_ms=60_000)
        scene.v4.edit([FOREIGN])
        scene.pass_time(10)
        scene.clock.advance(HOUR_S)
        scene.restart()
        scene.pass_time(UNBAN_LAG_S + 10)
        assert scene.v4.held == set()
        assert [each.ban.count for each in scene.ledger.standing_of(FOREIGN)] == [1]

    def test_a_network_that_was_noted_goes_without_a_question(self) -> None:
        scene = Scene(Blocklist("block", ("f2b",), collapse=Collapse(3)))
        scene.ban(A, B, C, seconds=150)
        scene.pass_time(140)
        assert scene.v4.held == {NETWORK}
        scene.clock.advance(HOUR_S)
        scene.restart()
        scene.pass_time(UNBAN_LAG_S + 10)
        assert scene.v4.held == set()
        assert scene.ledger.asked_of == []

    def test_what_is_banned_anew_meanwhile_stays_until_that_ends_and_goes_then(self, scene: Scene) -> None:
        scene.ban(A, seconds=60, count=2)
        scene.pass_time(50)
        assert scene.v4.held == {A, FOREIGN}
        scene.pass_time(UNBAN_LAG_S + 20)
        assert scene.v4.held == {FOREIGN}

    def test_an_entry_of_somebody_elses_is_theirs_although_its_first_ban_comes_before_the_answer(
        self, scene: Scene
    ) -> None:
        scene.v4.edit(scene.v4.held | {C})
        scene.ledger.refuses = Unavailable("no answer")
        scene.pass_time(5)
        scene.ledger.refuses = None
        scene.ban(C, seconds=2 * AGAIN_S)
        scene.pass_time(4 * AGAIN_S)
        assert scene.v4.held == {C, FOREIGN}


def test_before_the_answer_nothing_is_taken_out_adopted_or_noted_and_after_it_all_is() -> None:
    scene = Scene(Blocklist("block", ("f2b",), foreign=Foreign.ADOPT))
    scene.v4.edit([A, FOREIGN])
    scene.ban(A, seconds=60)
    scene.clock.advance(HOUR_S)
    scene.ledger.refuses = Unavailable("no answer")
    scene.pass_time(2 * AGAIN_S)
    assert scene.v4.held == {A, FOREIGN}
    assert scene.ledger.offender(OffenderId("adopted", A)).ban is None
    assert scene.notebook.written == 0
    scene.ledger.refuses = None
    scene.pass_time(2 * AGAIN_S + UNBAN_LAG_S)
    assert scene.v4.held == {FOREIGN}
    assert [each.who.jail for each in scene.ledger.standing_of(FOREIGN)] == ["adopted"]


def test_each_entry_is_asked_for_once_in_a_term_and_so_many_a_second() -> None:
    scene = Scene()
    entries = [f"198.18.{number // 256}.{number % 256}/32" for number in range(1000)]
    scene.v4.edit(entries)
    asked: list[int] = []
    scene.pass_time(20, every_s=1.0, do=lambda: asked.append(len(scene.ledger.asked_of)))
    assert asked[1] == ASKED_AT_ONCE
    assert max(later - earlier for earlier, later in pairwise(asked)) <= ASKED_AT_ONCE
    scene.pass_time(10 * AUDIT_S)
    assert sorted(scene.ledger.asked_of) == sorted(entries)


def test_thousands_of_questions_keep_no_ban_waiting_and_cost_few_notes() -> None:
    scene = Scene()
    scene.v4.edit([f"198.18.{number // 256}.{number % 256}/32" for number in range(5000)])
    scene.pass_time(1)
    scene.ban(A)
    scene.pass_time(2)
    assert A in scene.v4.held
    scene.pass_time(60)
    assert len(scene.notebook.read().foreign[scene.v4.id]) == 5000
    assert scene.notebook.written <= 2 + 25 / NOTE_IN_DOUBT_S


def test_an_entry_whose_state_cannot_be_read_stays_is_not_noted_and_is_asked_for_again(scene: Scene) -> None:
    scene.ledger.damaged.add(A)
    scene.pass_time(2 * AGAIN_S)
    assert scene.v4.held == {A, FOREIGN}
    assert scene.notebook.read().foreign == {scene.v4.id: {FOREIGN}}
    scene.ledger.damaged.clear()
    scene.pass_time(AGAIN_S + UNBAN_LAG_S + 5)
    assert scene.v4.held == {FOREIGN}
