"""An event loop whose clock jumps to the next timer instead of waiting for it."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


class _Jumping(selectors.SelectSelector):
    def __init__(self) -> None:
        super().__init__()
        self.passed_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "everybody waits, and for nothing"
        self.passed_s += max(0.0, timeout)
        return super().select(0)


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.passed_s


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run *main*; waiting takes no time."""
    with asyncio.Runner(loop_factory=_VirtualLoop) as runner:
        return runner.run(main)


def now_s() -> float:
    """Tell the running loop's time, which began at 0."""
    return asyncio.get_running_loop().time()


def jump(by_s: float) -> None:
    """Have the running loop stand still for so long, as while something else holds its thread."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, _VirtualLoop)
    loop._jumping.passed_s += by_s
