from __future__ import annotations

import re
import socket
import threading
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
import structlog
from prometheus_client import REGISTRY

from f2b_worker.config.jails_file import read_jails
from f2b_worker.config.settings import WorkerSettings
from f2b_worker.domain.acts.control import Control
from f2b_worker.domain.blocklists import Blocklist, Collapse, Foreign, Scope
from f2b_worker.enforcer.alarms import Alarms
from f2b_worker.errors import F2bError, StartError
from f2b_worker.observe.pulse import STILL_S, STUCK_S, Pulse
from f2b_worker.process.opening import chosen_blocklists
from f2b_worker.process.parts import Parts
from f2b_worker.process.regions import RegionPorts, as_text
from f2b_worker.process.rules import Rules
from f2b_worker.process.signs import Said
from f2b_worker.process.worker import (
    EXIT_PART_DIED,
    EXIT_STOPPED,
    end,
    reload_jails,
    report_conflicts,
    serve_health,
    start,
)
from f2b_worker.testing import FakeClock, MemoryActs, MemoryLedger

if TYPE_CHECKING:
    from pathlib import Path


class Loop:
    """A part that runs until it is told to stop, or dies at once."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.problem: str | None = None
        self.oldest_ms = 0
        self.clock = FakeClock()
        self.pulse = Pulse(self.clock.monotonic_s)
        self.region = "eu-west-1"
        self.used: list[object] = []
        self.obeyed: list[object] = []

    def keep_in_hand(self, stop: threading.Event) -> None:
        stop.wait()

    def run(self, *events: threading.Event) -> None:
        if self.error:
            raise self.error
        events[-1].wait()

    def use(self, policy: object) -> None:
        self.used.append(policy)

    def allow(self, allowed: object, apart: object) -> None:
        self.used.append((allowed, apart))

    def obey(self, control: object) -> None:
        self.obeyed.append(control)


def parts(intake: Loop, *enforcers: Loop) -> Parts:
    wakes = [threading.Event() for _ in enforcers]
    rules = Rules(read_jails(None), MemoryActs(MemoryLedger()), FakeClock())
    return Parts(cast("Any", intake), rules, cast("Any", enforcers), wakes)


@pytest.mark.parametrize("place", range(3))
def test_a_dead_part_stops_the_process_with_code_4(place: int) -> None:
    loops = [Loop(RuntimeError("a defect") if place == number else None) for number in range(3)]
    died = threading.Event()
    threads = start(all_of_them := parts(*loops), died)

    assert all_of_them.stop.wait(10)
    assert all(wake.is_set() for wake in all_of_them.wakes)
    assert end(threads, died) == EXIT_PART_DIED


def test_a_part_that_ends_by_an_error_of_our_own_is_told_in_one_line_without_a_traceback() -> None:
    died = threading.Event()
    with structlog.testing.capture_logs() as lines:
        end(start(parts(Loop(F2bError("the HTTP process hangs"))), died), died)
    (line,) = (line for line in lines if line["event"] == "part_died")
    assert line["reason"] == "the HTTP process hangs"
    assert "exc_info" not in line


class BusyLoop(Loop):
    """One that goes on when it is told to stop, until somebody lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.may_end = threading.Event()

    def run(self, *events: threading.Event) -> None:
        del events
        self.may_end.wait()


@pytest.mark.parametrize("error", [None, RuntimeError("a defect")])
def test_what_polls_brought_is_let_go_at_a_stop_whatever_the_intake_does(error: Exception | None) -> None:
    intake, died, closed = Loop(error) if error else BusyLoop(), threading.Event(), threading.Event()
    threads = start(both := replace(parts(intake), close=closed.set), died)

    both.end()

    assert closed.wait(10)
    if isinstance(intake, BusyLoop):
        intake.may_end.set()
    assert end(threads, died) == (EXIT_PART_DIED if error else EXIT_STOPPED)


def test_a_stop_on_request_ends_with_code_0() -> None:
    died = threading.Event()
    threads = start(both := parts(Loop(), Loop()), died)

    both.end()

    assert end(threads, died) == EXIT_STOPPED


def test_a_process_is_ready_while_no_part_has_a_problem() -> None:
    intake, enforcer, other = Loop(), Loop(), Loop()
    running = parts(intake, enforcer, other)

    assert running.problem is None
    other.problem = "IP set f2b-ipv4: not allowed"
    assert running.problem == "IP set f2b-ipv4: not allowed"
    intake.problem = "queue f2b: no answer"
    assert running.problem == "queue f2b: no answer"
    running.end()
    assert running.problem == "stopping"


@pytest.mark.parametrize("place", [0, 1])
def test_a_loop_that_stands_still_is_a_problem_and_after_ten_minutes_ends_the_process(place: int) -> None:
    loops = [Loop(), Loop()]
    running = parts(*loops)
    name = ["intake", "enforcer of eu-west-1"][place]

    loops[place].clock.advance(STILL_S)
    assert running.problem == f"{name} has not turned for 30 s"
    assert running.stuck is None

    loops[place].clock.advance(STUCK_S - STILL_S)
    assert running.stuck == f"{name} has not turned for 600 s"

    loops[place].pulse.beat()
    assert not running.problem
    assert not running.stuck


def test_a_process_that_only_enforces_is_as_ready_as_its_enforcers_and_hands_them_what_holds_now() -> None:
    enforcer, kept = Loop(), list[object]()
    running = replace(parts(Loop(), enforcer), intake=None, keep=kept.append)
    threads = start(running, threading.Event())

    assert running.problem is None
    enforcer.problem = "IP set f2b-ipv4: not allowed"
    assert running.problem == "IP set f2b-ipv4: not allowed"
    running.hand_over()
    assert kept == [running.rules.policy]
    assert enforcer.used == [(running.rules.allowed, running.rules.apart)]
    running.end()
    assert end(threads, threading.Event()) == EXIT_STOPPED


def test_a_loop_that_is_stuck_ends_the_process_with_code_4() -> None:
    stuck = Loop()
    stuck.clock.advance(STUCK_S)
    died = threading.Event()

    threads = start(running := parts(Loop(), stuck), died)

    assert running.stop.wait(10)
    assert end(threads, died) == EXIT_PART_DIED


class TestReload:
    def reloaded(self, running: Parts, config: Path, text: str) -> dict[str, Any]:
        config.write_text(text)
        with structlog.testing.capture_logs() as lines:
            reload_jails(running, WorkerSettings(queue="f2b"), config)
        return dict(lines[0])

    def test_jails_and_allowlist_hold_at_once(self, tmp_path: Path) -> None:
        intake, enforcer = Loop(), Loop()
        line = self.reloaded(
            parts(intake, enforcer), tmp_path / "f2b.toml", "[defaults]\nignoreip = ['192.0.2.1']\n"
        )
        assert line["event"] == "jails_reloaded"
        assert "blocklists" not in line
        assert (len(intake.used), len(enforcer.used)) == (1, 1)

    def test_changed_blocklists_are_said_to_need_a_restart(self, tmp_path: Path) -> None:
        text = "[blocklists.captcha]\nip_set = 'doubt'\n"
        running = parts(Loop(), Loop())
        assert "restart" in self.reloaded(running, tmp_path / "f2b.toml", text)["blocklists"]
        as_before = chosen_blocklists(read_jails(tmp_path / "f2b.toml"), WorkerSettings(queue="f2b"))
        running = replace(running, blocklists=as_before)
        assert "blocklists" not in self.reloaded(running, tmp_path / "f2b.toml", text)

    def test_a_file_that_cannot_be_used_leaves_what_there_is(self, tmp_path: Path) -> None:
        intake = Loop()
        line = self.reloaded(parts(intake), tmp_path / "f2b.toml", "[defaults]\nmaxretry = 0\n")
        assert line["event"] == "jails_kept"
        assert intake.used == []

    def test_a_process_says_which_call_for_a_reload_it_followed_and_stays_behind_where_it_refused(
        self, tmp_path: Path
    ) -> None:
        running = parts(Loop())
        assert running.said == Said("", 0, judges=True, oldest_ms=0)
        running.rules.control = Control(generation=1)
        self.reloaded(running, tmp_path / "f2b.toml", "[defaults]\nmaxretry = 3\n")
        assert running.said.generation == 1
        running.rules.control = Control(generation=2)
        self.reloaded(running, tmp_path / "f2b.toml", "[defaults]\nmaxretry = 0\n")
        assert running.said.generation == 1


class TestBlocklists:
    def chosen(self, folder: Path, text: str, *ip_set: str, scope: str = "REGIONAL") -> tuple[Blocklist, ...]:
        config = folder / "f2b.toml"
        config.write_text(text)
        return chosen_blocklists(
            read_jails(config), WorkerSettings(queue=None, ip_set=ip_set, scope=cast("Any", scope))
        )

    def test_without_any_ip_set_nothing_is_enforced(self, tmp_path: Path) -> None:
        assert self.chosen(tmp_path, "[blocklists.block]\nforeign = 'remove'\n") == ()

    def test_the_options_give_block_its_sets_and_scope_and_the_file_gives_the_rest(self, tmp_path: Path) -> None:
        text = "[blocklists.block]\nforeign = 'adopt'\n[blocklists.captcha]\nip_set = 'doubt'\n"
        block, captcha = self.chosen(tmp_path, text, "f2b", "more", scope="CLOUDFRONT")
        assert (block.name, block.ip_sets, block.scope, block.foreign) == (
            "block", ("f2b", "more"), Scope.CLOUDFRONT, "adopt",
        )  # fmt: skip
        assert (captcha.name, captcha.ip_sets, captcha.scope) == ("captcha", ("doubt",), Scope.REGIONAL)

    def test_the_options_alone_make_block(self, tmp_path: Path) -> None:
        assert self.chosen(tmp_path, "", "f2b") == (Blocklist("block", ("f2b",)),)

    def test_sets_of_block_from_both_sides_are_refused_in_one_line_that_names_them(self, tmp_path: Path) -> None:
        told = r"^\[blocklists.block\] ip_set \(own\) and --ip-set \(f2b\) both name the IP sets of block: "
        with pytest.raises(StartError, match=told):
            self.chosen(tmp_path, "[blocklists.block]\nip_set = 'own'\n", "f2b")

    @pytest.mark.parametrize(
        ("name", "line", "action"),
        [
            ("captcha", "", "captcha"),
            ("challenge", "", "challenge"),
            ("count", "", "count"),
            ("block", "", "block"),
            ("office", "", "block"),
            ("office", "action = 'captcha'", "captcha"),
            ("captcha", "action = 'block'", "block"),
        ],
    )
    def test_a_blocklist_does_what_its_name_says_unless_it_says_otherwise(
        self, tmp_path: Path, name: str, line: str, action: str
    ) -> None:
        (found,) = self.chosen(tmp_path, f"[blocklists.{name}]\nip_set = 'x'\n{line}\n")
        assert found.action == action

    def test_what_is_enforced_is_written_down_alike_in_any_order_and_otherwise_where_it_differs(self) -> None:
        one, two = Blocklist("block", ("a", "b")), Blocklist("captcha", ("c",))
        text = as_text([one, two])
        assert text == "block (a b REGIONAL keep), captcha (c REGIONAL keep)"
        assert text == as_text([two, replace(one, ip_sets=("b", "a"))])
        others = (
            [one],
            [replace(one, scope=Scope.CLOUDFRONT), two],
            [replace(one, foreign=Foreign.ADOPT), two],
            [replace(one, collapse=Collapse(3)), two],
        )
        assert len({text, *map(as_text, others)}) == 5


class TestConflict:
    def parts(self, *otherwise: str) -> Parts:
        return replace(
            parts(Loop()),
            regions=[
                RegionPorts(
                    f"eu-west-{number}",
                    (Blocklist("block", ("f2b",)),),
                    lease=cast("Any", SimpleNamespace(otherwise=theirs)),
                    **dict.fromkeys(("bans", "finder", "notebook"), cast("Any", None)),
                )
                for number, theirs in enumerate(otherwise)
            ],
        )

    def test_a_fleet_with_one_configuration_has_nothing_to_say(self) -> None:
        assert self.parts("", "").conflict is None

    def test_who_stands_by_behind_another_configuration_says_which_and_is_ready_all_the_same(self) -> None:
        standby = self.parts("", "captcha (doubt REGIONAL keep)")
        line = standby.conflict or ""
        assert "eu-west-1" in line
        assert "captcha (doubt REGIONAL keep)" in line
        assert "block (f2b REGIONAL keep)" in line
        assert standby.problem is None

    def test_it_is_logged_once_a_minute_and_shown_in_the_metrics(self) -> None:
        clock = FakeClock()
        alarms = Alarms(clock)
        with structlog.testing.capture_logs() as lines:
            for _ in range(180):
                report_conflicts(self.parts("", "captcha (doubt REGIONAL keep)"), alarms)
                clock.advance(1)
        assert [(line["event"], line["about"]) for line in lines] == [("configured_otherwise", "eu-west-1")] * 3
        shown = [
            REGISTRY.get_sample_value("f2b_enforcer_configured_otherwise", {"region": region})
            for region in ("eu-west-0", "eu-west-1")
        ]
        assert shown == [0, 1]


@pytest.mark.parametrize(
    ("host", "told"),
    [("192.0.2.1", "Cannot assign requested address"), ("no.such.host.invalid", r"\w+")],
)
def test_a_host_that_is_none_of_this_machine_is_named_in_one_line(host: str, told: str) -> None:
    with pytest.raises(StartError, match=rf"^--metrics-host {re.escape(host)}: cannot listen: {told}") as refused:
        serve_health(host, 0, lambda _environ, _start: [])
    assert "\n" not in str(refused.value)


def test_a_metrics_port_that_is_taken_is_named_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartError) as refused:
            serve_health("127.0.0.1", port, lambda _environ, _start: [])
    assert str(refused.value) == f"--metrics-port {port}: cannot listen: Address already in use"
