"""Long reading in slices: whoever sends what takes long to parse has turns, and everybody else is answered."""

from __future__ import annotations

import asyncio
from itertools import count

import pytest

from f2b_worker.http import reading
from f2b_worker.http.limits import ConnectionLimits
from tests.unit.http.line import IP, OK, Line, get

BLANK = b"\r\n\r\n"
CHUNKED = b"POST /infractions HTTP/1.1\r\nHost: shim\r\nTransfer-Encoding: chunked\r\n\r\n"
REPORT = b'{"ip": "%s"}' % IP.encode()
AT_ONCE = 256 * 1024


@pytest.fixture(autouse=True)
def each_part_takes_two_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    times_ms = count(step=2)
    monkeypatch.setattr(reading, "monotonic", lambda: next(times_ms) / 1000)


def in_chunks(body: bytes, size: int) -> bytes:
    pieces = (body[start : start + size] for start in range(0, len(body), size))
    return b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in pieces) + b"0\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "sent"),
    [
        (CHUNKED, in_chunks(REPORT + b" " * 10_000, 1)),
        (CHUNKED, in_chunks(REPORT + BLANK * 4_000, 16_100)),
        (b"", BLANK[:2] * 8_000 + get()),
    ],
    ids=["a byte a chunk", "what looks like the end of a body", "empty lines"],
)
def test_others_are_answered_between_two_slices_of_what_takes_long_to_parse(head: bytes, sent: bytes) -> None:
    async def main() -> None:
        slow = Line()
        other = Line(peer="192.0.2.2", other=slow)
        slow.protocol.data_received(head + sent[:AT_ONCE])
        other.protocol.data_received(get("/healthz"))
        assert not slow.wire.reads
        for _ in range(3):
            await asyncio.sleep(0)
        assert other.wire.writes == [OK + b"\r\nok\n"]
        assert slow.wire.writes == []
        while slow.protocol.flow.is_held:
            await slow.settle()
        await slow.settle()
        assert [each.ip for each in slow.outbox.stored] == [IP]
        assert slow.wire.writes[-1].startswith(b"HTTP/1.1 200")
        assert slow.wire.reads
        await slow.send(get())
        assert len(slow.outbox.stored) == 2

    asyncio.run(main())


def test_the_application_that_asks_for_more_of_a_body_gets_no_more_before_its_turn() -> None:
    async def main() -> None:
        line = Line()
        line.protocol.data_received(CHUNKED + in_chunks(b" " * 40_000, 1))
        while line.protocol.flow.is_held:
            assert not line.wire.reads
            await asyncio.sleep(0)

    asyncio.run(main())


def test_of_many_that_take_long_each_has_its_turn() -> None:
    async def main() -> None:
        first = Line()
        lines = [first, *(Line(peer=f"192.0.2.{n}", other=first) for n in range(2, 9))]
        for each in lines:
            each.protocol.data_received(CHUNKED + in_chunks(REPORT + b" " * 10_000, 1))
        for each in lines:
            while each.protocol.flow.is_held:
                await each.settle()
            await each.settle()
            assert each.wire.writes[-1].startswith(b"HTTP/1.1 200")

    asyncio.run(main())


def test_what_waits_for_its_turn_is_counted_once_as_memory_and_not_at_all_in_the_end() -> None:
    async def main() -> None:
        line = Line(ConnectionLimits(bodies_bytes_max=80_000))
        sent = in_chunks(REPORT + b" " * 10_000, 1)
        line.protocol.data_received(CHUNKED + sent)
        while line.protocol.flow.is_held:
            await line.settle()
        await line.settle()
        assert line.wire.writes[-1].startswith(b"HTTP/1.1 200")
        assert line.room._bodies_bytes == 0

    asyncio.run(main())


def test_who_goes_while_waiting_for_a_turn_is_forgotten() -> None:
    async def main() -> None:
        line = Line()
        line.protocol.data_received(CHUNKED + in_chunks(b" " * 40_000, 1))
        assert line.protocol.flow.is_held
        line.wire.close()
        line.protocol.connection_lost(None)
        await line.settle()
        assert not line.state.tasks
        assert not line.room.turns._line
        assert line.outbox.stored == []

    asyncio.run(main())
