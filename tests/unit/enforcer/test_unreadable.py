"""What of the ledger cannot be read: no ban is lifted early for it, nothing is put in, and others are enforced."""

from __future__ import annotations

import pytest

from f2b_worker.domain.blocklists import Blocklist, Foreign
from f2b_worker.domain.judge.verdicts import OffenderId
from f2b_worker.enforcer.loop import LOOK_FOR_NOTES_S
from tests.unit.enforcer.scene import FOREIGN, UNBAN_LAG_S, A, B, C, Scene, shown

WHO = OffenderId("default", A)
LONG_S = 2 * UNBAN_LAG_S + 10


@pytest.fixture
def scene() -> Scene:
    return Scene()


class TestABan:
    def test_that_is_in_its_set_stays_there_past_the_end_that_was_known(self, scene: Scene) -> None:
        scene.ban(A, seconds=60)
        scene.pass_time(5)
        scene.ledger.unreadable.add(WHO)
        scene.restart()
        scene.pass_time(60 + LONG_S)
        assert scene.v4.held == {A}
        assert shown("f2b_bans_unreadable") == 1

    def test_that_becomes_unreadable_while_it_runs_goes_on_and_is_put_in_if_it_waited(self, scene: Scene) -> None:
        scene.ban(A, seconds=60)
        scene.enforcer.tick()
        scene.ledger.unreadable.add(WHO)
        scene.ban(A, seconds=90)
        scene.pass_time(60 + LONG_S)
        assert scene.v4.held == {A}

    def test_that_no_set_holds_is_not_put_in_for_it_may_be_over(self, scene: Scene) -> None:
        scene.ledger.unreadable.add(WHO)
        scene.ban(A, seconds=60)
        scene.settle(B)
        assert scene.v4.held == {B}

    def test_is_let_go_when_its_item_is_gone_or_can_be_read(self, scene: Scene) -> None:
        scene.ban(A, seconds=60)
        scene.pass_time(5)
        scene.ledger.unreadable.add(WHO)
        scene.restart()
        scene.pass_time(120)
        scene.ledger.unreadable.clear()
        scene.pass_time(300 + LONG_S)
        assert scene.v4.held == set()
        assert shown("f2b_bans_unreadable") == 0

    def test_of_the_allowlist_goes_at_once(self, scene: Scene) -> None:
        scene.ban(A)
        scene.pass_time(5)
        scene.ledger.unreadable.add(WHO)
        scene.restart(A)
        scene.pass_time(5)
        assert scene.v4.held == set()

    def test_is_told_as_something_to_look_at_and_is_no_problem(self, scene: Scene) -> None:
        scene.ledger.unreadable.add(WHO)
        scene.ban(A)
        scene.settle(B)
        assert scene.enforcer.ready
        assert scene.enforcer.remark == "1 stored bans cannot be read: the log names them"

    def test_that_somebody_else_holds_in_the_set_is_left_to_them(self, scene: Scene) -> None:
        scene.v4.edit([A])
        scene.pass_time(5)
        scene.ledger.unreadable.add(WHO)
        scene.ban(A)
        scene.restart()
        scene.pass_time(5)
        scene.v4.edit([])
        scene.pass_time(120)
        assert scene.v4.held == set(), "they took it out, and nobody puts it in again"


class TestALostNoteOfForeignEntries:
    @pytest.fixture
    def lost(self, scene: Scene) -> Scene:
        """A is somebody else's and was banned afterwards, B is a ban of ours: only the note tells them apart."""
        scene.v4.edit([A, FOREIGN])
        scene.pass_time(5)
        scene.ban(A, B, seconds=60)
        scene.pass_time(5)
        scene.notebook.lost = frozenset({f"foreign#{scene.v4.id}"})
        scene.restart()
        return scene

    def test_takes_nothing_out_that_may_be_somebody_elses(self, lost: Scene) -> None:
        lost.pass_time(60 + LONG_S)
        assert lost.v4.held == {A, B, FOREIGN}

    def test_keeps_nobody_from_being_banned_and_let_go(self, lost: Scene) -> None:
        lost.ban(C, seconds=60)
        lost.pass_time(5)
        assert C in lost.v4.held
        lost.pass_time(60 + LONG_S)
        assert C not in lost.v4.held

    def test_is_not_written_over_and_counts_again_once_it_can_be_read(self, lost: Scene) -> None:
        lost.pass_time(60 + LONG_S)
        lost.notebook.lost = frozenset()
        lost.pass_time(LOOK_FOR_NOTES_S + LONG_S)
        assert lost.v4.held == {A, FOREIGN}

    def test_is_told_as_something_to_look_at(self, lost: Scene) -> None:
        lost.pass_time(5)
        assert lost.enforcer.remark
        assert "its note cannot be read" in lost.enforcer.remark

    def test_changes_nothing_where_entries_of_others_are_not_kept(self) -> None:
        scene = Scene(Blocklist("block", ("f2b",), foreign=Foreign.REMOVE))
        scene.settle(A)
        scene.notebook.lost = frozenset({f"foreign#{scene.v4.id}"})
        scene.restart()
        scene.v4.edit([A, FOREIGN])
        scene.pass_time(120)
        assert scene.v4.held == {A}


def test_a_lost_note_of_a_surge_is_found_again_by_counting() -> None:
    scene = Scene(limit=2)
    scene.ban(A, B, C)
    scene.pass_time(5)
    scene.notebook.lost = frozenset({"surge"})
    scene.restart()
    scene.pass_time(30)
    assert scene.v4.held == set()
    assert shown("f2b_surge") == 1
