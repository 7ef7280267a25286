"""One patient call, and a second one beside it where only a lost connection explains the silence.

A call that is slow takes effect; to give it up and to make it again stores everything twice. A call on a
connection that has died in silence, as behind a NAT that forgot it, is never answered. So nothing is given up:
the second call goes over a new connection, and the first answer counts ("hedged requests" in J. Dean and
L. A. Barroso, "The Tail at Scale", https://doi.org/10.1145/2408776.2408794).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from f2b_worker.errors import F2bError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    Answer = Mapping[str, Any]

HEDGE_SHARE = 0.45
"""Of the patience: so late the second call begins, and leaves time for a new connection and an answer."""

SLOW = 2.0
"""An answer is suspiciously late when it takes so many times longer than answers lately took."""

_FORGET = 0.9
"""Of how slow answers lately were: each quick one takes a tenth of it away."""


class SqsCalls(Protocol):
    """Calls SQS without blocking the event loop."""

    async def call(self, action: str, parameters: Mapping[str, Any], *, anew: bool = False) -> Answer:
        """Make one call, once; raises only errors of ours. It may be cancelled.

        Args:
            action: Of SQS.
            parameters: Of the action.
            anew: Over a new connection, and from now on no call goes over one that was kept until now.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class Hedging:
    """Makes calls that may be made twice: what they ask for has a name, and counts once.

    Args:
        calls: Makes each.
    """

    def __init__(self, calls: SqsCalls) -> None:
        self._calls = calls
        self._took_s = 0.0  # how long answers lately took, the slow ones above all

    async def call(
        self, action: str, parameters: Mapping[str, Any], *, within_s: float, followed_s: float = 0.0
    ) -> Answer:
        """Make a call, and perhaps a second one beside it; answer what is answered first.

        Args:
            action: Of SQS.
            parameters: Of the action.
            within_s: How long somebody waits for the answer.
            followed_s: How much longer it is awaited.

        Raises:
            F2bError: If both failed, or neither was answered.
        """
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        second = _Second(self._calls, action, parameters)
        try:
            async with asyncio.timeout_at(None) as patience:
                second.wait(patience, began_s + within_s + followed_s, self._hedged_after_s(within_s))
                try:
                    answer = await self._calls.call(action, parameters)
                except F2bError:
                    if second.task is None:
                        raise
                    return await second.task
        except TimeoutError as error:
            found = second.answer()
            if found is None:
                raise Unavailable(f"{action}: no answer within {within_s + followed_s:.1f} s") from error
            answer = found
            began_s = second.began_s
        finally:
            second.end()
        self._took_s = max(loop.time() - began_s, self._took_s * _FORGET)
        return answer

    def _hedged_after_s(self, within_s: float) -> float | None:
        """Tell when an answer is suspiciously late; None if a second one would come too late, too."""
        after_s = max(within_s * HEDGE_SHARE, self._took_s * SLOW)
        return after_s if after_s + self._took_s < within_s else None


class _Second:
    """The second call. It may never begin; when it is answered, the patience with the first one ends.

    Attributes:
        task: The call, once it has begun.
        began_s: When it has.
    """

    __slots__ = ("_action", "_calls", "_ends_s", "_parameters", "_patience", "_timer", "began_s", "task")

    def __init__(self, calls: SqsCalls, action: str, parameters: Mapping[str, Any]) -> None:
        self._calls = calls
        self._action = action
        self._parameters = parameters
        self._patience: asyncio.Timeout | None = None
        self._ends_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.task: asyncio.Task[Answer] | None = None
        self.began_s = 0.0

    def wait(self, patience: asyncio.Timeout, ends_s: float, after_s: float | None) -> None:
        """Begin after *after_s*, unless that is None; one timer is armed at a time: they cost the most."""
        if after_s is None:
            patience.reschedule(ends_s)
            return
        self._patience = patience
        self._ends_s = ends_s
        self._timer = asyncio.get_running_loop().call_later(after_s, self._begin)

    def end(self) -> None:
        """Give it up, if it is under way; what it asked for may have taken effect, as the first one did."""
        self._patience = None
        if self._timer is not None:
            self._timer.cancel()
        if self.task is not None:
            self.task.cancel()

    def answer(self) -> Answer | None:
        """Tell what it was answered, if it was."""
        task = self.task
        if task is None or not task.done() or task.cancelled() or task.exception() is not None:
            return None
        return task.result()

    def _begin(self) -> None:
        assert self._patience is not None
        loop = asyncio.get_running_loop()
        self._patience.reschedule(self._ends_s)
        self.began_s = loop.time()
        self.task = loop.create_task(self._calls.call(self._action, self._parameters, anew=True))
        self.task.add_done_callback(self._end_patience)

    def _end_patience(self, task: asyncio.Task[Answer]) -> None:
        failed = task.cancelled() or task.exception() is not None
        if not failed and self._patience is not None:
            self._patience.reschedule(asyncio.get_running_loop().time())
