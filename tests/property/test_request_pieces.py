"""However a client cuts its bytes into pieces, and whatever it offers, its requests are the same ones."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.http.line import Line, on_a_line

HIDDEN = "192.0.2.66"
BODY = b'{"ip": "%s"}\nGET /infraction/%s HTTP/1.1\r\nHost: a\r\n\r\n'
OFFERS = (
    "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    "Connection: keep-alive, upgrade\r\nUpgrade: websocket\r\n",
    "Upgrade: a/1, b\r\nConnection: upgrade\r\n",
)
ODD_HEADERS = ("X: é\r\n", "X: a\r\n b\r\n", "Host: \r\n", "Expect: 100-continue\r\n")


class Asked(NamedTuple):
    """One request, and the address that it reports."""

    sent: bytes
    ip: str


@st.composite
def requests(draw: st.DrawFn) -> Asked:
    """Make a request; what its body hides looks like one more."""
    ip = f"198.51.100.{draw(st.integers(1, 254))}"
    query = draw(st.sampled_from(["", "?x=é"]))
    line_end = draw(st.sampled_from(["\r\n", "\n"]))
    body = BODY % (ip.encode(), HIDDEN.encode())
    kind = draw(st.sampled_from(["get", "get with a body", "length", "chunks"]))
    # Who waits with a body that nobody wants is answered instead of asked for it, and may never send it.
    odd = [each for each in ODD_HEADERS if kind != "get with a body" or "Expect" not in each]
    headers = draw(st.sampled_from(["", *OFFERS])) + draw(st.sampled_from(["", *odd]))
    if kind.startswith("get"):
        head = f"GET /infraction/{ip}{query} HTTP/1.1\r\n{headers}"
        body = body if kind != "get" else b""
        head += f"Content-Length: {len(body)}\r\n" if body else ""
    else:
        head = f"POST /infractions HTTP/1.1\r\n{headers}"
        head += f"Content-Length: {len(body)}\r\n" if kind == "length" else "Transfer-Encoding: chunked\r\n"
    if kind == "chunks":
        size = draw(st.integers(1, len(body)))
        chunks = [body[start : start + size] for start in range(0, len(body), size)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in chunks) + b"0\r\n\r\n"
    head += "\r\n"
    return Asked(head.replace("\r\n", line_end).encode() + body, ip)


def pieces(sent: bytes, cuts: list[int]) -> list[bytes]:
    """Cut bytes there."""
    places = [0, *sorted(cut % (len(sent) + 1) for cut in cuts), len(sent)]
    return [sent[start:end] for start, end in pairwise(places) if start < end]


def reported(sent: list[bytes]) -> list[str]:
    """Send pieces, and the end; answer what was stored."""

    async def talk(line: Line) -> None:
        for piece in sent:
            await line.send(piece)
        await line.end()
        assert not line.state.tasks
        assert line.wire.closed

    return [each.ip for each in on_a_line(talk).outbox.stored]


PARTS = (
    b"GET /infraction/198.51.100.1 HTTP/1.1",
    b"POST /infractions HTTP/1.1",
    b"GET / HTTP/1.0",
    b"CONNECT a:1 HTTP/1.1",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"PROXY TCP4 ",
    b"Host: a",
    b"Content-Length: 3",
    b"Content-Length: 50",
    b"Transfer-Encoding: chunked",
    b"Connection: upgrade\r\nUpgrade: h2c",
    b"Expect: 100-continue",
    b"X: a",
    *(
        b"\r",
        b"\n",
        b"\r\n",
        b"\r\n\r\n",
        b"\n\n",
        b" b",
        b"abc",
        b"3\r\n",
        b"0\r\n\r\n",
        b"\x00",
        b"\xc3",
        b"\x16\x03",
    ),
)
CUTS = st.lists(st.integers(0, 10_000), max_size=12)


@settings(deadline=None)  # the first one loads a server
@given(asked=st.data(), cuts=CUTS)
def test_requests_with_offers_are_those_without_them_in_any_pieces(asked: st.DataObject, cuts: list[int]) -> None:
    each = asked.draw(st.lists(requests(), min_size=1, max_size=4))
    sent = b"".join(one.sent for one in each)
    assert reported(pieces(sent, cuts)) == [one.ip for one in each]


@settings(deadline=None)
@given(parts=st.lists(st.sampled_from(PARTS), max_size=25), cuts=CUTS)
def test_no_bytes_make_a_connection_fail_and_each_ends(parts: list[bytes], cuts: list[int]) -> None:
    reported(pieces(b"".join(parts), cuts))
