"""Clients that are old or odd are read as they mean it; what is no HTTP/1 hears so, and smuggles nothing."""

from __future__ import annotations

import re
from typing import Any

import pytest

from f2b_worker.http import reading
from tests.unit.http.line import IP, OK, Line, get, on_a_line, post
from tests.unit.shim.scene import refusals

KEPT = OK + b"\r\nok\n"
LAST = OK + b"connection: close\r\n\r\nok\n"
BODY = b'{"ip": "198.51.100.1"}\n{"ip": "198.51.100.2"}'
STORED_TWO = b'{"stored": 2}\n'
OFFER = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"


def said(*parts: bytes, eof: bool = False) -> Line:
    """Send parts after one another, and perhaps the end; answer what became of it."""

    async def talk(line: Line) -> None:
        for part in parts:
            await line.send(part)
        if eof:
            await line.end()

    return on_a_line(talk)


def answers(line: Line) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) [A-Z]", b"".join(line.wire.writes))]


def stored(line: Line) -> list[str]:
    return [each.ip for each in line.outbox.stored]


def offering(length: int = len(BODY), offer: str = OFFER) -> bytes:
    return f"POST /infractions HTTP/1.1\r\nHost: shim\r\n{offer}Content-Length: {length}\r\n\r\n".encode()


# Offers to speak something else


@pytest.mark.parametrize("offer", [OFFER, "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\n"])
@pytest.mark.parametrize("cut", [0, 7])
def test_an_offer_is_ignored_and_its_body_read_even_if_that_comes_later(offer: str, cut: int) -> None:
    line = said(offering(offer=offer) + BODY[:cut], BODY[cut:])
    (answer,) = line.wire.writes
    assert answer.endswith(STORED_TWO)
    assert stored(line) == ["198.51.100.1", "198.51.100.2"]
    assert not line.wire.closed


def test_a_body_behind_an_offer_is_never_read_as_a_request() -> None:
    hidden = get("/infraction/192.0.2.66")
    line = said(offering(len(hidden)), hidden)
    assert answers(line) == [400]
    assert stored(line) == []


def test_what_is_sent_ahead_behind_an_offer_is_answered_in_its_turn() -> None:
    line = said(offering() + BODY + get() + offering() + BODY + get("/"))
    assert answers(line) == [200] * 4
    assert stored(line) == ["198.51.100.1", "198.51.100.2", IP, "198.51.100.1", "198.51.100.2"]


def test_of_what_a_connection_is_to_do_only_the_offer_is_left_out() -> None:
    line = said(get("/", "Connection: close, Upgrade", "Upgrade: h2c"))
    assert line.wire.writes == [LAST]
    assert line.wire.ended


def test_a_tunnel_is_refused_and_nothing_in_it_is_a_request() -> None:
    before = refusals("tunnel")
    line = said(b"CONNECT 192.0.2.1:443 HTTP/1.1\r\nHost: 192.0.2.1:443\r\n\r\n" + get(), get())
    assert answers(line) == [501]
    assert b"no proxy" in line.wire.writes[0]
    assert line.wire.ended
    assert stored(line) == []
    assert refusals("tunnel") == before + 1


# Clients that half-close


def test_who_half_closes_after_a_request_gets_the_answer_and_then_the_end() -> None:
    async def talk(line: Line) -> None:
        line.outbox.open.clear()
        await line.send(get())
        await line.end()
        assert not line.wire.ended
        line.outbox.open.set()
        await line.settle()

    line = on_a_line(talk)
    assert line.wire.writes == [LAST]
    assert line.wire.closed


def test_who_half_closes_after_several_requests_gets_all_answers() -> None:
    async def talk(line: Line) -> None:
        line.outbox.open.clear()
        await line.send(get() + get() * 50 + get())
        await line.end()
        line.outbox.open.set()
        while len(line.wire.writes) < 52 and not line.wire.ended:
            await line.settle()

    line = on_a_line(talk)
    assert line.wire.writes == [KEPT] * 51 + [LAST]
    assert line.wire.closed


@pytest.mark.parametrize("asked", [[], [get()]])
def test_who_half_closes_while_idle_is_left_at_once(asked: list[bytes]) -> None:
    line = said(*asked, eof=True)
    assert line.wire.writes == [KEPT] * len(asked)
    assert line.wire.closed


@pytest.mark.parametrize("begun", [b"GE", get()[:-2], post(b"[", 100), b"PO"])
def test_who_half_closes_amid_a_request_hears_so(begun: bytes) -> None:
    before = refusals("incomplete")
    line = said(begun, eof=True)
    assert answers(line) == [400]
    assert b"ended before" in line.wire.writes[0]
    assert line.wire.ended
    assert stored(line) == []
    assert refusals("incomplete") == before + 1


def test_who_half_closes_amid_the_second_request_gets_the_answer_to_the_first() -> None:
    async def talk(line: Line) -> None:
        line.outbox.open.clear()
        await line.send(get() + post(b"[", 100))
        await line.end()
        line.outbox.open.set()
        await line.settle()

    line = on_a_line(talk)
    assert answers(line) == [200, 400]
    assert line.wire.ended


def test_a_report_that_needs_no_body_counts_though_its_body_ends_too_soon() -> None:
    line = said(get(f"/infraction/{IP}", "Content-Length: 10") + b"abc", eof=True)
    assert answers(line) == [200]
    assert stored(line) == [IP]
    assert line.wire.ended


# Line ends


def lf(request: bytes) -> bytes:
    return request.replace(b"\r\n", b"\n")


def test_lines_may_end_in_a_bare_lf_in_one_request_and_in_several() -> None:
    line = said(lf(get()) + lf(post(BODY, len(BODY))) + lf(get()) + get(), lf(get("/")))
    assert answers(line) == [200] * 5
    assert stored(line) == [IP, "198.51.100.1", "198.51.100.2", IP, IP]


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
@pytest.mark.parametrize(
    "lines", [b"GET / HTTP/1.0\r\n", b"GET / HTTP/1.1\nHost: a\n", b"GET / HTTP/1.1\r\nHost: a\r\n"]
)
def test_the_empty_line_may_end_otherwise_than_those_before(lines: bytes, ending: bytes) -> None:
    assert answers(said(lines + ending)) == [200]


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: a\n\nGET /infraction/192.0.2.66 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\n\nGET /infraction/192.0.2.66 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
        b"GET / HTTP/1.1\nHost: a\nX: b\rY: c\n\n",
    ],
)
def test_lines_that_end_in_different_ways_are_refused_for_a_proxy_may_have_seen_one_line(head: bytes) -> None:
    line = said(head + get("/infraction/192.0.2.66"))
    assert answers(line) == [400]
    assert line.wire.ended
    assert stored(line) == []


@pytest.mark.parametrize("chunks", [b"2\n[]\r\n0\r\n\r\n", b"2;a\n[]\r\n0\r\n\r\n", b"2\r\n[]\n0\r\n\r\n"])
def test_a_bare_lf_ends_no_line_of_a_chunk(chunks: bytes) -> None:
    head = b"POST /infractions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    for each in (head, lf(head)):
        line = said(each + chunks + get("/infraction/192.0.2.66"))
        assert answers(line) == [400]
        assert line.wire.ended
        assert stored(line) == []


def test_a_request_of_lf_lines_may_have_a_chunked_body_and_a_next_request() -> None:
    head = lf(b"POST /infractions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    line = said(head + b"%x\r\n%s\r\n0\r\nX-Trailer: a\r\n\r\n" % (len(BODY), BODY) + lf(get()))
    assert answers(line) == [200, 200]
    assert stored(line) == ["198.51.100.1", "198.51.100.2", IP]


def test_line_ends_between_requests_are_none_of_either() -> None:
    line = said(post(BODY, len(BODY)) + b"\r\n" + get() + b"\n", eof=True)
    assert answers(line) == [200, 200]


def test_a_head_of_lf_lines_has_its_limit_too() -> None:
    line = said(b"GET / HTTP/1.1\n", *[b"X-A: %s\n" % (b"a" * 1000)] * 20)
    assert answers(line) == [431]


# Versions


def test_an_http_1_0_client_that_asks_for_it_keeps_its_connection_and_is_told_so() -> None:
    line = said(*[get(f"/infraction/{IP}", "Connection: Keep-Alive", version="1.0")] * 2)
    assert line.wire.writes == [OK + b"connection: keep-alive\r\n\r\nok\n"] * 2
    assert not line.wire.closed


def test_an_http_1_0_client_that_does_not_ask_for_it_is_left_after_the_answer() -> None:
    line = said(get(version="1.0"))
    assert line.wire.writes == [LAST]
    assert line.wire.ended


def test_an_http_1_0_client_with_chunks_is_left_after_the_answer_and_asked_for_nothing() -> None:
    head = (
        b"POST /infractions HTTP/1.0\r\nConnection: keep-alive\r\nExpect: 100-continue\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    line = said(head, b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY))
    assert answers(line) == [200]
    assert line.wire.ended


def test_a_newer_minor_version_is_read_as_1_1() -> None:
    line = said(get(version="1.2"), get(version="1.9"))
    assert line.wire.writes == [KEPT, KEPT]


@pytest.mark.parametrize(
    "begun",
    [
        b"GET /infraction/192.0.2.1\r\n",
        b"GET /infraction/192.0.2.1\n\n",
        *[get(version=each) for each in ("0.9", "2.0", "3.0", "11")],
    ],
)
def test_another_version_is_refused_by_its_name(begun: bytes) -> None:
    before = refusals("http_version")
    line = said(begun)
    assert answers(line) == [505]
    assert line.wire.ended
    assert stored(line) == []
    assert refusals("http_version") == before + 1


# What is no HTTP/1

PROXY_V1 = b"PROXY TCP4 192.0.2.9 192.0.2.1 56324 8000\r\n"
PROXY_V2 = b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12)
TLS = bytes.fromhex("1603010200010001fc0303")
HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x12\x04\x00\x00\x00\x00\x00"


@pytest.mark.parametrize("step", [1, 4, 1000])
@pytest.mark.parametrize(
    ("sent", "reason", "remedy"),
    [
        (PROXY_V1 + get(), "proxy_protocol", b"remove send-proxy"),
        (PROXY_V2 + get(), "proxy_protocol", b"remove send-proxy"),
        (TLS, "tls", b"http://"),
        (HTTP2, "http2", b"use HTTP/1.1"),
    ],
)
def test_another_protocol_is_refused_by_its_name_with_what_to_do_and_logged(
    sent: bytes, reason: str, remedy: bytes, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, told = refusals(reason), []
    monkeypatch.setattr(reading.log, "warning", lambda event, **keys: told.append((event, keys)))
    line = said(*[sent[start : start + step] for start in range(0, len(sent), step)])
    assert len(answers(line)) == 1
    assert remedy in line.wire.writes[0]
    assert line.wire.ended
    assert stored(line) == []
    assert refusals(reason) == before + 1
    ((event, keys),) = told
    assert (event, keys["kind"], keys["peer"]) == ("foreign_protocol", reason, "192.0.2.1")


@pytest.mark.parametrize("noise", [b"hello\r\n\r\n", b"GET\r\n\r\n", b"\x00\x01\x02", b"FOO / HTTP/1.1\r\n\r\n"])
def test_what_is_nothing_that_is_known_is_refused_with_the_reason(noise: bytes) -> None:
    before = refusals("bad_http")
    line = said(noise)
    assert answers(line) == [400]
    assert line.wire.ended
    assert refusals("bad_http") == before + 1


def test_noise_after_a_request_costs_that_no_answer() -> None:
    line = said(get() + b"\x00noise", get())
    assert answers(line) == [200, 400]
    assert line.wire.ended
    assert stored(line) == [IP]


# Targets and headers


@pytest.mark.parametrize(
    "target",
    [
        f"http://shim:8000/infraction/{IP}",
        f"HTTP://other.example/infraction/{IP}?jail=default",
        f"//infraction/{IP}",
        f"/infraction//{IP}",
        f"/infraction/{IP}?x=a//b",
        f"/infraction/{IP}?x=é",
        f"/infraction/{IP}?é&jail=default",
        f"/infraction/{IP}#é",
        "/infraction/203.0.113%2e7",
    ],
)
def test_a_target_that_can_be_meant_in_one_way_counts(target: str) -> None:
    line = said(get(target))
    assert answers(line) == [200]
    assert stored(line) == [IP]


@pytest.mark.parametrize("target", ["http://shim", "http://shim/", "http://shim?a", "/?é"])
def test_a_target_without_a_path_is_the_root(target: str) -> None:
    assert said(get(target)).wire.writes == [KEPT]


@pytest.mark.parametrize("target", ["/infraction/é", "/infraction/\u2028", "*", "/é"])
def test_an_odd_target_is_answered_and_the_connection_goes_on(target: str) -> None:
    line = said(get(target), get())
    assert answers(line)[0] in {400, 404}
    assert answers(line)[1:] == [200]


@pytest.mark.parametrize(
    "headers",
    [
        ["X: é"],
        ["X: a\r\n b"],
        ["X: a\r\n\tb", "Y: \r\n c"],
        ["Host: "],
        ["Content-Length: 0", "Content-Length: 0"],
        ["Content-Length: 0", "content-length:  0 "],
    ],
)
def test_headers_that_can_be_meant_in_one_way_are_taken(headers: list[str]) -> None:
    request = "\r\n".join([f"GET /infraction/{IP} HTTP/1.1", *headers, "", ""]).encode()
    line = said(request, request)
    assert answers(line) == [200, 200]


@pytest.mark.parametrize(
    "headers",
    [
        ["Content-Length: 3", "Content-Length: 4"],
        ["Content-Length: 3, 3"],
        ["Content-Length: 3\r\n 4"],
        ["Content-Length: +3"],
        ["Content-Length: -3"],
        ["Content-Length : 3"],
        ["Content-Length: 3", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Content-Length: 3"],
        ["Transfer-Encoding:\r\n chunked"],
        ["Transfer-Encoding: chunked, gzip"],
        ["Transfer-Encoding: xchunked"],
        ["Transfer-Encoding: gzip, chunked"],
        ["Transfer-Encoding: identity, chunked"],
        ["Transfer-Encoding: identity", "Transfer-Encoding: chunked"],
        ["Connection: upgrade", "Upgrade: h2c", "Transfer-Encoding: gzip, chunked"],
        ["Transfer-Encoding : chunked"],
        ["Host: a", "Host: b"],
        ["X\u00e9: a"],
        ["X: a\x00b"],
        ["nothing"],
        [" X: a"],
    ],
)
def test_what_may_be_meant_in_two_ways_is_refused_and_ends_the_connection(headers: list[str]) -> None:
    request = "\r\n".join(["POST /infractions HTTP/1.1", *headers, "", ""]).encode()
    line = said(request + get("/infraction/192.0.2.66"))
    assert answers(line) == [400]
    assert line.wire.ended
    assert stored(line) == []


def test_a_report_may_have_a_body_that_nobody_needs() -> None:
    chunked = get(f"/infraction/{IP}", "Transfer-Encoding: chunked")
    line = said(
        get(f"/infraction/{IP}", "Content-Length: 3") + b"abc" + chunked + b"3\r\nabc\r\n0\r\nX: y\r\n\r\n",
        get(),
    )
    assert answers(line) == [200] * 3
    assert not line.wire.closed


def test_a_trailer_is_no_header() -> None:
    async def talk(line: Line) -> None:
        scopes: list[dict[str, Any]] = []
        answer = line.protocol.app.answer

        async def spy(scope: dict[str, Any], receive: Any) -> Any:
            scopes.append(scope)
            return await answer(scope, receive)

        line.protocol.app.answer = spy
        head = b"POST /infractions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        await line.send(head + b"%x\r\n%s\r\n0\r\nAuthorization: a\r\n\r\n" % (len(BODY), BODY))
        assert [name for name, _ in scopes[0]["headers"]] == [b"host", b"transfer-encoding"]

    assert answers(on_a_line(talk)) == [200]
