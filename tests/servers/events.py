"""What happens to a server while its clients go on, and what became of the reports."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.servers.load import Load
from tests.servers.local_queue import LocalQueue, Mood
from tests.servers.served import Running, Server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BEFORE_S = 1.5  # the load goes on so long before something happens
AFTER_S = 1.5
QUIET_WITHIN_S = 30.0
"""What is not lost has arrived by then: a round in an outage begins every 2.5 to 5 s."""
HANGS_AFTER_S = 30.0
"""Who takes longer to stop hangs: 10 s are the server's own, 5 s `flush_timeout_s`, the rest a slow machine's."""
WORKER_WITHIN_S = 60.0
KILLED_S = 1.5
"""What a killed worker answered so shortly before may be lost: it lingered, or was on its way."""


@dataclass
class Outcome:
    """What became of the reports.

    Attributes:
        reported: The notes of all requests that were answered 200, and when.
        arrived: The notes that the queue has.
        told: What each process told as lost.
        unanswered: How many requests may have reported although nobody was answered.
        took_s: How long the server took to stop; None if it did not, or was not asked to.
        wrong: What was not as promised, in words.
        forgiven: The notes that this event may lose without a word.
    """

    server: str
    version: str
    event: str
    reported: dict[str, float]
    arrived: set[str]
    told: dict[str, int]
    unanswered: int
    took_s: float | None = None
    wrong: list[str] = field(default_factory=list)
    forgiven: set[str] = field(default_factory=set)

    @property
    def lost(self) -> set[str]:
        """The notes of what was answered and did not arrive."""
        return self.reported.keys() - self.arrived

    def judge(self, *, may_lose: bool) -> None:
        """Find what is not as promised."""
        lost = len(self.lost - self.forgiven)
        told = sum(self.told.values())
        if not self.reported:
            self.wrong.append("nobody was answered")
        if lost and not may_lose:
            self.wrong.append(f"{lost} lost")
        if lost > told:
            self.wrong.append(f"{lost} lost, {told} told")
        if told > len(self.lost) + self.unanswered:
            self.wrong.append(f"{told} told, {len(self.lost)} lost")


class Play:
    """One event of one server: the queue, the server and its clients run, then the event happens.

    Args:
        server: The server.
        event: A key of `EVENTS`.
        log: The file for what the server writes.
    """

    def __init__(self, server: Server, event: str, log: Path) -> None:
        self.server, self.event, self._log = server, event, log
        self.forgiven_since_s: dict[int, float] = {}
        self.took_s: float | None = None
        self.wrong: list[str] = []
        self.may_lose = False

    def run(self) -> Outcome:
        """Let it happen, and return what became of the reports."""
        more = self.server.recycling if "recycling" in self.event else ()
        with (
            LocalQueue() as self.queue,
            Running(self.server, self.queue, self._log, more=more) as self.running,
            Load(self.running.port) as self.load,
        ):
            time.sleep(BEFORE_S)
            EVENTS[self.event](self)
            self.load.stop()
            if self.server.sends_at_stop and self.took_s is None:
                self.stop(self.server.stops)
            self._settle()
            return self._outcome()

    def senders(self) -> set[int]:
        """Name the processes of which something has arrived."""
        answered = dict(self.load.answered)
        return {answered[note].pid for note in self.queue.notes() & answered.keys()}

    def stop(self, number: signal.Signals, *, every_process: bool = False) -> None:
        """Stop the server by a signal, and see that all of it ends."""
        self.running.signal(number, every_process=every_process)
        self.took_s = self.running.ended_within_s(HANGS_AFTER_S)
        if self.took_s is None:
            self.wrong.append(f"still runs {HANGS_AFTER_S:.0f} s after {number.name}")

    def _settle(self) -> None:
        """Wait for what is still on its way, where there is somebody to send it."""
        if self.took_s is not None:
            return
        deadline_s = time.monotonic() + QUIET_WITHIN_S
        awaited = self.load.answered.keys() - self._forgiven()
        while awaited - self.queue.notes() and time.monotonic() < deadline_s:
            time.sleep(0.05)

    def _forgiven(self) -> set[str]:
        """Name what a killed process answered shortly before."""
        since_s = self.forgiven_since_s
        answered = self.load.answered.items()
        return {note for note, each in answered if each.pid in since_s and each.at_s >= since_s[each.pid]}

    def _outcome(self) -> Outcome:
        answered = self.load.answered
        outcome = Outcome(
            self.server.name,
            self.server.version,
            self.event,
            {note: each.at_s for note, each in answered.items()},
            self.queue.notes(),
            self.running.told(),
            len(self.load.unanswered) + self.server.reports_at_import,
            self.took_s,
            self.wrong,
            self._forgiven(),
        )
        outcome.judge(may_lose=self.may_lose)
        # "import" is reported by each load of the application.
        if twice := [note for note, times in self.queue.arrived.items() if times > 1 and note != "import"]:
            outcome.wrong.append(f"{len(twice)} arrived twice")
        return outcome


def stop(play: Play) -> None:
    """SIGTERM to the first process, as an orchestrator of containers sends it; to Apache another."""
    play.stop(play.server.stops)


def stop_of_all(play: Play) -> None:
    """SIGTERM to every process at once, as systemd sends it (KillMode=control-group, its default)."""
    play.stop(signal.SIGTERM, every_process=True)


def interrupt(play: Play) -> None:
    """SIGINT to every process: Ctrl-C in a terminal."""
    play.stop(signal.SIGINT, every_process=True)


def reload(play: Play) -> None:
    """The workers are started anew while the clients go on, twice."""
    assert play.server.reload is not None
    for _ in range(2):
        before = play.load.pids
        play.running.signal(play.server.reload)
        play.running.until(lambda before=before: bool(play.load.pids - before), WORKER_WITHIN_S, "a new worker")  # type: ignore[misc]
        time.sleep(AFTER_S)


def recycling(play: Play) -> None:
    """Workers end after some requests and others take their place; at least three of them."""
    play.running.until(lambda: len(play.load.pids) > 3, WORKER_WITHIN_S, "recycled workers")
    time.sleep(AFTER_S)


def kill(play: Play) -> None:
    """SIGKILL of one worker: what it had not yet sent is lost, and no more."""
    doomed = min(play.load.pids)
    play.running.until(lambda: doomed in play.senders(), QUIET_WITHIN_S, "a worker sends")
    time.sleep(2 * KILLED_S)
    play.forgiven_since_s[doomed] = time.monotonic() - KILLED_S
    os.kill(doomed, signal.SIGKILL)
    time.sleep(AFTER_S)


def outage(play: Play) -> None:
    """The queue goes away, and then the server is stopped: what is lost is told."""
    play.may_lose = True
    play.queue.mood = Mood.REFUSES
    time.sleep(AFTER_S)
    play.stop(play.server.stops)


def hanging_outage(play: Play) -> None:
    """The same with a queue that takes connections and never answers."""
    play.may_lose = True
    play.queue.mood = Mood.HANGS
    time.sleep(AFTER_S)
    play.stop(play.server.stops)


def recycling_in_an_outage(play: Play) -> None:
    """Workers are recycled while the queue is away: what is lost is told, and the clients are served."""
    play.may_lose = True
    play.queue.mood = Mood.BUSY
    recycling(play)
    play.load.stop()
    play.stop(play.server.stops)


def passing_outage(play: Play) -> None:
    """The queue is away for a while: nothing is lost."""
    for mood in (Mood.REFUSES, Mood.BUSY):
        play.queue.mood = mood
        time.sleep(AFTER_S)
    play.queue.mood = Mood.ANSWERS
    time.sleep(AFTER_S)


EVENTS: dict[str, Callable[[Play], None]] = {
    "stop": stop,
    "stop of all": stop_of_all,
    "interrupt": interrupt,
    "reload": reload,
    "recycling": recycling,
    "kill": kill,
    "outage": outage,
    "hanging outage": hanging_outage,
    "recycling in an outage": recycling_in_an_outage,
    "passing outage": passing_outage,
}


def events_of(server: Server) -> list[str]:
    """Name the events that can happen to *server*."""
    without = set(server.without)
    if server.reload is None:
        without.add("reload")
    if not server.recycling:
        without |= {"recycling", "recycling in an outage"}
    return [event for event in server.events or EVENTS if event not in without]
