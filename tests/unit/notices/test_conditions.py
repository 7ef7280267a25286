"""What is seen of a fleet: each condition by what the enforcers noted, and none where all is well."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from f2b_worker.domain.acts.control import Control, Pause
from f2b_worker.domain.blocklists import SET_CAPACITY
from f2b_worker.domain.noted_sets import NotedGroup, NotedSet, NotedSets, Progress
from f2b_worker.domain.notices.kinds import kind_of
from f2b_worker.errors import Unavailable
from f2b_worker.notices.conditions import Conditions
from f2b_worker.ports import Holder, Notes
from f2b_worker.query.conditions import FleetSeen
from f2b_worker.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from f2b_worker.domain.noted_sets import Named

REGION = "eu-west-1"
MINUTE_MS = 60_000


class Scene:
    """A fleet that enforces in one Region."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.out: Named = ()
        self.entries = 3
        self.held_back_from_ms: int | None = None
        self.noted_ago_ms = self.known_ago_ms = 0
        self.waits_ms: int | None = None
        self.owner = "worker-a/1"
        self.control = Control()
        self.dead_letters: int | None = 0
        self.fails = False
        self.conditions = Conditions(self.look, self.clock)

    def look(self) -> FleetSeen:
        if self.fails:
            raise Unavailable("away")
        now_ms = self.clock.now_ms()
        at_ms = now_ms - self.noted_ago_ms
        group = NotedGroup("block", 4, (NotedSet("f2b-ipv4", self.entries, at_ms),), self.out)
        waiting_since_ms = None if self.waits_ms is None else at_ms - self.waits_ms
        sets = NotedSets(at_ms, at_ms - self.known_ago_ms, (group,), Progress(0, waiting_since_ms))
        notes = Notes({}, self.held_back_from_ms, sets=sets)
        holders = {REGION: Holder(self.owner)}
        return FleetSeen(now_ms, (REGION,), {REGION: notes}, holders, self.control, self.dead_letters)

    def seen(self, after_s: float = 30) -> dict[str, str]:
        self.clock.advance(after_s)
        self.conditions.tick()
        assert self.conditions.seen
        return dict(self.conditions.seen.texts)


def test_where_all_is_well_nothing_is_told() -> None:
    scene = Scene()
    scene.out = ("203.0.113.7/32",)  # a ban on its way
    assert scene.seen() == {}
    scene.out = ("203.0.113.8/32",)
    assert scene.seen() == {}
    assert scene.seen(0) == {}


def surge(scene: Scene) -> None:
    scene.held_back_from_ms = 0


def overflow(scene: Scene) -> None:
    scene.out, scene.entries = None, SET_CAPACITY


def unknown(scene: Scene) -> None:
    scene.known_ago_ms = 2 * MINUTE_MS


def nobody(scene: Scene) -> None:
    scene.owner = ""


def silent(scene: Scene) -> None:
    scene.noted_ago_ms = 2 * MINUTE_MS


def letters(scene: Scene) -> None:
    scene.dead_letters = 12_345


@pytest.mark.parametrize(
    ("change", "kind", "text"),
    [
        (surge, "surge", "bans since 1970-01-01 00:00:00Z are held back: look, then f2b release"),
        (
            overflow,
            "overflow",
            "the IPv4 sets of blocklist block are full, and bans find no room: f2b provision --capacity",
        ),
        (unknown, "lag", "no ban of the last 2m is known to who enforces"),
        (nobody, "enforcer_lost", "nobody enforces in eu-west-1: give a worker the blocklists of eu-west-1"),
        (silent, "enforcer_lost", "who enforces has given no sign for 2m: look at its log"),
        (letters, "dead_letters", "12,345 dead letters: f2b dlq list"),
    ],
)
def test_each_condition_is_seen_with_what_to_do(change: Callable[[Scene], None], kind: str, text: str) -> None:
    scene = Scene()
    change(scene)
    found = scene.seen()
    ((name, told),) = found.items()
    assert kind_of(name) == kind
    assert text in told


def test_bans_that_wait_for_more_than_a_minute_are_late() -> None:
    scene = Scene()
    scene.out, scene.waits_ms = ("203.0.113.7/32",), MINUTE_MS
    assert scene.seen() == {}
    scene.waits_ms = MINUTE_MS + 1
    assert scene.seen().keys() == {"lag eu-west-1"}
    scene.waits_ms = 90_000
    told = "eu-west-1: bans wait for 1m30s to be enforced: look at the log of who enforces"
    assert scene.seen() == {"lag eu-west-1": told}
    scene.out, scene.waits_ms = (), None
    assert scene.seen() == {}


def test_of_a_note_that_is_not_made_anew_bans_wait_no_longer_than_when_it_was_made() -> None:
    scene = Scene()
    scene.out, scene.waits_ms, scene.noted_ago_ms = ("203.0.113.7/32",), MINUTE_MS - 1, 45_000
    assert scene.seen() == {}


def test_what_a_pause_holds_back_finds_room_after_it() -> None:
    scene = Scene()
    scene.out, scene.entries = ("203.0.113.7/32",), SET_CAPACITY - 1
    assert scene.seen().keys() == {"overflow blocklist block (IPv4)"}
    scene.control = Control({"*": Pause(0)})
    assert scene.seen() == {}


def test_what_cannot_be_seen_leaves_what_was_seen() -> None:
    scene = Scene()
    surge(scene)
    before = scene.seen()
    scene.fails = True
    assert scene.seen() == before
