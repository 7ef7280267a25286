"""Slow questions to AWS, asked aside of the loop so that no ban waits for their answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from f2b_worker.errors import F2bError

if TYPE_CHECKING:
    from collections.abc import Callable

    from f2b_worker.aside import Aside
    from f2b_worker.enforcer.alarms import Alarms
    from f2b_worker.ports import Clock

T = TypeVar("T")


class Question(Generic[T]):
    """One question that is asked again and again, never twice at a time.

    Args:
        ask: Asks it; a F2bError is an answer, too.
        every_s: How often it is asked; the first time after so long, too, if *first_after_s* says nothing else.
        clock: Tells when.
        aside: Does some work, perhaps in another thread.
        rest: How many times as long as an answer took it is not asked again after it.
    """

    def __init__(  # noqa: PLR0913
        self,
        ask: Callable[[], T],
        *,
        every_s: float,
        clock: Clock,
        aside: Aside,
        first_after_s: float | None = None,
        rest: float = 0.0,
    ) -> None:
        self._ask = ask
        self._every_s = every_s
        self._clock = clock
        self._aside = aside
        self._rest = rest
        self._began_s = self._ended_s = clock.monotonic_s()
        self._next_s = clock.monotonic_s() + (every_s if first_after_s is None else first_after_s)
        self._is_open = False
        self._answers: list[T | F2bError] = []

    @property
    def is_open(self) -> bool:
        """Whether it was asked and the answer was not taken yet."""
        return self._is_open

    def ask(self) -> None:
        """Ask if it is time to."""
        if not self._is_open and self._clock.monotonic_s() >= self._next_s:
            # Counted from the question, so that a slow answer does not make it rarer.
            self._began_s = self._clock.monotonic_s()
            self._next_s = self._began_s + self._every_s
            self._is_open = True
            self._aside(self._work)

    def answer(self) -> T | F2bError | None:
        """Take the answer if there is a new one; ask again if it is time to."""
        self.ask()
        if not self._answers:
            return None
        self._is_open = False
        self._next_s = max(self._next_s, self._ended_s + self._rest * (self._ended_s - self._began_s))
        return self._answers.pop()

    def news(self, about: str, alarms: Alarms, *, again_s: float | None = None) -> T | None:
        """Take the answer if there is a new one; a failure is reported, and costs no more than that answer.

        Args:
            about: What the question is about.
            alarms: Where a failure is reported.
            again_s: How soon it is asked again then, if not as late as ever.
        """
        answer = self.answer()
        if not isinstance(answer, F2bError):
            return answer
        alarms.complain(about, answer)
        if again_s is not None:
            self.ask_in(again_s)
        return None

    def ask_in(self, pause_s: float) -> None:
        """Ask again after *pause_s*, whatever was planned."""
        self._next_s = self._clock.monotonic_s() + pause_s

    def _work(self) -> None:
        answer: T | F2bError
        try:
            answer = self._ask()
        except F2bError as error:
            answer = error
        except BaseException:  # it ends the thread; the loop must be able to ask again
            self._is_open = False
            raise
        self._ended_s = self._clock.monotonic_s()
        self._answers.append(answer)  # the last thing: from now on the loop may ask again
