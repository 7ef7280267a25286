"""A worker's intake in memory, whose parts fail when they are told to."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

from prometheus_client import REGISTRY

from f2b_worker.domain.jails import MINUTE_MS, Jail, Policy, Window
from f2b_worker.domain.judge.verdicts import Ban, Hit, Offender, OffenderId
from f2b_worker.errors import F2bError
from f2b_worker.intake.loop import Intake
from f2b_worker.testing import FakeClock, MemoryInbox, MemoryLedger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from f2b_worker.domain.judge.decisions import Decision
    from f2b_worker.ports import Answers, DeadLetter, Message

NOW_MS = FakeClock().now_ms()
NOW_S = NOW_MS // 1000
DAY_S = 24 * 3600
FORTNIGHT_MS = 14 * DAY_S * 1000
SQS_MESSAGE_MAX_BYTES = 2**20
BAD_IP, GOOD_IP, OTHER_IP = "203.0.113.66", "203.0.113.7", "198.51.100.1"
POLICY = Policy(
    jails={
        "slow": Jail("slow", windows=(Window(7, 10 * MINUTE_MS),)),
        "watch": Jail("watch", observed=True),
    }
)


def who(ip: str, jail: str = "default") -> OffenderId:
    return OffenderId(jail, f"{ip}/32")


def items(ip: str, count: int = 5, **more: Any) -> list[dict[str, Any]]:
    """Infractions of the last seconds; five of them ban by default."""
    return [{"ip": ip, "at": NOW_S - count + n, "id": f"{ip}-{n}", **more} for n in range(count)]


def body(ip: str, count: int = 5, **more: Any) -> str:
    return json.dumps(items(ip, count, **more))


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"f2b_{name}_total", labels) or 0.0


def at_once(work: Callable[[], None]) -> None:
    """Do aside of the loop what is to be done there, but now."""
    work()


class WatchedClock(FakeClock):
    """Remembers every wait; whoever wants to act during one says so."""

    def __init__(self) -> None:
        super().__init__()
        self.waits_s: list[float] = []
        self.on_wait: Callable[[], None] = lambda: None

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        self.waits_s.append(timeout_s)
        self.on_wait()
        return super().wait(event, timeout_s)


class Inbox(MemoryInbox):
    """A queue that says what was done, ends the work when nothing is left in it, and fails where it is told to."""

    def __init__(self, stop: threading.Event, clock: FakeClock) -> None:
        super().__init__()
        self.done: list[str] = []
        self.fails: dict[str, list[F2bError | None]] = {}
        self._stop = stop
        self._clock = clock

    def fail(self, call: str, *errors: F2bError | None) -> None:
        """Make the next calls fail like that; None is a call that succeeds."""
        self.fails[call] = list(errors)

    def _enter(self, call: str) -> None:
        errors = self.fails.get(call, [])
        error = errors.pop(0) if errors else None
        if error:
            raise error
        self.done.append(call)
        assert len(self.done) < 1000, "the loop spins"

    def receive(self, *, wait_s: float) -> list[Message]:
        self._enter("receive")
        received = super().receive(wait_s=wait_s)
        if not received:
            if self.in_flight:
                self._clock.advance(wait_s)
            else:
                self._stop.set()
        return received

    def delete(self, messages: Sequence[Message]) -> None:
        self._enter("delete")
        super().delete(messages)

    def release(self, messages: Sequence[Message]) -> None:
        self._enter("release")
        super().release(messages)

    def bury(self, letters: Sequence[DeadLetter]) -> Sequence[F2bError | None]:
        return [self._bury(letter) for letter in letters]

    def _bury(self, letter: DeadLetter) -> F2bError | None:
        try:
            self._enter("bury")
        except F2bError as error:
            return error
        super().bury([letter])
        return None

    @property
    def left(self) -> set[str]:
        """The ids of the messages that were not deleted."""
        return {*self.in_flight, *(message.id for message in self.waiting)}


class Ledger(MemoryLedger):
    """A ledger that refuses whom it is told to, and lets others act between its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: dict[OffenderId, Exception] = {}
        self.outage: list[F2bError] = []
        self.trim_fails: F2bError | None = None
        self.before_commit: list[Callable[[], object]] = []
        self.commits = 0
        self.written: set[OffenderId] = set()

    def record(self, hits: Mapping[OffenderId, Sequence[Hit]]) -> Answers:
        self.written.update(hits)
        return self._answer(hits, super().record)

    def ban_strangers(self, bans: Mapping[OffenderId, Ban]) -> Answers:
        self.written.update(bans)
        self._before_commit()
        return self._answer(bans, super().ban_strangers)

    def commit(self, decisions: Mapping[OffenderId, Decision]) -> Answers:
        self._before_commit()
        return self._answer(decisions, super().commit)

    def _before_commit(self) -> None:
        self.commits += 1
        if self.before_commit:
            self.before_commit.pop(0)()

    def _answer(self, asked: Mapping[OffenderId, Any], do: Callable[..., Any]) -> dict[OffenderId, Any]:
        if self.outage:
            error = self.outage.pop(0)
            return dict.fromkeys(asked, error)
        answers: Answers = do({who: what for who, what in asked.items() if who not in self.refused})
        return answers | {who: error for who, error in self.refused.items() if who in asked}

    def trim(self, who: OffenderId, spent: Iterable[Hit]) -> None:
        if self.trim_fails:
            raise self.trim_fails
        super().trim(who, spent)

    def hits(self, who: OffenderId) -> frozenset[Hit]:
        answer = MemoryLedger.record(self, {who: []})[who]
        assert isinstance(answer, Offender)
        return answer.hits

    def banned(self) -> dict[OffenderId, Ban]:
        return {each.who: each.ban for each in self.standing()}


class Scene:
    """One worker's intake, and everything around it."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.clock = WatchedClock()
        self.inbox = Inbox(self.stop, self.clock)
        self.ledger = Ledger()
        self.wakes = 0
        self.worker = self.intake()

    def intake(self, **settings: Any) -> Intake:
        given: dict[str, Any] = {"max_age_ms": FORTNIGHT_MS, "on_ban": self._wake, "aside": at_once, **settings}
        return Intake(self.inbox, self.ledger, POLICY, self.clock, **given)

    def _wake(self) -> None:
        self.wakes += 1

    def work(self, *bodies: str) -> list[str]:
        """Put messages into the queue and work until it is empty; answer the messages' ids."""
        ids = [self.inbox.put(each) for each in bodies]
        self.worker.run(self.stop)
        self.stop.clear()
        return ids

    def hit_for_days(self) -> None:
        """Let somebody misbehave a hundred times, but too seldom for a ban."""
        for number in range(100):
            self.clock.advance(20 * 60)
            self.work(json.dumps({"ip": GOOD_IP, "at": self.clock.now_ms() / 1000, "id": str(number)}))

    def stop_after(self, waits: int) -> None:
        """Ask the worker to stop when it has waited so often."""

        def look() -> None:
            if len(self.clock.waits_s) >= waits:
                self.stop.set()

        self.clock.on_wait = look
