"""An address is the same address at every entrance, however it is written."""

from __future__ import annotations

import asyncio
import io
import ipaddress
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from f2b_producer import Producer, report
from f2b_producer.logs import LogFilter
from f2b_producer.testing import RecordingClient
from f2b_producer.wsgi import F2BMiddleware
from f2b_worker.cli.f2b import main
from f2b_worker.domain.addresses import parse_address
from f2b_worker.domain.jails import Policy
from f2b_worker.query.lookup import asked_in
from f2b_worker.shim.app import make_app
from f2b_worker.testing import FakeClock, MemoryOutbox
from f2b_worker.wire import read_body
from tests.spellings import NO_ADDRESSES, SPELLINGS

if TYPE_CHECKING:
    from collections.abc import Callable

    from f2b_worker.domain.judge.infractions import Infraction

PROFILE = settings(deadline=None, max_examples=60)


def judged(texts: list[str]) -> str | None:
    """Tell which address the worker holds the one report against; None where nothing came through."""
    if not texts:
        return None
    (text,) = texts
    try:
        family, value = parse_address(text)
    except ValueError:
        return None
    return str(ipaddress.IPv4Address(value) if family == 4 else ipaddress.IPv6Address(value))


def of_body(body: object) -> str | None:
    return judged([one.ip for one in read_body(json.dumps(body), message_id="m", sent_at_ms=1).infractions])


def in_a_message(text: str) -> str | None:
    return of_body({"ip": text})


def in_a_pack(text: str) -> str | None:
    return of_body({"v": 1, "id": "p", "t0_ms": 1, "dt_ms": [0], "ip": [text]})


def asked(method: str, path: str, **more: Any) -> list[Infraction]:
    outbox = MemoryOutbox()

    async def once() -> None:
        transport = httpx.ASGITransport(make_app(outbox, FakeClock()))  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://shim") as http:
            await http.request(method, path, **more)

    asyncio.run(once())
    return outbox.stored


def plainly(infractions: list[Infraction]) -> str | None:
    """Tell what the shim sends on: an older worker must be able to read it."""
    texts = [each.ip for each in infractions]
    assert all(ipaddress.ip_address(text) for text in texts)
    return judged(texts)


def in_the_shims_path(text: str) -> str | None:
    return plainly(asked("GET", f"/infraction/{quote(text, safe='')}"))


def in_the_shims_path_with_a_jail(text: str) -> str | None:
    return plainly(asked("GET", f"/infraction/{quote(text, safe='')}?jail=login"))


def in_a_post(text: str) -> str | None:
    return plainly(asked("POST", "/infractions", content=json.dumps({"ip": text})))


def in_posted_lines(text: str) -> str | None:
    return plainly(asked("POST", "/infractions", content=json.dumps({"ip": text}) + '\n{"ip": "unknown"}'))


def sent(queue: RecordingClient) -> str | None:
    texts = [seen.ip for seen in queue.infractions()]
    assert all(ipaddress.ip_address(text) for text in texts)
    return judged(texts)


def in_report(text: str) -> str | None:
    queue = RecordingClient()
    with Producer("memory:", client=queue) as f2b:
        f2b.report(text)
    return sent(queue)


def answered(**environ: str) -> str | None:
    queue = RecordingClient()
    with Producer("memory:", client=queue) as f2b:

        def app(_environ: Any, start_response: Any) -> list[bytes]:
            start_response("401 Unauthorized", [])
            return []

        hops = int("HTTP_X_FORWARDED_FOR" in environ)
        F2BMiddleware(app, f2b, statuses={401: "login"}, trusted_hops=hops)(environ, lambda *_: lambda _: None)
    return sent(queue)


def behind_a_proxy(text: str) -> str | None:
    return answered(REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR=f"6.6.6.6,{text}")


def as_the_peer(text: str) -> str | None:
    return answered(REMOTE_ADDR=text)


def on_the_command_line(text: str) -> str | None:
    queue = RecordingClient()
    report.main(["--queue", "memory:", "--", text], client=queue, stdin=io.BytesIO())
    return sent(queue)


def on_standard_input(text: str) -> str | None:
    queue = RecordingClient()
    stdin = io.BytesIO(json.dumps({"ip": text}).encode())
    report.main(["--queue", "memory:", "-"], client=queue, stdin=stdin)
    return sent(queue)


def in_a_replay(text: str) -> str | None:
    line = json.dumps({"ip": text, "time": 1})
    answer = CliRunner().invoke(main, ["replay", "-", "--maxretry", "1", "--json"], input=line)
    assert answer.exit_code == 0
    bans = [each["ip"] for each in json.loads(answer.stdout)["bans"]]
    return None if not bans else bans[0]


def in_explain(text: str) -> str | None:
    try:
        family, value = asked_in(text, Policy()).address
    except ValueError:
        return None
    return str(ipaddress.IPv4Address(value) if family == 4 else ipaddress.IPv6Address(value))


def in_a_log(text: str) -> str | None:
    found = LogFilter([r"^rhost=<F-ID>(?:.|\s)*</F-ID>$"]).find(f"rhost={text}", now_ms=1)
    return judged([found.ip]) if found else None


ENTRANCES: list[Callable[[str], str | None]] = [
    *(in_a_message, in_a_pack, in_the_shims_path, in_the_shims_path_with_a_jail, in_a_post, in_posted_lines),
    *(in_report, behind_a_proxy, as_the_peer, on_the_command_line, on_standard_input, in_explain),
]
NETWORKS_TOO = {in_explain}
"""Entrances that also take a network which is judged as one: the form in which bans are listed."""


@pytest.mark.parametrize("entrance", [*ENTRANCES, in_a_log], ids=lambda entrance: entrance.__name__)
def test_every_spelling_of_the_table_is_the_same_address_at_every_entrance(
    entrance: Callable[[str], str | None],
) -> None:
    assert {text: entrance(text) for text in SPELLINGS} == SPELLINGS


@pytest.mark.parametrize("entrance", [*ENTRANCES, in_a_log, in_a_replay], ids=lambda entrance: entrance.__name__)
def test_what_is_not_one_address_is_none_at_every_entrance(entrance: Callable[[str], str | None]) -> None:
    wrong = [text for text in NO_ADDRESSES if not ("/" in text and entrance in NETWORKS_TOO)]
    assert [text for text in wrong if entrance(text) is not None] == []


def test_a_replay_judges_each_spelling_of_the_table_as_the_address_that_it_is() -> None:
    keys = {text: ipaddress.ip_network(in_a_replay(text) or "::") for text in SPELLINGS}
    assert [text for text, key in keys.items() if ipaddress.ip_address(SPELLINGS[text]) not in key] == []


WHITE = st.text(" \t\r\n\u00a0\u2003", max_size=3)


@st.composite
def spellings(draw: st.DrawFn) -> tuple[str, str]:
    """Draw an address, and what somebody may write for it."""
    address = draw(st.ip_addresses())
    plain = getattr(address, "ipv4_mapped", None) or address
    texts = [str(address), address.exploded, address.exploded.upper()]
    if isinstance(plain, ipaddress.IPv4Address):
        high, low = divmod(int(plain), 1 << 16)
        texts += [f"::ffff:{plain}", f"::FFFF:{high:x}:{low:04X}", f"0:0:0:0:0:ffff:{plain}"]
    text = draw(st.sampled_from(texts))
    port = f":{draw(st.integers(0, 65_535))}"
    ends_in_dots = "." in text
    text = draw(st.sampled_from([text, f"[{text}]", f"[{text}]{port}", *([text + port] if ends_in_dots else [])]))
    return draw(st.sampled_from(["", "\ufeff"])) + draw(WHITE) + text + draw(WHITE), str(plain)


@pytest.mark.parametrize("entrance", ENTRANCES, ids=lambda entrance: entrance.__name__)
@given(spelling=spellings())
@settings(PROFILE)
def test_any_address_in_any_spelling_is_itself_at_every_entrance(
    entrance: Callable[[str], str | None], spelling: tuple[str, str]
) -> None:
    text, address = spelling
    assert entrance(text) == address


@pytest.mark.parametrize("entrance", ENTRANCES, ids=lambda entrance: entrance.__name__)
@given(text=st.text("0123456789abcdefF:.[] \t\ufeff%/", max_size=30))
@settings(PROFILE)
def test_whatever_else_is_written_all_entrances_agree_whether_it_is_an_address(
    entrance: Callable[[str], str | None], text: str
) -> None:
    if "/" not in text:
        assert entrance(text) == judged([text])
