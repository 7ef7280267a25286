"""Real intakes that stand still before every call to a port until they are told how the call ends."""

from __future__ import annotations

import threading
from collections import Counter, deque
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from f2b_worker.errors import Invalid, Unavailable
from f2b_worker.intake.loop import Intake
from f2b_worker.testing import MemoryInbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from f2b_worker.domain.jails import Policy
    from f2b_worker.errors import F2bError
    from f2b_worker.ports import Clock, Ledger, Message

FORTNIGHT_MS = 14 * 24 * 3600 * 1000


class Fate(Enum):
    """How a call to a port ends."""

    DONE = auto()
    DIES_BEFORE = auto()
    DIES_AFTER = auto()
    OUTAGE = auto()
    ANSWER_LOST = auto()
    ONE_AWAY = auto()  # one offender's partition does not answer, all others do
    ONE_REFUSED = auto()


class DeathError(Exception):
    """The worker's process is gone."""


class Queue(MemoryInbox):
    """A queue that gives out as many messages as it is told to, and remembers what became of each."""

    def __init__(self) -> None:
        super().__init__()
        self.delivered: Counter[str] = Counter()
        self.deleted: Counter[str] = Counter()
        self._held_back: deque[Message] = deque()

    def receive(self, *, wait_s: float) -> list[Message]:
        received = super().receive(wait_s=wait_s)
        self.delivered.update(message.id for message in received)
        return received

    def delete(self, messages: Sequence[Message]) -> None:
        super().delete(messages)
        self.deleted.update(message.id for message in messages)

    def chosen(self, order: Iterable[int], number: int) -> None:
        """Put *number* of the waiting messages, in the *order* of these places, before all others."""
        waiting = list(self.waiting)
        first = [waiting[place] for place in order][:number]
        ids = {id(message) for message in first}
        self.waiting = deque(first)
        self._held_back = deque(message for message in waiting if id(message) not in ids)

    def bring_back(self) -> None:
        """Let the messages that were not chosen wait again."""
        self.waiting.extend(self._held_back)
        self._held_back.clear()

    def show_again(self) -> None:
        """Let the visibility timeout of every message in flight end, whoever still works on it."""
        self.waiting.extend(self.in_flight.values())
        self.in_flight.clear()


class Worker:
    """One worker.

    Attributes:
        at: The call that it stands before; None while it has nothing to do.
        unanswered: How many calls of each name were done although their answer was lost.
    """

    def __init__(self, queue: Queue, ledger: Ledger, policy: Policy, clock: Clock) -> None:
        self.at: str | None = None
        self.unanswered: Counter[str] = Counter()
        self._queue = queue
        self._ports = (_Stepped(self, queue), _Stepped(self, ledger))
        self._policy = policy
        self._clock = clock
        self._steps = (threading.Semaphore(0), threading.Semaphore(0))
        self._fate, self._unlucky = Fate.DONE, 0
        self._failure: BaseException | None = None
        self._stop = threading.Event()
        self.restart()

    def restart(self) -> None:
        """Be a new process."""
        inbox, ledger = self._ports
        self._intake = Intake(
            inbox,
            ledger,
            self._policy,
            self._clock,
            max_age_ms=FORTNIGHT_MS,
            extend_resolution_s=3,
            aside=lambda work: work(),
        )

    def start(self) -> None:
        """Receive what the queue gives, and go as far as the first call for it, or for what rested."""
        messages = self._intake.gather()
        self._stop = threading.Event()
        self._run_until_a_call(threading.Thread(target=self._settle, args=(messages,), daemon=True).start)

    def step(self, fate: Fate = Fate.DONE, *, unlucky: int = 0, stop: bool = False) -> None:
        """Let the call that the worker stands before end like that, and go as far as the next one.

        Args:
            fate: How it ends.
            unlucky: Which of the call's offenders fails, if one does.
            stop: Whether the worker is asked to stop meanwhile.
        """
        if stop:
            self._stop.set()
        self._fate, self._unlucky = fate, unlucky
        self._run_until_a_call(self._steps[0].release)

    def reach(self, call: str) -> None:
        """Go as far as the next *call*, or to the end of this pass."""
        while self.at and self.at != call:
            self.step()

    def finish(self, fate: Fate = Fate.DONE) -> None:
        """Let all further calls of this pass end like that."""
        while self.at:
            self.step(fate)

    def call(self, name: str, do: Callable[..., Any], asked: tuple[Any, ...]) -> Any:
        """Wait for the fate of one call, in the worker's thread."""
        self.at = name
        self._steps[1].release()
        self._steps[0].acquire()
        if self._fate is Fate.DIES_BEFORE:
            raise DeathError
        if self._fate is Fate.OUTAGE:
            return _failed(name, asked, Unavailable("no answer"))
        answer = self._answer(name, do, asked)
        if self._fate is Fate.DIES_AFTER:
            raise DeathError
        if self._fate is Fate.ANSWER_LOST:
            self.unanswered[name] += 1
            return _failed(name, asked, Unavailable("the answer is lost"))
        return answer

    def _answer(self, name: str, do: Callable[..., Any], asked: tuple[Any, ...]) -> Any:
        error = {Fate.ONE_AWAY: Unavailable("away"), Fate.ONE_REFUSED: Invalid("refused")}.get(self._fate)
        if error is None or name not in ("ban_strangers", "record", "commit") or not asked[0]:
            return do(*asked)
        (of_offenders,) = asked
        unlucky = sorted(of_offenders)[self._unlucky % len(of_offenders)]
        answers = do({who: what for who, what in of_offenders.items() if who != unlucky})
        return answers | {unlucky: error}

    def _settle(self, messages: Sequence[Message]) -> None:
        try:
            self._intake.turn(messages, self._stop)
            if self._stop.is_set():
                self._intake.finish()
        except DeathError:
            self.restart()
        except BaseException as error:  # noqa: BLE001  # whatever it is, the test's own thread raises it
            self._failure = error
        self.at = None
        self._steps[1].release()

    def _run_until_a_call(self, go: Callable[[], object]) -> None:
        go()
        self._steps[1].acquire()
        failure, self._failure = self._failure, None
        if failure:
            raise failure


def _failed(name: str, asked: tuple[Any, ...], error: F2bError) -> Sequence[F2bError]:
    """Fail as the port does: burying answers for each letter, all else raises."""
    if name == "bury":
        return [error] * len(asked[0])
    raise error


class _Stepped:
    """A port whose calls are the worker's steps; receiving and postponing are none."""

    def __init__(self, worker: Worker, port: Any) -> None:
        self._worker = worker
        self._port = port

    def __getattr__(self, name: str) -> Any:
        do = getattr(self._port, name)
        if not callable(do):
            return do
        return do if name in ("receive", "postpone") else lambda *asked: self._worker.call(name, do, asked)
