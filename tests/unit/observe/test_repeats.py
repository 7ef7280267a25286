"""Whatever comes a hundred thousand times within a minute makes few lines, and they say how many it was."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from f2b_worker.adapters.sqs.deliveries import read_deliveries
from f2b_worker.errors import Rejected
from f2b_worker.observe import log as log_lines
from f2b_worker.observe import repeats
from f2b_worker.observe.repeats import OF_ONE_EVENT_MAX, OF_ONE_THING_MAX, WINDOW_S, Repeats
from tests.unit.intake.scene import Scene as IntakeScene
from tests.unit.shim.scene import Shim, refusals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

STORM = 100_000
TELLS = "log_lines_left_out"


class Scene:
    """A log of its own, whose clock stands until the test moves it."""

    def __init__(self, level: str = "debug") -> None:
        self.now_s = 1000.0
        self.due: list[tuple[float, Callable[[], None]]] = []
        self.counted: Counter[str] = Counter()
        self.lines: list[dict[str, Any]] = []
        self.processor = Repeats(self._count, monotonic_s=lambda: self.now_s, later=self._later)
        structlog.configure(
            processors=[self.processor, structlog.processors.add_log_level, self._keep],
            wrapper_class=structlog.make_filtering_bound_logger(level),
        )
        self.log: structlog.stdlib.BoundLogger = structlog.get_logger()

    def pass_s(self, seconds: float) -> None:
        self.now_s += seconds
        due, self.due = [each for each in self.due if each[0] <= self.now_s], []
        for _, call in due:
            call()

    def of(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["event"] == event]

    def told(self, event: str) -> int:
        return sum(line["lines"] for line in self.of(TELLS) if line["of"] == event)

    def _count(self, event: str) -> None:
        self.counted[event] += 1

    def _later(self, in_s: float, call: Callable[[], None]) -> None:
        self.due.append((self.now_s + in_s, call))

    def _keep(self, _logger: object, _method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
        self.lines.append(dict(line))
        raise structlog.DropEvent


@pytest.fixture(autouse=True)
def _log_of_others() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_a_storm_of_one_event_is_a_hundred_lines_and_one_that_has_the_number_of_the_rest() -> None:
    scene = Scene()
    for number in range(STORM):
        scene.log.warning("refused", messages=1, first=f"{number} is no address")

    assert len(scene.lines) == OF_ONE_THING_MAX
    scene.pass_s(WINDOW_S)
    (told,) = scene.of(TELLS)
    assert told == {
        "event": TELLS,
        "level": "warning",
        "of": "refused",
        "lines": STORM - OF_ONE_THING_MAX,
    }
    assert scene.counted == {"refused": STORM - OF_ONE_THING_MAX}


def test_the_number_is_told_though_nothing_is_logged_any_more_and_only_once() -> None:
    scene = Scene()
    for _ in range(OF_ONE_THING_MAX + 1):
        scene.log.info("queue_is_back")
    scene.pass_s(WINDOW_S)
    assert scene.told("queue_is_back") == 1

    scene.pass_s(10 * WINDOW_S)
    scene.processor.tell()
    assert scene.told("queue_is_back") == 1


def test_what_is_to_be_told_later_is_told_by_a_thread_that_keeps_no_process_alive() -> None:
    told, threads = threading.Event(), []

    def tell() -> None:
        threads.append(threading.current_thread().daemon)
        told.set()

    repeats._later(0.0, tell)

    assert told.wait(30)
    assert threads == [True]


def test_after_the_minute_the_event_is_shown_again() -> None:
    scene = Scene()
    for _ in range(2):
        for _ in range(OF_ONE_THING_MAX + 5):
            scene.log.info("queue_is_back")
        scene.pass_s(WINDOW_S)

    assert len(scene.of("queue_is_back")) == 2 * OF_ONE_THING_MAX
    assert scene.told("queue_is_back") == 10


def test_what_is_left_out_at_the_stop_is_told_at_the_stop() -> None:
    scene = Scene()
    for _ in range(OF_ONE_THING_MAX + 3):
        scene.log.info("queue_is_back")
    scene.processor.tell()
    assert scene.told("queue_is_back") == 3


def test_one_ip_set_in_trouble_crowds_the_lines_of_no_other_out() -> None:
    scene = Scene()
    for _ in range(STORM // 100):
        scene.log.info("ip_set_updated", ip_set="f2b-ipv4")
    scene.log.info("ip_set_updated", ip_set="f2b-ipv6")
    assert scene.lines[-1]["ip_set"] == "f2b-ipv6"


def test_an_attacker_with_many_addresses_makes_no_more_lines_than_an_event_has() -> None:
    scene = Scene()
    for number in range(STORM):
        scene.log.error("entry_quarantined", about=f"2001:db8::{number:x}")
    assert len(scene.lines) == OF_ONE_EVENT_MAX
    scene.pass_s(WINDOW_S)
    assert scene.told("entry_quarantined") == STORM - OF_ONE_EVENT_MAX


def test_what_is_remembered_of_a_storm_is_bounded_too() -> None:
    scene = Scene()
    for number in range(STORM // 10):
        scene.log.error("entry_quarantined", about=f"2001:db8::{number:x}")
    assert len(scene.processor._shown) <= OF_ONE_EVENT_MAX + 1


def test_each_ban_has_its_line_and_so_has_whatever_somebody_asks_for_to_debug() -> None:
    scene = Scene()
    for number in range(OF_ONE_EVENT_MAX * 2):
        scene.log.info("banned", jail="login", key=f"2001:db8:0:{number:x}::/64")
        scene.log.debug("judged", jail="login")
    assert Counter(line["event"] for line in scene.lines) == dict.fromkeys(("banned", "judged"), 1000)


def test_who_asks_for_errors_alone_hears_how_many_of_them_are_left_out() -> None:
    scene = Scene(level="error")
    for _ in range(OF_ONE_THING_MAX + 7):
        scene.log.error("dead_letter_refused", message="1", reason="no")
    scene.pass_s(WINDOW_S)
    assert (scene.told("dead_letter_refused"), scene.lines[-1]["level"]) == (7, "error")


def test_a_thing_that_is_a_list_makes_no_line_fail() -> None:
    scene = Scene()
    for _ in range(OF_ONE_THING_MAX + 1):
        scene.log.error("stopped_late", part=["intake"])
    assert len(scene.lines) == OF_ONE_THING_MAX


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["refused", "held_up", "ip_set_updated"]),
            st.sampled_from(["", "a", "b"]),
            st.sampled_from([0.0, 0.0, 0.01, 30.0, 61.0]),
            st.integers(1, 150),
        ),
        max_size=25,
    )
)
def test_what_is_shown_and_what_is_told_are_together_what_was_logged(
    steps: list[tuple[str, str, float, int]],
) -> None:
    scene = Scene()
    logged: Counter[str] = Counter()
    for event, thing, pause_s, times in steps:
        for _ in range(times):
            scene.log.warning(event, about=thing)
        logged[event] += times
        scene.pass_s(pause_s)
    scene.processor.tell()

    for event in logged:
        assert len(scene.of(event)) + scene.told(event) == logged[event]
        assert scene.told(event) == scene.counted[event]


def damaged(number: int) -> dict[str, Any]:
    sent = {"SentTimestamp": "1795970000000"}
    return {
        "MessageId": f"{number}",
        "ReceiptHandle": "r",
        "Body": "{}",
        "MD5OfBody": "0" * 32,
        "Attributes": sent,
    }


def test_a_hundred_thousand_messages_that_come_damaged_are_a_hundred_lines_and_the_rest_as_a_number() -> None:
    scene = Scene()
    for first in range(0, STORM, 10):
        read_deliveries([damaged(first + number) for number in range(10)], "receiving", now_ms=0)

    scene.pass_s(WINDOW_S)
    assert len(scene.of("message_left")) == OF_ONE_THING_MAX
    assert scene.told("message_left") == STORM - OF_ONE_THING_MAX


def test_a_worker_whose_dead_letter_queue_takes_nothing_tells_of_each_bad_message_by_a_line_or_by_a_number() -> (
    None
):
    scene, intake = Scene(), IntakeScene()
    intake.inbox.fail("bury", *[Rejected("too large")] * 250)
    ids = {intake.inbox.put("no JSON") for _ in range(250)}
    while intake.inbox.waiting:
        intake.worker.turn(intake.worker.gather(), intake.stop)

    scene.processor.tell()
    assert intake.inbox.left == ids
    assert len(scene.of("dead_letter_refused")) == OF_ONE_THING_MAX
    assert scene.told("dead_letter_refused") == 250 - OF_ONE_THING_MAX


def test_a_storm_of_refused_requests_is_counted_and_logs_nothing() -> None:
    scene, shim, before = Scene(), Shim(), refusals("bad_address")

    async def storm(http: httpx.AsyncClient) -> httpx.Response:
        for _ in range(500):
            await asyncio.gather(http.get("/infraction/nobody"), http.post("/infractions", content="{"))
        return await http.get("/infraction/nobody")

    assert shim.run(storm).status_code == 400
    assert refusals("bad_address") == before + 501
    assert scene.lines == []


REAL = """
import sys, structlog
from f2b_worker.observe import log as log_lines
log_lines.configure("info")
for number in range(int(sys.argv[1])):
    structlog.get_logger().error("request_failed", number=number)
log_lines.finish()
from prometheus_client import REGISTRY
print(REGISTRY.get_sample_value("f2b_log_lines_left_out_total", {"event": "request_failed"}))
"""


def test_a_process_that_ends_within_its_storm_has_told_all_of_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", REAL, "20000"], capture_output=True, text=True, check=True, timeout=60
    )
    *shown, told = map(json.loads, done.stderr.splitlines())
    assert [line["number"] for line in shown] == list(range(OF_ONE_THING_MAX))
    assert (told["event"], told["level"], told["of"]) == (TELLS, "error", "request_failed")
    assert told["lines"] == float(done.stdout) == 20000 - OF_ONE_THING_MAX


def test_a_forked_process_tells_only_what_it_left_out_itself() -> None:
    forks = """
import os, structlog
from f2b_worker.observe import log as log_lines
log_lines.configure("info")
log = structlog.get_logger()
for number in range(150):
    log.info("parent")
if not (child := os.fork()):
    for number in range(101):
        log.info("child")
    log_lines.finish()
    os._exit(0)
os.waitpid(child, 0)
log_lines.finish()
"""
    done = subprocess.run([sys.executable, "-c", forks], capture_output=True, text=True, check=True, timeout=60)
    told = [json.loads(line) for line in done.stderr.splitlines() if TELLS in line]
    assert {(line["of"], line["lines"]) for line in told} == {("parent", 50), ("child", 1)}


def test_the_real_log_leaves_repeated_lines_out(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    log_lines.configure("info")
    before = REGISTRY.get_sample_value("f2b_log_lines_left_out_total", {"event": "held_up"}) or 0.0
    for _ in range(OF_ONE_THING_MAX + 2):
        structlog.get_logger().warning("held_up", jail="login", kind="Throttled")
    log_lines.finish()

    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert Counter(line["event"] for line in lines) == {"held_up": OF_ONE_THING_MAX, TELLS: 1}
    assert REGISTRY.get_sample_value("f2b_log_lines_left_out_total", {"event": "held_up"}) == before + 2


def test_the_events_that_are_never_left_out_are_events() -> None:
    from f2b_worker.cli.log_page import events  # noqa: PLC0415 - it reads the whole source

    assert set(events()) >= repeats._RECORDS
