"""What an enforcer notes of its IP sets, and how seldom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from f2b_worker.domain.judge.enforcement import JUDGED_WITHIN_MS
from f2b_worker.domain.noted_sets import NAMED_MAX, NotedSets
from f2b_worker.enforcer.showing import ANEW_S, AT_MOST_EVERY_S, SETTLED_S
from f2b_worker.errors import Unavailable
from f2b_worker.testing import MemoryNotebook
from tests.unit.enforcer.scene import A, B, C, Scene, strangers

if TYPE_CHECKING:
    import pytest

    from f2b_worker.domain.noted_sets import NotedGroup, Progress


class CountedNotebook(MemoryNotebook):
    """Counts how often the IP sets are noted."""

    def __init__(self) -> None:
        super().__init__()
        self.sets_noted = 0

    def note_sets(self, noted: NotedSets) -> None:
        self.sets_noted += 1
        super().note_sets(noted)


def counted(scene: Scene) -> CountedNotebook:
    notebook = scene.notebook = CountedNotebook()
    scene.restart()
    return notebook


def groups(scene: Scene) -> dict[int, NotedGroup]:
    sets = scene.notebook.read().sets
    assert sets
    return {each.family: each for each in sets.groups}


def test_what_each_set_holds_and_that_nothing_waits_is_noted() -> None:
    scene = Scene()
    scene.settle(A, B)
    noted = scene.notebook.read().sets
    assert noted
    assert noted.is_fresh(scene.clock.now_ms())
    v4, v6 = noted.groups
    assert (v4.blocklist, v4.family, v4.out, v4.held_back) == ("block", 4, (), ())
    assert [(each.name, each.entries) for each in (*v4.sets, *v6.sets)] == [(scene.v4.name, 2), (scene.v6.name, 0)]
    scene.ban(C)
    scene.pass_time(0.5)
    assert groups(scene)[4].sets[0].entries == 3


def test_what_waits_or_finds_no_room_is_named() -> None:
    scene = Scene(capacity=2)
    scene.settle(A)
    scene.pause()
    scene.ban(B)
    scene.pass_time(AT_MOST_EVERY_S + 1)
    assert groups(scene)[4].out == (B,)
    scene.resume()
    scene.ban(C, seconds=1800)
    scene.pass_time(AT_MOST_EVERY_S + 1)
    # Whoever attacked last finds room, however much sooner that ban ends.
    assert groups(scene)[4].out == (A,)
    assert scene.held == ({B, C}, set())


def test_what_the_surge_guard_holds_back_is_named_where_no_set_holds_it() -> None:
    scene = Scene(limit=2)
    scene.pass_time(1)
    scene.ban(A, B, C)
    scene.pass_time(AT_MOST_EVERY_S + 1)
    noted = groups(scene)
    assert scene.held == (set(), set())
    assert (noted[4].held_back, noted[6].held_back) == ((A, B, C), ())


def test_of_many_that_wait_none_is_named() -> None:
    scene = Scene()
    scene.pass_time(10)
    scene.pause()
    names = strangers()
    scene.ban(*(next(names) for _ in range(NAMED_MAX + 1)))
    scene.pass_time(AT_MOST_EVERY_S + 1)
    assert groups(scene)[4].out is None
    assert groups(scene)[6].out == ()


def test_while_nothing_changes_it_is_noted_twice_a_minute_and_in_an_attack_every_five_seconds() -> None:
    scene = Scene()
    notebook = counted(scene)
    scene.settle(A)
    notebook.sets_noted = 0
    scene.pass_time(10 * ANEW_S)
    assert notebook.sets_noted == 10
    names = strangers()
    notebook.sets_noted = 0
    scene.pass_time(60, every_s=0.5, do=lambda: scene.ban(next(names)))
    assert 60 / AT_MOST_EVERY_S - 2 <= notebook.sets_noted <= 60 / AT_MOST_EVERY_S + 1


def test_soon_after_a_change_a_note_tells_that_its_bans_are_enforced() -> None:
    scene = Scene()
    notebook = counted(scene)
    scene.settle(A)
    scene.pass_time(2 * ANEW_S)
    scene.ban(B)
    began_ms, notebook.sets_noted = scene.clock.now_ms(), 0
    scene.pass_time(AT_MOST_EVERY_S + SETTLED_S + 2, every_s=0.5)
    noted = notebook.read().sets
    assert noted
    assert noted.known_ms - JUDGED_WITHIN_MS > began_ms
    assert notebook.sets_noted <= 3, "one when it waits, one when it is in, one that tells that all of it is known"
    notebook.sets_noted = 0
    scene.pass_time(10 * ANEW_S)
    assert notebook.sets_noted == 10


def test_nothing_is_noted_before_every_set_was_read() -> None:
    scene = Scene()
    scene.v6.reads_fail = Unavailable("no answer")
    scene.ban(A)
    scene.pass_time(20)
    assert scene.v4.held == {A}
    assert scene.notebook.read().sets is None
    scene.v6.reads_fail = None
    scene.pass_time(20)
    assert scene.notebook.read().sets


def test_a_set_that_cannot_be_read_any_more_was_not_seen_since() -> None:
    scene = Scene()
    scene.settle(A)
    scene.v6.reads_fail = Unavailable("no answer")
    scene.pass_time(400)
    noted = scene.notebook.read().sets
    assert noted
    assert scene.clock.now_ms() - noted.at_ms <= 1000 * (ANEW_S + 1)
    assert not noted.is_fresh(scene.clock.now_ms())


def test_a_note_that_fails_keeps_nothing_from_the_sets_and_comes_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene()
    notebook = counted(scene)
    scene.settle(A)

    def fail(_: NotedSets) -> None:
        notebook.sets_noted += 1
        raise Unavailable("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(notebook, "note_sets", fail)
        notebook.sets_noted = 0
        scene.ban(B)
        scene.pass_time(20)
        assert scene.v4.held == {A, B}
        assert 3 <= notebook.sets_noted <= 5
        assert groups(scene)[4].sets[0].entries == 1
    scene.pass_time(AT_MOST_EVERY_S + 1)
    assert groups(scene)[4].sets[0].entries == 2


def progress(scene: Scene) -> Progress:
    sets = scene.notebook.read().sets
    assert sets
    assert sets.progress
    return sets.progress


def test_how_fast_bans_get_in_is_noted_and_how_much_of_the_budget_that_took() -> None:
    scene = Scene()
    scene.settle(A)
    scene.pass_time(120)
    assert progress(scene).updates == 0
    scene.ban(B, ago_s=3)
    scene.ban(C)
    scene.pass_time(2)
    scene.pass_time(AT_MOST_EVERY_S)
    found = progress(scene)
    assert found.updates >= 1
    assert found.waiting_since_ms is None
    assert found.took_ms is not None
    assert 3_000 <= found.took_ms <= 6_000
    assert found.enforced_ms is not None
    assert 0 <= scene.clock.now_ms() - found.enforced_ms <= 8_000


def test_since_when_the_longest_waiting_ban_waits_is_noted() -> None:
    scene = Scene()
    scene.settle(A)
    scene.v4.failure = Unavailable("WAF is away")
    began_ms = scene.clock.now_ms()
    scene.ban(B)
    scene.pass_time(20)
    since_ms = progress(scene).waiting_since_ms
    assert since_ms is not None
    assert 0 <= since_ms - began_ms <= 2_000
    scene.v4.failure = None
    scene.pass_time(60)
    assert progress(scene).waiting_since_ms is None


def test_the_time_that_a_pause_held_bans_up_is_no_waiting_once_it_is_over() -> None:
    scene = Scene()
    scene.settle(A)
    scene.pause()
    scene.ban(B, seconds=7200)
    scene.pass_time(3600)
    scene.v4.failure = Unavailable("WAF is away")
    resumed_ms = scene.clock.now_ms()
    scene.resume()
    scene.pass_time(ANEW_S + 5)
    since_ms = progress(scene).waiting_since_ms
    assert since_ms is not None
    assert 0 <= since_ms - resumed_ms <= 2_000


def test_that_only_the_budget_becomes_free_again_is_no_reason_to_write_a_note() -> None:
    scene = Scene()
    notebook = counted(scene)
    scene.settle(A)
    scene.pass_time(2 * SETTLED_S)
    before = notebook.sets_noted
    scene.pass_time(ANEW_S - SETTLED_S)
    assert notebook.sets_noted - before <= 1
