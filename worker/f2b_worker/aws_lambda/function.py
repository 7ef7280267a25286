"""One invocation: bounded by the time that it has, and told which messages come again."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import structlog

from f2b_worker.adapters.clock import SystemClock
from f2b_worker.adapters.gate import Gate
from f2b_worker.adapters.sqs.events import read_event
from f2b_worker.aws_lambda import emf
from f2b_worker.aws_lambda.opening import open_function
from f2b_worker.aws_lambda.settings import choose, tell
from f2b_worker.observe import log as log_lines

if TYPE_CHECKING:
    from f2b_worker.adapters.sqs.events import Event
    from f2b_worker.aws_lambda.opening import Opened
    from f2b_worker.aws_lambda.settings import Chosen

log: structlog.stdlib.BoundLogger = structlog.get_logger()

ANSWER_S = 0.5
"""So long before its end an invocation answers, whatever is still under way."""

FINISH_S = 1.5
"""So long before that, the last try to judge begins."""

FORGOTTEN_AFTER_S = 300.0
"""After a longer sleep a container begins anew: its connections are dead then, and what it knows is old."""


class Context(Protocol):
    """What Lambda tells of an invocation."""

    @property
    def aws_request_id(self) -> str:
        """Its name."""
        ...

    def get_remaining_time_in_millis(self) -> int:
        """Tell how much time is left."""
        ...


class _Deadlines(NamedTuple):
    """When the last try begins, and when the answer is given, in seconds from now."""

    finish_s: float
    answer_s: float

    @classmethod
    def within(cls, left_s: float) -> _Deadlines:
        answer_s = max(left_s - ANSWER_S, left_s / 2)
        return cls(max(answer_s - FINISH_S, answer_s / 2), answer_s)


class _Kept(NamedTuple):
    """What is kept for the next invocation, and since when, by both clocks: a freeze may stop either of them."""

    opened: Opened
    gate: Gate
    since_s: float
    since_ms: int


class _Run:
    """The work of one invocation, in a thread that is left alone when the time is over."""

    def __init__(self, event: Event, chosen: Chosen, kept: _Kept | None, until_s: float) -> None:
        self.gate = kept.gate if kept else Gate()
        self.opened = kept.opened if kept else None
        self.error: Exception | None = None
        self.judged: set[str] = set()
        self._event = event
        self._chosen = chosen
        self._until_s = until_s
        self._has_ended = self._is_given_up = False

    def do(self) -> None:
        """Judge; what goes wrong is kept for who waits."""
        try:
            self.opened = self.opened or open_function(self._chosen, self.gate)
            judge, dead_letters, _ = self.opened
            judge.inbox.begin(lambda letters: dead_letters.bury(self._event.queue_arn, letters))
            self.judged = judge.inbox.judged
            judge.judge(self._event.messages, until_s=self._until_s)
        except Exception as error:  # noqa: BLE001 - whatever it is, who waits raises it
            self.error = error
        finally:
            self._has_ended = True
            if self._is_given_up:
                self._close()

    def give_up(self) -> None:
        """Let it call AWS no more, and end what it has opened once it has ended."""
        self._is_given_up = True
        self.gate.shut()
        if self._has_ended:
            self._close()

    def _close(self) -> None:
        if self.opened:
            self.opened.close()

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left over that the next event would meet."""
        return self.opened is not None and self.opened.judge.is_clean

    @property
    def failed(self) -> list[str]:
        """The messages that come again."""
        judged = frozenset(self.judged.copy())
        return [each for each in self._event.ids if each not in judged]


class Function:
    """The function of one container: opened with the first event, and kept warm."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._tally = emf.Tally()
        self._chosen: Chosen | None = None
        self._kept: _Kept | None = None

    def handle(self, raw: Any, context: Context) -> dict[str, Any]:
        """Judge an event; answer which of its messages come again, as ReportBatchItemFailures has it.

        Raises:
            Exception: If the event or the settings are wrong, or of a defect. Then all its messages come again.
        """
        try:
            return self._handle(raw, context)
        except Exception as error:
            log.error("invocation_failed", reason=str(error), kind=type(error).__name__)
            raise
        finally:
            log_lines.flush()

    def _handle(self, raw: Any, context: Context) -> dict[str, Any]:
        began_s = self._clock.monotonic_s()
        deadlines = _Deadlines.within(context.get_remaining_time_in_millis() / 1000)
        self._chosen = self._chosen or _configured()
        event = read_event(raw, now_ms=self._clock.now_ms())
        kept, self._kept = self._take(), None  # who is late, or dies, is never used again
        run = _Run(event, self._chosen, kept, began_s + deadlines.finish_s)
        failed = list(event.ids)
        try:
            self._wait_for(run, began_s + deadlines.answer_s)
            failed = run.failed
        finally:
            values = {
                "messages": len(event.ids),
                "messages_returned": len(failed),
                **self._tally.take(),
                "duration": round(1000 * (self._clock.monotonic_s() - began_s)),
            }
            emf.write(values, now_ms=self._clock.now_ms(), is_cold=kept is None, request_id=context.aws_request_id)
        return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}

    def _wait_for(self, run: _Run, until_s: float) -> None:
        thread = threading.Thread(target=run.do, name="judge", daemon=True)
        thread.start()
        thread.join(max(0.0, until_s - self._clock.monotonic_s()))
        if thread.is_alive():
            log.warning("not_judged_in_time", remedy="none: what is not judged comes again")
        if run.opened and run.is_clean and not run.error and not thread.is_alive():
            self._kept = _Kept(run.opened, run.gate, self._clock.monotonic_s(), self._clock.now_ms())
        else:
            run.give_up()
        if run.error:
            raise run.error

    def _take(self) -> _Kept | None:
        """Take what was kept, unless it is too old."""
        kept = self._kept
        if kept is None:
            return None
        slept_s = self._clock.monotonic_s() - kept.since_s
        slept_ms = abs(self._clock.now_ms() - kept.since_ms)
        if max(slept_s, slept_ms / 1000) < FORGOTTEN_AFTER_S:
            return kept
        kept.gate.shut()
        kept.opened.close()
        return None


def _configured() -> Chosen:
    log_lines.configure("info")  # what is wrong with the settings has its line, too
    chosen = choose()
    log_lines.configure(chosen.settings.log_level)
    tell(chosen)
    return chosen


_FUNCTION = Function()


def handler(event: Any, context: Context) -> dict[str, Any]:
    """Judge an event of an SQS queue; AWS Lambda calls this.

    Args:
        event: As an event source mapping makes it.
        context: Tells how much time is left.

    Returns:
        Which messages come again: `{"batchItemFailures": [{"itemIdentifier": …}]}`.
    """
    return _FUNCTION.handle(event, context)
