"""Who hears of what, and how seldom a page is made for many who look at it; in a time that jumps."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, aclosing
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from f2b_worker.dashboard.asked import Asked, Visitor
from f2b_worker.dashboard.stream import (
    BEGINNING,
    HEARTBEAT_S,
    RENEWALS_MAX,
    RENEWS_EVERY_S,
    TOO_MANY,
    Streams,
    event,
)
from f2b_worker.dashboard.workers import WAITING_MAX, BusyError
from tests.unit.dashboard.scene import Bans
from tests.unit.shim.virtual_loop import now_s, run

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

PAGE = Asked("/bans", {}, url="/bans")
OTHER = Asked("/audit", {}, url="/audit")
BEAT = b": still here\n\n"


class Fleet:
    """Bans, and pages that show how often they changed."""

    def __init__(self, streams_max: int = 200) -> None:
        self.view = Bans()
        self.made: list[tuple[float, str, str]] = []
        self.takes_s = 0.0
        self.text = ""
        self.is_busy = False
        self.at_once = self.most_at_once = 0
        self.streams = Streams(self._render, self.view, streams_max=streams_max)

    async def _render(self, asked: Asked) -> bytes:
        self.made.append((now_s(), asked.url, asked.visitor.name))
        shown = f"{asked.url} {self.view.generation}{self.text} {asked.visitor.name}".strip()
        if self.is_busy:
            raise BusyError
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(self.takes_s)
        self.at_once -= 1
        return shown.encode()


async def _told(stream: AsyncGenerator[bytes, None], number: int = 1) -> list[bytes]:
    return [await anext(stream) for _ in range(number)]


async def _change(fleet: Fleet, every_s: float) -> None:
    while True:
        fleet.view.generation += 1
        await asyncio.sleep(every_s)


def _main(text: str) -> bytes:
    return b"event: main\ndata: %s\n\n" % text.encode()


def test_an_open_page_gets_the_page_at_once_and_again_when_the_bans_change() -> None:
    async def main() -> None:
        fleet = Fleet()
        async with aclosing(fleet.streams.open(PAGE)) as stream:
            assert await _told(stream, 2) == [BEGINNING, _main("/bans 0")]
            assert now_s() < 1
            fleet.view.generation = 1
            assert await _told(stream) == [_main("/bans 1")]
            assert now_s() < 2.1

    run(main())


def test_many_who_look_at_one_page_cost_one_rendering_and_another_right_another() -> None:
    async def main() -> None:
        fleet = Fleet()
        acting = Asked("/bans", {}, Visitor("ann", may_act=True), url="/bans")
        async with AsyncExitStack() as stack:
            streams = [await stack.enter_async_context(aclosing(fleet.streams.open(PAGE))) for _ in range(10)]
            streams.append(await stack.enter_async_context(aclosing(fleet.streams.open(acting))))
            told = await asyncio.gather(*(_told(stream, 2) for stream in streams))
        assert [each[1] for each in told] == [_main("/bans 0")] * 10 + [_main("/bans 0 ann")]
        assert sorted(name for _, _, name in fleet.made) == ["", "ann"]

    run(main())


def test_where_nothing_changes_a_page_is_made_seldom_and_nothing_is_sent_but_signs_of_life() -> None:
    async def main() -> None:
        fleet = Fleet()
        async with aclosing(fleet.streams.open(PAGE)) as stream:
            await _told(stream, 2)
            assert await _told(stream, 4) == [BEAT] * 4
            assert 4 * HEARTBEAT_S <= now_s() < 4 * HEARTBEAT_S + 2
        assert len(fleet.made) <= 1 + now_s() / RENEWS_EVERY_S
        assert fleet.view.touched >= 60, "it is said each second that somebody looks"

    run(main())


def test_what_changes_beside_the_bans_is_heard_a_little_later() -> None:
    async def main() -> None:
        fleet = Fleet()
        async with aclosing(fleet.streams.open(OTHER)) as stream:
            await _told(stream, 2)
            fleet.text = " new"
            assert await _told(stream) == [_main("/audit 0 new")]
            assert now_s() < RENEWS_EVERY_S + 2

    run(main())


def test_however_often_the_bans_change_a_page_hears_once_a_second() -> None:
    async def main() -> None:
        fleet = Fleet()
        changing = asyncio.create_task(_change(fleet, every_s=0.01))
        async with aclosing(fleet.streams.open(PAGE)) as stream:
            await _told(stream, 11)
        changing.cancel()
        assert now_s() > 8.9
        assert len(fleet.made) <= 11

    run(main())


def test_who_does_not_read_gets_the_newest_and_not_those_between() -> None:
    async def main() -> None:
        fleet = Fleet()
        async with aclosing(fleet.streams.open(PAGE)) as stream:
            await _told(stream, 2)
            for _ in range(5):
                fleet.view.generation += 1
                await asyncio.sleep(1.5)
            assert await _told(stream) == [_main("/bans 5")]

    run(main())


def test_a_page_that_takes_long_holds_up_no_other() -> None:
    async def main() -> None:
        fleet = Fleet()
        async with AsyncExitStack() as stack:
            fleet.takes_s = 30.0
            slow = await stack.enter_async_context(aclosing(fleet.streams.open(OTHER)))
            await _told(slow)
            waiting = asyncio.create_task(_told(slow))
            await asyncio.sleep(0.5)
            fleet.takes_s = 0.0
            quick = await stack.enter_async_context(aclosing(fleet.streams.open(PAGE)))
            assert (await _told(quick, 2))[1] == _main("/bans 0")
            assert now_s() < 3
            waiting.cancel()
            await asyncio.wait([waiting])

    run(main())


def test_of_too_many_the_oldest_ends_and_hears_why() -> None:
    async def main() -> None:
        fleet = Fleet(streams_max=2)
        async with AsyncExitStack() as stack:
            streams = []
            for _ in range(3):
                streams.append(await stack.enter_async_context(aclosing(fleet.streams.open(PAGE))))
                await _told(streams[-1])
            told = await _told(streams[0])  # at once, and not after the next beat
            assert await anext(streams[0], None) is None
            assert told[-1] == event("end", TOO_MANY.encode())
            assert len(fleet.streams) == 2
            assert (await _told(streams[2]))[0] == _main("/bans 0")

    run(main())


def test_a_page_that_is_opened_anew_while_its_dismissed_reader_still_goes_hears_of_each_change() -> None:
    async def main() -> None:
        fleet = Fleet(streams_max=1)
        dismissed = fleet.streams.open(PAGE)
        await _told(dismissed, 2)
        async with aclosing(fleet.streams.open(OTHER)) as other:
            await _told(other)
            async with aclosing(fleet.streams.open(PAGE)) as anew:
                await _told(anew, 2)
                await dismissed.aclose()
                fleet.view.generation = 1
                assert await _told(anew) == [_main("/bans 1")]

    run(main())


def test_where_too_much_is_asked_a_page_keeps_what_it_shows_and_has_the_news_a_second_after() -> None:
    async def main() -> None:
        fleet = Fleet()
        async with aclosing(fleet.streams.open(PAGE)) as stream:
            await _told(stream, 2)
            fleet.is_busy, fleet.view.generation = True, 1
            news = asyncio.create_task(_told(stream))
            await asyncio.sleep(5)
            assert not news.done()
            fleet.is_busy = False
            assert await news == [_main("/bans 1")]
            assert now_s() < 7

    run(main())


def test_however_many_pages_are_open_each_hears_of_a_change_and_half_of_the_threads_room_stays_free() -> None:
    async def main() -> None:
        fleet = Fleet()
        fleet.takes_s = 0.9
        urls = [f"/bans?page={number}" for number in range(3 * RENEWALS_MAX)]
        async with AsyncExitStack() as stack:
            pages = [Asked("/bans", {}, url=url) for url in urls]
            streams = [await stack.enter_async_context(aclosing(fleet.streams.open(page))) for page in pages]
            await asyncio.gather(*(_told(stream, 2) for stream in streams))
            changing = asyncio.create_task(_change(fleet, every_s=0.3))
            told = await asyncio.gather(*(_told(stream) for stream in streams))
            changing.cancel()
        assert [each[0].startswith(b"event: main") for each in told] == [True] * len(urls)
        assert fleet.most_at_once == RENEWALS_MAX <= WAITING_MAX / 2

    run(main())


def test_who_goes_is_forgotten_and_where_nobody_looks_nothing_is_asked() -> None:
    async def main() -> None:
        fleet = Fleet()
        stream = fleet.streams.open(PAGE)
        await _told(stream, 2)
        await stream.aclose()
        assert len(fleet.streams) == 0
        await asyncio.sleep(2)
        touched, made = fleet.view.touched, len(fleet.made)
        await asyncio.sleep(60)
        assert (fleet.view.touched, len(fleet.made)) == (touched, made)
        async with aclosing(fleet.streams.open(PAGE)) as again:
            assert (await _told(again, 2))[1] == _main("/bans 0")

    run(main())


def test_where_the_server_stops_every_page_ends_at_once_and_is_not_told_to_stay_away() -> None:
    async def main() -> None:
        fleet = Fleet()
        stream = fleet.streams.open(PAGE)
        await _told(stream, 2)
        fleet.streams.close()
        assert [each async for each in stream] == []
        assert now_s() < 1

    run(main())


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (b"a\nb", b"event: main\ndata: a\ndata: b\n\n"),
        (b"a\r\nb\rc", b"event: main\ndata: a\ndata: b\ndata: c\n\n"),
        (
            b"\n\nevent: end\ndata: x\n\n",
            b"event: main\ndata: \ndata: \ndata: event: end\ndata: data: x\ndata: \ndata: \n\n",
        ),
        (b"", b"event: main\ndata: \n\n"),
    ],
)
def test_what_attackers_wrote_begins_no_event_of_its_own(text: bytes, written: bytes) -> None:
    assert event("main", text) == written


@pytest.mark.parametrize("bans_change", [False, True])
def test_a_page_that_hides_dead_letters_from_others_is_made_once_a_minute(bans_change: bool) -> None:
    async def main() -> None:
        fleet = Fleet()
        changing = asyncio.create_task(_change(fleet, every_s=1.0 if bans_change else 1000.0))
        async with aclosing(fleet.streams.open(Asked("/queue", {}, url="/queue"))) as stream:
            while now_s() < 180:
                await anext(stream)
        changing.cancel()
        assert len(fleet.made) == 4
        assert now_s() < 183
        assert 180 <= now_s() < 183

    run(main())


def test_the_page_of_one_address_which_asks_for_every_jail_is_made_less_often_while_bans_come() -> None:
    async def main() -> None:
        fleet = Fleet()
        story = Asked("/address/203.0.113.7", {}, url="/address/203.0.113.7")
        changing = asyncio.create_task(_change(fleet, every_s=0.3))
        async with aclosing(fleet.streams.open(story)) as stream:
            await _told(stream, 6)
        changing.cancel()
        times = [at_s for at_s, _, _ in fleet.made]
        assert len(times) == 5
        assert all(4.9 < later - sooner < 6.1 for sooner, later in pairwise(times)), times

    run(main())
