"""Where pages are made and written, and what is said where there is no room for that."""

from __future__ import annotations

import asyncio
import threading

import pytest

from f2b_worker.dashboard.asked import Asked, Page
from f2b_worker.dashboard.cookies import Cookies
from f2b_worker.dashboard.sessions import Sessions
from f2b_worker.dashboard.showing import BUSY, Content, Showing
from f2b_worker.dashboard.workers import BusyError, Workers
from f2b_worker.testing import FakeClock
from tests.unit.dashboard.scene import Bans, Written, refusals

PAGE = Asked("/bans", {}, url="/bans")


class Watched(Written):
    """Remembers which threads write."""

    def __init__(self) -> None:
        self.threads: set[threading.Thread] = set()

    def main(self, page: Page, asked: Asked) -> bytes:
        self.threads.add(threading.current_thread())
        return super().main(page, asked)


def _showing(renderer: Written, workers: Workers) -> Showing:
    content = Content({"bans": lambda _: Page(200, "bans.html")}, {}, {}, renderer, Bans())
    return Showing(content, workers, Sessions((), FakeClock()))


def test_pages_are_written_in_threads_and_never_in_the_loop_that_answers_everybody() -> None:
    async def main() -> None:
        renderer, workers = Watched(), Workers()
        showing = _showing(renderer, workers)
        await showing.whole(PAGE, Cookies(()))
        await showing.main(PAGE)
        workers.close()
        assert renderer.threads
        assert threading.current_thread() not in renderer.threads

    asyncio.run(main())


def test_where_too_much_is_asked_who_comes_is_told_and_what_is_open_is_left_as_it_is() -> None:
    async def main() -> None:
        workers = Workers(waiting_max=0)
        showing, before = _showing(Written(), workers), refusals("busy")
        answer = await showing.whole(PAGE, Cookies(()))
        assert answer.status == 503
        assert BUSY in answer.body["body"].decode()
        assert refusals("busy") == before + 1
        with pytest.raises(BusyError):
            await showing.main(PAGE)
        workers.close()

    asyncio.run(main())
