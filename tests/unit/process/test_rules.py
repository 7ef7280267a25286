"""What people ask of all workers reaches the loops of each of them, beside what its file says."""

from __future__ import annotations

import threading
from itertools import count
from typing import TYPE_CHECKING, Any, cast

import pytest
from structlog.testing import capture_logs

from f2b_worker.config.jails_file import read_jails
from f2b_worker.domain.acts.act import Act, Verb
from f2b_worker.domain.acts.allowlist import AllowEntry
from f2b_worker.domain.acts.control import EVERY_BLOCKLIST
from f2b_worker.domain.addresses import parse_address
from f2b_worker.domain.jails import ALLOWLISTED
from f2b_worker.errors import Unavailable
from f2b_worker.process.assembly import open_rules
from f2b_worker.process.rules import EVERY_S, Rules, follow_orders
from f2b_worker.testing import FakeClock, MemoryActs, MemoryLedger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from f2b_worker.config.jails_file import Jails
    from f2b_worker.domain.acts.control import Control
    from f2b_worker.domain.jails import Policy
    from f2b_worker.domain.networks import Networks

NETWORK, OTHER = "203.0.113.0/24", "198.51.100.7/32"


class Loops:
    """An intake and an enforcer that remember what they were told last."""

    def __init__(self) -> None:
        self.policy: Policy | None = None
        self.allowed: Networks | None = None
        self.apart: Networks | None = None
        self.control: Control | None = None
        self.told = 0

    def use(self, policy: Policy) -> None:
        self.told += 1
        self.policy = policy

    def allow(self, allowed: Networks, apart: Networks) -> None:
        self.allowed, self.apart = allowed, apart

    def obey(self, control: Control) -> None:
        self.control = control

    def ignores(self, ip: str) -> str | None:
        assert self.policy
        return self.policy.ignores(self.policy.jail("login"), parse_address(ip))


class Clock(FakeClock):
    """Lets something happen before each look, and stops when nothing is left to happen."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        super().__init__()
        self.steps = list(steps)

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        assert timeout_s == EVERY_S
        if not self.steps:
            event.set()
        else:
            self.steps.pop(0)()
        return super().wait(event, timeout_s)


class Scene:
    """Rules that are followed through a few looks."""

    def __init__(self, config: Path | None = None) -> None:
        self.acts = MemoryActs(MemoryLedger())
        self.clock = Clock()
        self.numbers = count()
        self.loops = Loops()
        self.happened: list[str] = []
        self.rules = Rules(read_jails(config), self.acts, self.clock)
        self.rules.read()
        self.rules.settle()
        self.hand_over()
        self.loops.told = 0

    def act(self, verb: Verb) -> Act:
        return Act(str(next(self.numbers)), self.clock.now_ms(), "jane", verb)

    def allow(self, network: str = NETWORK, seconds: float | None = None) -> None:
        until_ms = None if seconds is None else self.clock.now_ms() + round(1000 * seconds)
        self.acts.allow(self.act(Verb.ALLOW), [AllowEntry(network, until_ms)])

    def hand_over(self) -> None:
        self.rules.hand_over(self.loops.use, [cast("Any", self.loops)])
        self.happened.append("told")

    def follow(self, *steps: Callable[[], object]) -> None:
        """Let each of *steps* happen, and look after each."""
        self.clock.steps = list(steps)
        self.happened.clear()
        reload = lambda: self.happened.append("reloaded")  # noqa: E731
        follow_orders(self.rules, self.hand_over, reload, self.clock, threading.Event())


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_an_entry_of_the_allowlist_counts_for_judges_and_sets_as_long_as_it_is_there(scene: Scene) -> None:
    scene.follow(scene.allow)
    assert scene.loops.ignores("203.0.113.9") == ALLOWLISTED
    assert scene.loops.allowed
    assert scene.loops.apart
    assert scene.loops.allowed.touches("203.0.113.9/32")
    assert scene.loops.apart.touches("203.0.113.9/32")
    assert scene.loops.apart.touches("10.0.0.1/32")
    scene.follow(lambda: scene.acts.disallow(scene.act(Verb.DISALLOW), [NETWORK]))
    assert scene.loops.ignores("203.0.113.9") is None
    assert not scene.loops.allowed.touches("203.0.113.9/32")


def test_it_ends_by_this_readers_clock_while_the_ledger_says_nothing(scene: Scene) -> None:
    scene.follow(lambda: scene.allow(seconds=10), lambda: scene.clock.advance(9))
    assert (scene.loops.ignores("203.0.113.9"), scene.loops.told) == (ALLOWLISTED, 1)
    scene.acts.failure = Unavailable("no answer")
    scene.follow(lambda: scene.clock.advance(2))
    assert (scene.loops.ignores("203.0.113.9"), scene.loops.told) == (None, 2)


def test_whoever_was_allowed_before_the_start_is_so_from_the_first_infraction_on() -> None:
    scene = Scene()
    scene.allow()
    rules = Rules(read_jails(None), scene.acts, scene.clock)
    rules.read()
    rules.settle()
    assert rules.policy.ignores(rules.policy.defaults, parse_address("203.0.113.9")) == ALLOWLISTED


def test_pauses_reach_the_enforcers(scene: Scene) -> None:
    scene.follow(lambda: scene.acts.pause(scene.act(Verb.PAUSE), EVERY_BLOCKLIST, None))
    assert scene.loops.control
    assert scene.loops.control.pause_of("block", scene.clock.now_ms())
    scene.follow(lambda: scene.acts.resume(scene.act(Verb.RESUME), EVERY_BLOCKLIST))
    assert not scene.loops.control.pause_of("block", scene.clock.now_ms())


def test_nobody_is_told_anything_while_nothing_changes(scene: Scene) -> None:
    scene.allow()
    scene.follow(*[lambda: None] * 20)
    assert scene.loops.told == 1


def test_each_call_for_it_has_the_file_read_again_once(scene: Scene) -> None:
    def call() -> None:
        scene.acts.reload(scene.act(Verb.RELOAD))

    scene.follow(call, lambda: None, call, lambda: None)
    assert scene.happened == ["told", "reloaded"] * 2
    scene.follow(lambda: None)
    assert scene.happened == []


def test_a_file_that_is_read_again_leaves_the_allowlist_and_adds_its_own(tmp_path: Path) -> None:
    config = tmp_path / "f2b.toml"
    config.write_text("")
    scene = Scene(config)
    scene.follow(scene.allow)
    config.write_text(f"[defaults]\nignoreip = ['{OTHER}']\n")
    scene.rules.use_file(read_jails(config), 0)
    scene.hand_over()
    assert [scene.loops.ignores(ip) for ip in ("203.0.113.9", "198.51.100.7")] == [ALLOWLISTED, "ignoreip"]
    assert scene.loops.allowed
    assert scene.loops.allowed.touches(OTHER)
    assert scene.loops.allowed.touches(NETWORK)


def test_a_call_for_a_reload_while_a_worker_starts_is_followed_or_heard_later(tmp_path: Path) -> None:
    acts, clock, config = MemoryActs(MemoryLedger()), FakeClock(), tmp_path / "f2b.toml"
    config.write_text("")

    def read() -> Jails:
        """Read the file; right after the first time somebody changes it, and calls."""
        jails = read_jails(config)
        if not config.read_text():
            config.write_text(f"[defaults]\nignoreip = ['{OTHER}']\n")
            acts.reload(Act("1", clock.now_ms(), "jane", Verb.RELOAD))
        return jails

    rules = open_rules(read, acts, clock)
    assert (rules.control.generation, rules.followed) == (1, 1)
    assert rules.allowed.touches(OTHER)


def test_a_failure_is_told_once_and_what_was_known_holds_until_it_is_over(scene: Scene) -> None:
    def fail(error: Unavailable | None) -> Callable[[], None]:
        return lambda: setattr(scene.acts, "failure", error)

    scene.allow()
    scene.follow(lambda: None)
    scene.allow(OTHER)
    with capture_logs() as lines:
        scene.follow(fail(Unavailable("no answer")), lambda: None, lambda: None)
    assert [line["event"] for line in lines] == ["orders_not_heard"]
    assert [scene.loops.ignores(ip) for ip in ("203.0.113.9", "198.51.100.7")] == [ALLOWLISTED, None]
    scene.follow(fail(None))
    assert [scene.loops.ignores(ip) for ip in ("203.0.113.9", "198.51.100.7")] == [ALLOWLISTED] * 2
