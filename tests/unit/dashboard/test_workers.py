"""How much is done at once, and what is refused."""

from __future__ import annotations

import asyncio
import threading

import pytest

from f2b_worker.dashboard.workers import BusyError, Workers


def test_what_waits_is_bounded_and_there_is_room_again_once_something_is_done() -> None:
    async def main() -> None:
        workers, ends = Workers(threads=1, waiting_max=2), threading.Event()
        waiting = [asyncio.create_task(workers.do(ends.wait)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(BusyError):
            await workers.do(lambda: None)
        ends.set()
        assert await asyncio.gather(*waiting) == [True, True]
        assert await workers.do(lambda: 7) == 7
        workers.close()

    asyncio.run(main())


def test_who_goes_away_leaves_his_place_only_when_the_work_is_done() -> None:
    async def main() -> None:
        workers, ends = Workers(threads=1, waiting_max=1), threading.Event()
        waiting = asyncio.create_task(workers.do(ends.wait))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        with pytest.raises(BusyError):
            await workers.do(lambda: None)
        ends.set()
        while workers._waiting:  # noqa: ASYNC110 - a thread ends it
            await asyncio.sleep(0)
        assert await workers.do(lambda: 7) == 7
        workers.close()

    asyncio.run(main())


def test_an_error_reaches_who_asked() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    async def main() -> None:
        workers = Workers()
        with pytest.raises(ZeroDivisionError):
            await workers.do(fail)
        workers.close()

    asyncio.run(main())
