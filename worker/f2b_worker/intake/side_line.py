"""Work that must not hold up judging: it waits beside it, and is tried again there when it fails."""

from __future__ import annotations

import threading
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from f2b_worker.errors import F2bError, Rejected
from f2b_worker.intake.trouble import Trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from f2b_worker.aside import Aside
    from f2b_worker.ports import Clock

T = TypeVar("T")


class SideLine(Generic[T]):
    """Items that wait for one kind of work, which is done in batches, in their order.

    What fails goes first again, after a pause. Only a `Rejected` is an outcome: the next try would end like that.
    The loop that owns it calls it from one thread; the work is done in another, one batch at a time.

    Args:
        do: Does one batch; answers for each item why it failed, or None.
        batch_max: How many items a batch has at most.
        weight: How much of the room an item takes.
        room: How much may wait.
        clock: Paces tries.
        aside: Does the work, perhaps in another thread.
    """

    def __init__(  # noqa: PLR0913
        self,
        do: Callable[[Sequence[T]], Sequence[F2bError | None]],
        *,
        batch_max: int,
        weight: Callable[[T], int] = lambda _: 1,
        room: int,
        clock: Clock,
        aside: Aside,
    ) -> None:
        self._do = do
        self._batch_max = batch_max
        self._weight = weight
        self._room = room
        self._clock = clock
        self._aside = aside
        self._trouble = Trouble()
        self._changed = threading.Condition()
        self._waiting: deque[T] = deque()
        self._outcomes: list[tuple[T, Rejected | None]] = []
        self._is_at_work = False
        self._again_s = float("-inf")
        self._defect: Exception | None = None

    @property
    def problem(self) -> str | None:
        """Why the last try failed, in one line."""
        return self._trouble.reason

    @property
    def waiting(self) -> int:
        """How many items wait."""
        return len(self._waiting)

    @property
    def is_open(self) -> bool:
        """Whether something waits, is being done, or was done and not yet asked for."""
        return bool(self._waiting or self._is_at_work or self._outcomes)

    def add(self, items: Iterable[T]) -> list[T]:
        """Let *items* wait; answer those for which there is no room."""
        with self._changed:
            left = []
            for item in items:
                weight = self._weight(item)
                if weight > self._room:
                    left.append(item)
                else:
                    self._room -= weight
                    self._waiting.append(item)
            return left

    def go_on(self) -> None:
        """Have what waits done, aside, unless that is under way or pauses after a failure."""
        if not self._is_at_work and self._waiting and self._clock.monotonic_s() >= self._again_s:
            self._is_at_work = True
            self._aside(self._work)

    def finish(self, *, within_s: float) -> None:
        """Try once more to do all that waits; returns when it is done, has failed, or takes longer than that."""
        ends_s = self._clock.monotonic_s() + within_s
        if self._is_idle_within(within_s) and self._waiting:
            self._is_at_work = True
            self._aside(partial(self._work, ends_s))
            self._is_idle_within(ends_s - self._clock.monotonic_s())

    def _is_idle_within(self, within_s: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: not self._is_at_work, max(0.0, within_s))

    def outcomes(self) -> list[tuple[T, Rejected | None]]:
        """Take what came to its end since the last call: done, or rejected.

        Raises:
            Exception: If the work died of something that is no failure of AWS.
        """
        with self._changed:
            if self._defect:
                raise self._defect
            ended, self._outcomes = self._outcomes, []
            self._room += sum(self._weight(item) for item, _ in ended)
            return ended

    def _work(self, ends_s: float = float("inf")) -> None:
        try:
            while self._clock.monotonic_s() < ends_s and self._do_batch():
                pass
        except Exception as error:  # noqa: BLE001 - whatever it is, the loop that owns this must see it
            self._defect = error
        finally:
            with self._changed:
                self._is_at_work = False
                self._changed.notify_all()

    def _do_batch(self) -> bool:
        """Do one batch; answer whether there is more to do now."""
        with self._changed:
            batch = [self._waiting.popleft() for _ in range(min(self._batch_max, len(self._waiting)))]
        if not batch:
            return False
        answers = self._do(batch)
        failed: list[T] = []
        failure: F2bError | None = None
        with self._changed:
            for item, error in zip(batch, answers, strict=True):
                if error is None or isinstance(error, Rejected):
                    self._outcomes.append((item, error))
                else:
                    failed.append(item)
                    failure = error
            self._waiting.extendleft(reversed(failed))
        if failure is None:
            self._trouble.end()
            return True
        self._again_s = self._clock.monotonic_s() + self._trouble.note(failure)
        return False
