"""Who gets a connection to the shim where there are more clients than connections."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import REGISTRY

from f2b_worker.http.limits import ConnectionLimits
from f2b_worker.http.unread import CROWDED_OUT
from tests.unit.http.line import OK, Line, get, post

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SMALL = ConnectionLimits(connections_max=8, peer_share=0.5, bodies_bytes_max=1_000)
OTHER = "198.51.100.1"


def refusals(reason: str) -> float:
    return REGISTRY.get_sample_value("f2b_shim_refused_total", {"reason": reason}) or 0.0


def crowd(number: int, peer: Callable[[int], str] = lambda _: "192.0.2.1") -> list[Line]:
    """Connect so many, one after the other."""
    first = Line(SMALL, peer(0))
    return [first, *(Line(SMALL, peer(place), first) for place in range(1, number))]


def on_a_crowd(number: int, talk: Callable[[list[Line]], Awaitable[None]], **more: Any) -> None:
    async def main() -> None:
        await talk(crowd(number, **more))

    asyncio.run(main())


def test_one_peer_gets_its_share_and_no_more_and_its_newest_connections_stay() -> None:
    async def talk(lines: list[Line]) -> None:
        assert [each.wire.closed for each in lines] == [True] * 8 + [False] * 4
        assert all(each.wire.writes == [] for each in lines)
        assert lines[0].room._number == 4
        other = Line(SMALL, OTHER, lines[0])
        await other.send(get())
        await lines[-1].send(get())
        assert other.wire.writes == lines[-1].wire.writes == [OK + b"\r\nok\n"]
        assert lines[0].room._number == 5

    before = refusals("crowded_out")
    on_a_crowd(12, talk)
    assert refusals("crowded_out") == before + 8


def test_many_peers_that_take_all_connections_make_room_for_who_asks() -> None:
    async def talk(lines: list[Line]) -> None:
        other = Line(SMALL, OTHER, lines[0])
        await other.send(get())
        assert other.wire.writes == [OK + b"\r\nok\n"]
        assert [each.wire.closed for each in lines] == [True] * 5 + [False] * 7
        assert lines[0].room._number == 8

    on_a_crowd(12, talk, peer=lambda place: f"198.18.0.{place}")


def test_an_ipv6_home_is_one_peer_however_many_addresses_it_has() -> None:
    async def talk(lines: list[Line]) -> None:
        assert lines[0].room._number == 4

    on_a_crowd(12, talk, peer=lambda place: f"2001:db8:1:2::{place}")


def test_who_has_asked_since_is_not_the_one_that_makes_room() -> None:
    async def talk(lines: list[Line]) -> None:
        await lines[0].send(get())
        Line(SMALL, other=lines[0])
        assert [each.wire.closed for each in lines] == [False, True, False, False]

    on_a_crowd(4, talk)


def test_who_drips_makes_room_and_hears_why() -> None:
    async def talk(lines: list[Line]) -> None:
        for each in lines:
            await each.send(b"GET /infraction/203.0.113.7 HTTP/1.1\r\nHo")
        newcomer = Line(SMALL, other=lines[0])
        assert lines[0].wire.writes[0].startswith(b"HTTP/1.1 503 ")
        assert [each.wire.ended for each in lines] == [True, False, False, False]
        await newcomer.send(get())
        assert newcomer.wire.writes == [OK + b"\r\nok\n"]

    on_a_crowd(4, talk)


def test_who_does_not_read_his_answer_makes_room_at_once() -> None:
    async def talk(lines: list[Line]) -> None:
        await lines[0].send(get())
        lines[0].wire.unread_bytes = 1
        for each in lines[1:]:
            await each.send(get())
        await lines[0].send(b"GET")
        Line(SMALL, other=lines[0])
        assert [each.wire.closed for each in lines] == [True, False, False, False]
        assert lines[0].wire.writes == [OK + b"\r\nok\n"]

    on_a_crowd(4, talk)


def test_who_asks_on_and_on_and_reads_nothing_makes_room() -> None:
    async def talk(lines: list[Line]) -> None:
        for each in lines:
            each.protocol.pause_writing()
            each.wire.unread_bytes = 1
            await each.send(get())
        newcomer = Line(SMALL, other=lines[0])
        assert [each.wire.closed for each in lines] == [True, False, False, False]
        await newcomer.send(get())
        assert newcomer.wire.writes == [OK + b"\r\nok\n"]
        # Nothing is written into a connection that was ended; who reads again is served again.
        lines[0].protocol.resume_writing()
        await asyncio.sleep(0.001)
        assert lines[0].wire.writes == []
        lines[1].protocol.resume_writing()
        await lines[1].send(b"")
        assert lines[1].wire.writes == [OK + b"\r\nok\n"]

    on_a_crowd(4, talk)


@pytest.mark.parametrize(
    ("number", "peers", "reason"), [(4, 1, "peer_connections"), (8, 8, "connections")], ids=["share", "all"]
)
def test_who_is_being_served_never_makes_room_and_the_newcomer_is_refused_with_503(
    number: int, peers: int, reason: str
) -> None:
    async def talk(lines: list[Line]) -> None:
        lines[0].outbox.open.clear()
        for each in lines:
            await each.send(get())
        newcomer = Line(SMALL, lines[0].wire.peer, lines[0])
        assert newcomer.wire.writes[0].startswith(b"HTTP/1.1 503 ")
        assert newcomer.wire.ended
        assert lines[0].room._number == number
        lines[0].outbox.open.set()
        for each in lines:
            await each.send(b"")
        assert [each.wire.writes for each in lines] == [[OK + b"\r\nok\n"]] * number

    before = refusals(reason)
    on_a_crowd(number, talk, peer=lambda place: f"198.18.0.{place % peers}")
    assert refusals(reason) == before + 1


def test_who_has_more_requests_ahead_is_still_being_served() -> None:
    async def talk(lines: list[Line]) -> None:
        lines[0].outbox.open.clear()
        await lines[0].send(get("/") + get())
        Line(SMALL, other=lines[0])
        assert [each.wire.closed for each in lines] == [False, True, False, False]
        lines[0].outbox.open.set()
        await lines[0].send(b"")
        assert lines[0].wire.writes == [OK + b"\r\nok\n"] * 2

    on_a_crowd(4, talk)


def test_who_has_not_sent_the_body_of_what_he_sent_ahead_waits_for_his_client() -> None:
    async def talk(lines: list[Line]) -> None:
        for each in lines:
            await each.send(get("/") + post(b"{", 100))
        await Line(SMALL, other=lines[0]).settle()
        assert [each.wire.ended for each in lines] == [True, False, False, False]
        assert lines[0].wire.writes[1].startswith(b"HTTP/1.1 503 ")

    on_a_crowd(4, talk)


def test_a_body_that_was_begun_ahead_makes_room_for_who_sends_his_and_all_of_it_counts() -> None:
    async def talk(lines: list[Line]) -> None:
        lines[0].outbox.open.clear()
        for each in lines[:2]:
            await each.send(get() + post(b" " * 400, 900))
        assert lines[0].room._bodies_bytes == 800
        lines[0].outbox.open.set()
        await lines[0].settle()
        assert lines[0].room._bodies_bytes == 800
        body = b'{"ip": "203.0.113.7"}' + b" " * 300
        await lines[2].send(post(body, len(body)))
        assert lines[2].wire.writes[0].startswith(b"HTTP/1.1 200 ")
        assert [each.wire.ended for each in lines] == [True, False, False]
        assert lines[0].room._bodies_bytes == 400

    on_a_crowd(3, talk)


def test_a_head_that_was_begun_ahead_counts_as_memory_until_it_has_its_answer() -> None:
    begun = b"POST /infractions HTTP/1.1\r\nX: "

    async def talk(lines: list[Line]) -> None:
        await lines[0].send(get("/") + begun)
        assert lines[0].wire.writes == [OK + b"\r\nok\n"]
        assert lines[0].room._bodies_bytes == len(begun)

    on_a_crowd(1, talk)


def test_who_reads_again_and_has_the_head_of_one_more_under_way_is_served() -> None:
    async def talk(lines: list[Line]) -> None:
        await lines[0].send(get("/"))
        lines[0].protocol.pause_writing()
        lines[0].outbox.open.clear()
        await lines[0].send(get() + b"GET / HT")
        for each in lines[1:]:
            await each.send(get())
        lines[0].protocol.resume_writing()
        newcomer = Line(SMALL, other=lines[0])
        assert [each.wire.ended for each in (*lines, newcomer)] == [False] * 4 + [True]

    on_a_crowd(4, talk)


def test_who_was_given_up_and_has_answers_to_come_is_nobody_who_waits() -> None:
    async def talk(lines: list[Line]) -> None:
        lines[0].outbox.open.clear()
        await lines[0].send(get() + get() + post(b"{", 100))
        lines[0].protocol.make_room(CROWDED_OUT)
        lines[0].outbox.open.set()
        await lines[0].settle()
        assert lines[0].wire.ended
        assert [each[9:12] for each in lines[0].wire.writes] == [b"200", b"200", b"503"]
        assert list(lines[0].room._waiting) == [lines[1].protocol]

    on_a_crowd(2, talk)


def test_who_was_answered_before_his_body_had_come_waits_since_his_answer() -> None:
    async def talk(lines: list[Line]) -> None:
        await lines[0].send(get("/infraction/203.0.113.7", "Content-Length: 10", method="PUT") + b"12345")
        assert lines[0].wire.writes == [OK + b"\r\nok\n"]
        Line(SMALL, other=lines[0])
        assert [each.wire.ended for each in lines] == [False, True, False, False]

    on_a_crowd(4, talk)


def test_connections_that_have_ended_leave_room_and_nothing_else() -> None:
    async def talk(lines: list[Line]) -> None:
        for each in lines:
            each.protocol.connection_lost(None)
        room = lines[0].room
        assert (room._number, room._peers, room._waiting) == (0, {}, {})

    on_a_crowd(12, talk, peer=lambda place: f"198.18.0.{place % 3}")


def test_bodies_that_fill_the_memory_give_way_to_who_sends_his_and_the_first_begun_goes_first() -> None:
    async def talk(lines: list[Line]) -> None:
        for each in lines[:3]:
            await each.send(post(b" " * 400, 900))
        await lines[0].send(b"")
        assert [each.wire.ended for each in lines] == [True, False, False, False]
        assert lines[0].wire.writes[0].startswith(b"HTTP/1.1 503 ")
        body = b'{"ip": "203.0.113.7"}' + b" " * 300
        await lines[3].send(post(body, len(body)))
        assert lines[3].wire.writes[0].startswith(b"HTTP/1.1 200 ")
        assert [each.wire.ended for each in lines] == [True, True, False, False]
        assert len(lines[0].outbox.stored) == 1
        assert lines[0].room._bodies_bytes == 400

    on_a_crowd(4, talk)


def test_who_is_given_up_for_the_memory_of_bodies_hears_so_and_counts_apart() -> None:
    async def talk(lines: list[Line]) -> None:
        for each in lines:
            await each.send(post(b" " * 600, 900))
        assert lines[0].wire.writes[0].endswith(b"\r\n\r\ntoo many bodies at once; try again\n")

    bodies, crowded_out = refusals("bodies"), refusals("crowded_out")
    on_a_crowd(2, talk)
    assert (refusals("bodies"), refusals("crowded_out")) == (bodies + 1, crowded_out)


def test_a_body_that_is_being_stored_is_not_given_up_for_another_one() -> None:
    async def talk(lines: list[Line]) -> None:
        lines[0].outbox.open.clear()
        body = b'{"ip": "203.0.113.7"}' + b" " * 700
        await lines[0].send(post(body, len(body)))
        await lines[1].send(post(b" " * 400, 900))
        assert lines[1].wire.writes[0].startswith(b"HTTP/1.1 503 ")
        assert [each.wire.ended for each in lines] == [False, True]
        lines[0].outbox.open.set()
        await lines[0].send(b"")
        assert lines[0].wire.writes[0].startswith(b"HTTP/1.1 200 ")
        assert lines[0].room._bodies_bytes == 0

    on_a_crowd(2, talk)


def test_who_sends_too_much_ahead_has_his_answers_in_order_and_then_hears_why() -> None:
    async def talk(lines: list[Line]) -> None:
        lines[0].outbox.open.clear()
        for each in lines[1:]:
            await each.send(get())  # nobody else waits for his client
        await lines[0].send(get() * 100)
        assert lines[0].room._bodies_bytes == 0
        taken = len(lines[0].protocol.pipeline) + 1
        lines[0].outbox.open.set()
        while not lines[0].wire.ended:
            await lines[0].send(get())
        assert lines[0].wire.writes[:-1] == [OK + b"\r\nok\n"] * taken
        assert lines[0].wire.writes[-1].startswith(b"HTTP/1.1 503 ")
        assert len(lines[0].outbox.stored) == taken + len(lines) - 1

    on_a_crowd(4, talk)


def test_a_body_that_was_given_up_counts_no_more() -> None:
    async def talk(lines: list[Line]) -> None:
        await lines[0].send(post(b" " * 400, 900))
        lines[0].protocol.connection_lost(None)
        assert lines[1].room._bodies_bytes == 0

    on_a_crowd(2, talk)
